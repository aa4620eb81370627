"""What a pod gets from its annotations."""

import base64
import json
from copy import deepcopy
from typing import Any

import pytest

from local.injector.annotations import AnnotationError, parse
from local.injector.mutation import Injector

IMAGE = "hmlops.local/agent@sha256:" + "a" * 64
INJECTOR = Injector(IMAGE, "https://vault:8200", "a certificate")
TOKEN: dict[str, Any] = {"name": "vault-token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
SPEC: dict[str, Any] = {
    "containers": [{"name": "score", "image": "x", "securityContext": {"runAsUser": 65532}}],
    "initContainers": [{"name": "prepare", "image": "x"}],
    "volumes": [TOKEN],
}


def request(**more: str) -> Any:
    values = {
        "agent-inject": "true",
        "role": "north-planner",
        "agent-run-as-same-user": "true",
        "agent-service-account-token-volume-name": "vault-token",
        "agent-inject-secret-a": "north/kv/data/a",
        **more,
    }
    return parse({f"vault.hashicorp.com/{name}": value for name, value in values.items()})


def config(container: dict[str, Any]) -> dict[str, Any]:
    env = {one["name"]: one["value"] for one in container["env"]}
    decoded: dict[str, Any] = json.loads(base64.b64decode(env["VAULT_CONFIG"]))
    return decoded


def test_a_service_gets_an_init_container_and_a_native_sidecar_first() -> None:
    spec = INJECTOR.inject(SPEC, request(**{"agent-init-first": "true"}))
    names = [container["name"] for container in spec["initContainers"]]
    assert names == ["vault-agent-init", "vault-agent", "prepare"]
    init, sidecar, _ = spec["initContainers"]
    assert (init.get("restartPolicy"), sidecar["restartPolicy"]) == (None, "Always")
    assert [config(one)["exit_after_auth"] for one in (init, sidecar)] == [True, False]
    assert [container["name"] for container in spec["containers"]] == ["score"]


def test_a_job_gets_the_init_container_alone_and_by_default_last() -> None:
    spec = INJECTOR.inject(SPEC, request(**{"agent-pre-populate-only": "true"}))
    assert [container["name"] for container in spec["initContainers"]] == ["prepare", "vault-agent-init"]
    assert [volume["name"] for volume in spec["volumes"]] == ["vault-token", "home-init", "vault-secrets"]


def test_secrets_are_in_memory_and_mounted_in_every_container() -> None:
    spec = INJECTOR.inject(SPEC, request())
    added = [volume for volume in spec["volumes"] if volume["name"] != "vault-token"]
    assert [volume["emptyDir"] for volume in added] == [{"medium": "Memory"}] * 3
    for container in (*spec["containers"], *spec["initContainers"]):
        assert {"name": "vault-secrets", "mountPath": "/vault/secrets"} in container["volumeMounts"]


def test_the_agent_is_hardened_and_has_nothing_of_the_pod_but_its_token() -> None:
    agent = INJECTOR.inject(SPEC, request())["initContainers"][1]
    assert agent["securityContext"] == {
        "runAsUser": 65532,
        "runAsGroup": 1000,
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["name"] for mount in agent["volumeMounts"]} == {"home-init", "vault-token", "vault-secrets"}
    token = next(mount for mount in agent["volumeMounts"] if mount["name"] == "vault-token")
    assert token["readOnly"] is True
    assert config(agent)["auto_auth"]["method"] == {
        "type": "kubernetes",
        "mount_path": "auth/kubernetes",
        "config": {"role": "north-planner", "token_path": f"{token['mountPath']}/token"},
    }


def test_the_pod_that_was_given_is_not_changed() -> None:
    before = deepcopy(SPEC)
    INJECTOR.inject(SPEC, request())
    assert before == SPEC


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"volumes": []}, "no volume 'vault-token'"),
        ({"volumes": [{"name": "vault-token", "emptyDir": {}}]}, "projects no ServiceAccount token"),
        ({"volumes": [TOKEN, {"name": "vault-secrets", "hostPath": {"path": "/"}}]}, "volume vault-secrets"),
        ({"containers": [{**SPEC["containers"][0], "name": "vault-agent"}]}, "container or volume vault-agent,"),
        ({"containers": [{"name": "score", "image": "x"}]}, "no runAsUser"),
        ({"containers": [{"name": "score", "securityContext": {"runAsUser": 0}}]}, "no runAsUser"),
    ],
)
def test_a_pod_that_cannot_have_an_agent_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        INJECTOR.inject({**SPEC, **change}, request())


def test_without_a_token_volume_the_mounted_token_is_used() -> None:
    mount = {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
    spec = {**SPEC, "containers": [{**SPEC["containers"][0], "volumeMounts": [mount]}]}
    agent = INJECTOR.inject(spec, request(**{"agent-service-account-token-volume-name": ""}))["initContainers"][1]
    assert mount in agent["volumeMounts"]
    with pytest.raises(AnnotationError, match="no ServiceAccount token"):
        INJECTOR.inject(SPEC, request(**{"agent-service-account-token-volume-name": ""}))
