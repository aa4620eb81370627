"""Annotations of the Vault Agent Injector, with the names, meanings and defaults of HashiCorp's documentation.

https://developer.hashicorp.com/vault/docs/deploy/kubernetes/injector/annotations
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "vault.hashicorp.com/"
INJECT = f"{PREFIX}agent-inject"
STATUS = f"{PREFIX}agent-inject-status"
INJECTED = "injected"
_BOOLEANS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
_SECRET, _TEMPLATE, _FILE, _PERMISSIONS = (f"agent-inject-{kind}-" for kind in ("secret", "template", "file", "perms"))
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MODE = re.compile(r"0?[0-7]{3}")
_SINGLE = {
    "agent-init-first": "false",
    "agent-pre-populate": "true",
    "agent-pre-populate-only": "false",
    "agent-run-as-same-user": "false",
    "agent-run-as-user": "100",
    "agent-run-as-group": "1000",
    "agent-service-account-token-volume-name": "",
    "agent-limits-cpu": "500m",
    "agent-limits-mem": "128Mi",
    "agent-requests-cpu": "250m",
    "agent-requests-mem": "64Mi",
    "role": "",
    "auth-path": "auth/kubernetes",
    "service": "",
    "namespace": "",
    "log-level": "info",
    "template-config-exit-on-retry-failure": "true",
    "template-static-secret-render-interval": "",
}


class AnnotationError(ValueError):
    """An annotation that this injector does not know, or with a value that it cannot use."""


@dataclass(frozen=True)
class SecretFile:
    """A file that the agent renders: its name, template and permissions (empty for the agent's own)."""

    name: str
    template: str
    permissions: str = ""


@dataclass(frozen=True)
class AgentRequest:
    """Request for an agent, from the annotations of a pod.

    Parameters
    ----------
    files
        Files of ``/vault/secrets``.
    role, auth_path, address, namespace
        The login to Vault; an empty address is the injector's own.
    token_volume
        Volume with the ServiceAccount token; empty for the one that Kubernetes mounts.
    init, sidecar, init_first
        Which containers are added, and whether before the pod's own init containers.
    same_user, user, group
        Who the agent runs as.
    resources
        Requests and limits.
    log_level, exit_on_retry_failure, render_interval
        Settings of the agent.
    """

    files: tuple[SecretFile, ...]
    role: str
    auth_path: str
    address: str
    namespace: str
    token_volume: str
    init: bool
    sidecar: bool
    init_first: bool
    same_user: bool
    user: int
    group: int
    resources: Mapping[str, Mapping[str, str]]
    log_level: str
    exit_on_retry_failure: bool
    render_interval: str


def wanted(annotations: Mapping[str, str]) -> bool:
    """Return whether the pod asks for an agent that it does not have yet."""
    return _flag(annotations, "agent-inject", "false") and annotations.get(STATUS) != INJECTED


def parse(annotations: Mapping[str, str]) -> AgentRequest:
    """Return what the annotations of a pod ask for.

    Raises
    ------
    AnnotationError
        If an annotation is unknown, or has a value that cannot be used.
    """
    own = {name.removeprefix(PREFIX): value for name, value in annotations.items() if name.startswith(PREFIX)}
    values = {name: own.get(name, default) for name, default in _SINGLE.items()}
    files = _files(own)
    names = {*_SINGLE, "agent-inject", "agent-inject-status"}
    unknown = sorted(name for name in own if name not in names and not _is_of_file(name))
    if unknown:
        raise AnnotationError(f"the annotation {PREFIX}{unknown[0]} is not supported by this injector; remove it")
    if not values["role"]:
        raise AnnotationError(f"{PREFIX}role is missing; set it to the role of the ServiceAccount in Vault")
    populate_only = _flag(annotations, "agent-pre-populate-only", "false")
    return AgentRequest(
        files=files,
        role=values["role"],
        auth_path=values["auth-path"],
        address=values["service"],
        namespace=values["namespace"],
        token_volume=values["agent-service-account-token-volume-name"],
        init=populate_only or _flag(annotations, "agent-pre-populate", "true"),
        sidecar=not populate_only,
        init_first=_flag(annotations, "agent-init-first", "false"),
        same_user=_flag(annotations, "agent-run-as-same-user", "false"),
        user=_number(values, "agent-run-as-user"),
        group=_number(values, "agent-run-as-group"),
        resources=_resources(values),
        log_level=values["log-level"],
        exit_on_retry_failure=_flag(annotations, "template-config-exit-on-retry-failure", "true"),
        render_interval=values["template-static-secret-render-interval"],
    )


def _is_of_file(name: str) -> bool:
    return name.startswith((_SECRET, _TEMPLATE, _FILE, _PERMISSIONS))


def _files(own: Mapping[str, str]) -> tuple[SecretFile, ...]:
    secrets = [name.removeprefix(_SECRET) for name in own if name.startswith(_SECRET)]
    for prefix in (_TEMPLATE, _FILE, _PERMISSIONS):
        for name in own:
            if name.startswith(prefix) and name.removeprefix(prefix) not in secrets:
                raise AnnotationError(
                    f"{PREFIX}{name} has no {PREFIX}{_SECRET}{name.removeprefix(prefix)}; add it, or remove this one"
                )
    return tuple(_file(own, secret) for secret in sorted(secrets))


def _file(own: Mapping[str, str], secret: str) -> SecretFile:
    # As in the original, names are lower case without a file annotation.
    name = own.get(f"{_FILE}{secret}", secret.lower())
    permissions = own.get(f"{_PERMISSIONS}{secret}", "")
    if _FILE_NAME.fullmatch(name) is None:
        raise AnnotationError(f"{PREFIX}{_FILE}{secret} is not a file name: {name!r}")
    if permissions and _MODE.fullmatch(permissions) is None:
        raise AnnotationError(f"{PREFIX}{_PERMISSIONS}{secret} is not a file mode: {permissions!r}")
    path = own[f"{_SECRET}{secret}"]
    template = own.get(f"{_TEMPLATE}{secret}", "")
    if not template and not path:
        raise AnnotationError(f"{PREFIX}{_SECRET}{secret} names no path, and there is no template")
    return SecretFile(name, template or _default_template(path), permissions)


def _default_template(path: str) -> str:
    """Return the template that writes each key of a secret with its value."""
    each = "{{ range $k, $v := .Data }}{{ $k }}: {{ $v }}\n{{ end }}"
    return f'{{{{ with secret "{path}" }}}}{each}{{{{ end }}}}'


def _flag(annotations: Mapping[str, str], name: str, default: str) -> bool:
    value = annotations.get(f"{PREFIX}{name}", default)
    if value.lower() not in _BOOLEANS:
        raise AnnotationError(f"{PREFIX}{name} is neither true nor false: {value!r}")
    return _BOOLEANS[value.lower()]


def _number(values: Mapping[str, str], name: str) -> int:
    if not values[name].isdecimal():
        raise AnnotationError(f"{PREFIX}{name} is not a number: {values[name]!r}")
    return int(values[name])


def _resources(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the resources of a container; an empty value removes its limit or request."""
    listed = {
        side: {"cpu": values[f"agent-{side}-cpu"], "memory": values[f"agent-{side}-mem"]}
        for side in ("requests", "limits")
    }
    return {side: {kind: text for kind, text in amounts.items() if text} for side, amounts in listed.items()}
