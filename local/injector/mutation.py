"""A pod with the agent's containers and volumes, as the Vault Agent Injector adds them.

The sidecar is an init container that is restarted always (a native sidecar): it ends after the pod's own containers,
and does not keep a Job from completing.
"""

import base64
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from local.injector.annotations import AgentRequest, AnnotationError

Json = dict[str, Any]

INIT, SIDECAR = "vault-agent-init", "vault-agent"
SECRETS_VOLUME, SECRETS_FOLDER = "vault-secrets", "/vault/secrets"
HOMES = {INIT: "home-init", SIDECAR: "home-sidecar"}
HOME_FOLDER = "/home/vault"
TOKEN_FOLDER = "/var/run/secrets/vault.hashicorp.com/serviceaccount"
SCRIPT = (
    "echo ${VAULT_CONFIG?} | base64 -d > /home/vault/config.json && exec vault agent -config=/home/vault/config.json"
)
_OWN_TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True)
class Injector:
    """Settings of the injector.

    Parameters
    ----------
    image
        Image of the agent.
    address
        URL of Vault.
    ca
        Certificate of Vault's authority, as PEM.
    """

    image: str
    address: str
    ca: str

    def inject(self, spec: Json, request: AgentRequest) -> Json:
        """Return a pod's spec with the agent.

        Raises
        ------
        AnnotationError
            If the pod has no token for the agent, or names of its own collide.
        """
        changed = deepcopy(spec)
        token = _token(changed, request.token_volume)
        agents = [
            self._container(name, changed, request, token)
            for name, wanted in ((INIT, request.init), (SIDECAR, request.sidecar))
            if wanted
        ]
        own_init = changed.get("initContainers") or []
        _check_names(changed, agents)
        for container in (*changed["containers"], *own_init):
            mounts = container.setdefault("volumeMounts", [])
            mounts.append({"name": SECRETS_VOLUME, "mountPath": SECRETS_FOLDER})
        changed["initContainers"] = [*agents, *own_init] if request.init_first else [*own_init, *agents]
        memory: Json = {"emptyDir": {"medium": "Memory"}}
        homes = [HOMES[agent["name"]] for agent in agents]
        changed["volumes"] = [
            *(changed.get("volumes") or []),
            *({"name": name, **deepcopy(memory)} for name in (*homes, SECRETS_VOLUME)),
        ]
        return changed

    def _container(self, name: str, spec: Json, request: AgentRequest, token: Json) -> Json:
        config = self._config(request, f"{token['mountPath']}/{token.pop('file', 'token')}", once=name == INIT)
        text = json.dumps(config, sort_keys=True).encode()
        env = {
            "VAULT_LOG_LEVEL": request.log_level,
            "VAULT_CONFIG": base64.b64encode(text).decode(),
            "VAULT_ADDR": request.address or self.address,
            "VAULT_NAMESPACE": request.namespace,
            "VAULT_CACERT_BYTES": self.ca,
        }
        container: Json = {
            "name": name,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-ec"],
            "args": [SCRIPT],
            "env": [{"name": key, "value": value} for key, value in env.items() if value],
            "resources": deepcopy(dict(request.resources)),
            "securityContext": _security_context(spec, request),
            "volumeMounts": [
                {"name": HOMES[name], "mountPath": HOME_FOLDER},
                {key: value for key, value in token.items() if key != "file"} | {"readOnly": True},
                {"name": SECRETS_VOLUME, "mountPath": SECRETS_FOLDER},
            ],
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
        return container | ({"restartPolicy": "Always"} if name == SIDECAR else {})

    def _config(self, request: AgentRequest, token_path: str, *, once: bool) -> Json:
        method: Json = {
            "type": "kubernetes",
            "mount_path": request.auth_path,
            "config": {"role": request.role, "token_path": token_path},
        }
        if request.namespace:
            method["namespace"] = request.namespace
        settings: Json = {"exit_on_retry_failure": request.exit_on_retry_failure}
        if request.render_interval:
            settings["static_secret_render_interval"] = request.render_interval
        return {
            "exit_after_auth": once,
            "pid_file": f"{HOME_FOLDER}/.pid",
            "auto_auth": {
                "method": method,
                "sink": [{"type": "file", "config": {"path": f"{HOME_FOLDER}/.vault-token", "mode": 0o600}}],
            },
            "vault": {"address": request.address or self.address},
            "template_config": settings,
            "template": [
                {
                    "destination": f"{SECRETS_FOLDER}/{file.name}",
                    "contents": file.template,
                    "left_delimiter": "{{",
                    "right_delimiter": "}}",
                    **({"perms": file.permissions} if file.permissions else {}),
                }
                for file in request.files
            ],
        }


def _token(spec: Json, volume: str) -> Json:
    """Return the mount of the ServiceAccount token, and the file in it."""
    if volume:
        for candidate in spec.get("volumes") or []:
            if candidate["name"] == volume:
                return {"name": volume, "mountPath": TOKEN_FOLDER, "file": _token_file(candidate)}
        raise AnnotationError(f"the pod has no volume {volume!r} with a ServiceAccount token for the agent; add it")
    for container in spec["containers"]:
        for mount in container.get("volumeMounts") or []:
            if mount["mountPath"] == _OWN_TOKEN_FOLDER:
                return {"name": mount["name"], "mountPath": _OWN_TOKEN_FOLDER}
    raise AnnotationError(
        "the pod has no ServiceAccount token for the agent; project one, and name its volume in "
        "vault.hashicorp.com/agent-service-account-token-volume-name"
    )


def _token_file(volume: Mapping[str, Any]) -> str:
    for source in (volume.get("projected") or {}).get("sources") or []:
        if "serviceAccountToken" in source:
            return str(source["serviceAccountToken"]["path"])
    raise AnnotationError(f"the volume {volume['name']!r} projects no ServiceAccount token")


def _security_context(spec: Json, request: AgentRequest) -> Json:
    user, group = request.user, request.group
    if request.same_user:
        first = spec["containers"][0].get("securityContext") or {}
        user = first.get("runAsUser") or (spec.get("securityContext") or {}).get("runAsUser") or 0
        if not user:
            raise AnnotationError("the first container has no runAsUser other than root, as which the agent could run")
    return {
        "runAsUser": user,
        "runAsGroup": group,
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def _check_names(spec: Json, agents: list[Json]) -> None:
    containers = {container["name"] for container in (*spec["containers"], *(spec.get("initContainers") or []))}
    volumes = {volume["name"] for volume in spec.get("volumes") or []}
    taken = sorted(containers & {agent["name"] for agent in agents} | volumes & {SECRETS_VOLUME, *HOMES.values()})
    if taken:
        raise AnnotationError(f"the pod has a container or volume {taken[0]}, which the agent's has; rename it")
