"""Cluster add-ons applied before a deployment: RBAC, CoreDNS, metrics-server, KServe, Envoy Gateway, CRDs of charts."""

import hashlib
import json
import os
import string
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local.cluster import crds
from local.cluster.parts import METRICS_PORT
from local.cluster.parts_platform import WEBHOOK_PORT
from local.errors import UserError
from local.paths import DNS_IP, INJECTOR_PORT, KEYCLOAK_PORT, NODE_IP, REPOSITORY, Home

ENVOY_GATEWAY = "envoy-gateway-system"
MANIFESTS = REPOSITORY / "local" / "manifests"
_CRDS = (
    *(
        f"serving.kserve.io_{name}.yaml"
        for name in (
            "inferenceservices",
            "servingruntimes",
            "clusterservingruntimes",
            "inferencegraphs",
            "trainedmodels",
        )
    ),
    "clusterstoragecontainer/serving.kserve.io_clusterstoragecontainers.yaml",
)


def kubectl(home: Home, binary: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as the administrator and return its output.

    Raises
    ------
    UserError
        With kubectl's own last line.
    """
    command = [str(binary / "kubectl"), f"--kubeconfig={home.kubeconfig}", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines() or ["no reason given"]
        raise UserError(f"kubectl {' '.join(arguments[:2])} failed: {reason[-1]}")
    return done.stdout


def _ca_bundle(home: Home) -> str:
    return b64encode((home.pki / "ca.crt").read_bytes()).decode()


def _rendered(home: Home, images: Mapping[str, str]) -> str:
    values = {
        "COREDNS_IMAGE": images["coredns"],
        "ENVOY_GATEWAY_IMAGE": images["envoy-gateway"],
        "DNS_IP": DNS_IP,
        "NODE_IP": NODE_IP,
        "METRICS_PORT": str(METRICS_PORT),
        "INJECTOR_PORT": str(INJECTOR_PORT),
        "KEYCLOAK_PORT": str(KEYCLOAK_PORT),
        "CA_BUNDLE": _ca_bundle(home),
    }
    texts = [string.Template(path.read_text()).substitute(values) for path in sorted(MANIFESTS.glob("*.yaml"))]
    return "\n---\n".join(texts)


def _kserve_settings(config: Path) -> dict[str, Any]:
    """Return KServe's ConfigMap, changed to standard Deployments without Knative and ingress."""
    documents = yaml.safe_load_all((config / "configmap" / "inferenceservice.yaml").read_text())
    content: dict[str, Any] = next(document for document in documents if document)
    content["metadata"]["namespace"] = "kserve"
    data = {key: value for key, value in content["data"].items() if key != "_example"}
    ingress = json.loads(data["ingress"]) | {
        "disableIstioVirtualHost": True,
        "disableIngressCreation": True,
        "enableGatewayApi": False,
    }
    resources = {"cpuLimit": "1", "memoryLimit": "1Gi", "cpuRequest": "100m", "memoryRequest": "128Mi"}
    content["data"] = data | {
        "deploy": json.dumps({"defaultDeploymentMode": "Standard"}),
        "ingress": json.dumps(ingress),
        "inferenceService": json.dumps({"resource": resources}),
        "security": json.dumps({"autoMountServiceAccountToken": False}),
    }
    return content


def digest(home: Home, config: Path, images: Mapping[str, str]) -> str:
    """Return a digest of everything that is applied, to detect changes."""
    settings = yaml.safe_dump(_kserve_settings(config))
    types = f"{crds.TYPES}{(crds.MODULE / 'go.sum').read_text()}"
    return hashlib.sha256(f"{_rendered(home, images)}{settings}{config}{types}".encode()).hexdigest()


def before_kserve(home: Home, kubernetes: Path, config: Path, images: Mapping[str, str]) -> None:
    """Apply everything that KServe's controller and the pods need, and wait for the CRDs."""
    types = [*(config / "crd" / "full" / name for name in _CRDS), *crds.fetched()]
    role = (config / "rbac" / "role.yaml").read_text()
    base = "\n---\n".join([_rendered(home, images), role])
    apply = ("apply", "--server-side", "--force-conflicts", "--filename")
    kubectl(home, kubernetes, *apply, "-", stdin=base)
    kubectl(home, kubernetes, *apply, "-", stdin=yaml.safe_dump(_kserve_settings(config)))
    kubectl(home, kubernetes, *apply, ",".join(str(path) for path in types))
    names = [f"crd/{yaml.safe_load(path.read_text())['metadata']['name']}" for path in types]
    kubectl(home, kubernetes, "wait", "--for=condition=Established", "--timeout=60s", *names)


def after_kserve(home: Home, kubernetes: Path, config: Path) -> None:
    """Register KServe's webhooks with the address of the controller."""
    webhooks = []
    for document in yaml.safe_load_all((config / "webhook" / "manifests.yaml").read_text()):
        if not document or "webhooks" not in document:
            continue
        document["metadata"].pop("creationTimestamp", None)
        for webhook in document["webhooks"]:
            path = webhook["clientConfig"]["service"]["path"]
            url = f"https://127.0.0.1:{WEBHOOK_PORT}{path}"
            webhook["clientConfig"] = {"url": url, "caBundle": _ca_bundle(home)}
        webhooks.append(document)
    text = yaml.safe_dump_all(webhooks)
    kubectl(home, kubernetes, "apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=text)


def certify_envoy_gateway(home: Home, folder: Path) -> None:
    """Let Envoy Gateway issue the certificates between its controller and Envoy, where there are none yet.

    Raises
    ------
    UserError
        With its own last line.
    """
    environment = {"KUBECONFIG": str(home.kubeconfig), "ENVOY_GATEWAY_NAMESPACE": ENVOY_GATEWAY}
    command = [str(folder / "envoy-gateway"), "certgen", "--disable-topology-injector"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise UserError(f"the certificates of Envoy Gateway were not issued: {reason[-1]}")
