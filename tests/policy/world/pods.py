"""Metadata, labels, containers and pods, as the objects of the compliant stack have them."""

from typing import Any

from policy_pack.facts.zone_table import pool_table
from tests.policy.builders import PREFIX

DIGEST = "sha256:" + "a" * 64
IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/workloads@{DIGEST}"
MODEL_PORT = 8080
REPLACED_WHEN_READY = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def labels(hospital: str, zone: str, workload: str = "") -> dict[str, str]:
    known = {f"{PREFIX}/hospital": hospital, f"{PREFIX}/zone": zone, "app.kubernetes.io/name": workload}
    return {name: value for name, value in known.items() if value}


def by_name(namespace: str) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


def meta(name: str, hospital: str, zone: str, workload: str = "", **notes: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "namespace": f"{hospital}-{zone}",
        "labels": labels(hospital, zone, workload),
    }
    if notes:
        found["annotations"] = {f"{PREFIX}/{key.replace('_', '-')}": value for key, value in notes.items()}
    return found


def container(name: str, *, server: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "image": IMAGE,
        "env": [{"name": "AWS_REGION", "value": "us-east-1"}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if server:
        probe = {"httpGet": {"path": "/", "port": MODEL_PORT}}
        found |= {
            "ports": [{"name": "http1", "containerPort": MODEL_PORT}],
            "livenessProbe": probe,
            "readinessProbe": probe,
            "lifecycle": {"preStop": {"sleep": {"seconds": 8}}},
        }
    return found


def pod(workload: str, *containers: dict[str, Any]) -> dict[str, Any]:
    classes = pool_table().of_accounts.get(workload, ())
    return {
        "serviceAccountName": workload,
        **({"priorityClassName": classes[0]} if classes else {}),
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
        "containers": list(containers),
    }
