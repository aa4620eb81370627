"""Credentials in plain text, recognised by property name and by format in every resource."""

import base64
import binascii
import re
from functools import lru_cache

from policy_pack.controls.rules import ANY, resource_check
from policy_pack.stack.checks import Findings, expect, is_empty, not_yet_known, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.pods import CONTAINER_OWNERS, containers
from policy_pack.stack.values import UNKNOWN

# Endings of property names that hold a credential; names of paths, durations and references end differently.
_NAME = re.compile(
    r"(password|passwd|passphrase|secret|token|private_?key|api_?key|access_?key|secret_?key|client_?secret|credentials"
    r"|connection_?string|unseal_?key)$",
    re.IGNORECASE,
)
_SHAPES = {
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a JSON web token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
    "a Vault token": r"\bhv[sbr]\.[\w-]{20,}",
    "a private JSON web key": r'"d"\s*:\s*"[\w-]{20,}"',
    "a password in an address": r"://[^/\s:@{}$]+:[^/\s:@{}$]+@",
}
_SHAPE = re.compile("|".join(f"(?P<_{number}>{shape})" for number, shape in enumerate(_SHAPES.values())))
_SHAPE_NAMES = list(_SHAPES)
# Values that are not credentials, although the property name ends like one: paths, flags and methods.
_NOT_CREDENTIAL = re.compile(
    r"^(/|arn:|vault:|\$\{|\{\{|https?://[^@]*$|(true|false|none|iam|key|oidc|required|optional)$)", re.IGNORECASE
)
_USER_DATA = ("userData", "userDataBase64")


@resource_check("ENC-09", ANY)
def no_credentials_in_plain_text(resource: Resource) -> Findings:
    """Refuse values with the name or the format of a credential that are not Pulumi secrets."""
    secrets = resource.secrets
    for path, value in resource.leaves:
        name = path.rpartition(".")[2].partition("[")[0].replace("-", "_")
        if value is UNKNOWN:
            if _names_credential(name) and not _is_secret(path, secrets):
                yield not_yet_known(path)
        elif isinstance(value, str) and value and not _is_secret(path, secrets):
            yield from _check_value(name, value, path)
            if name in _USER_DATA:
                yield from _check_format(_decoded(value), path)


def _check_value(name: str, value: str, path: str) -> Findings:
    if _names_credential(name) and not _NOT_CREDENTIAL.match(value):
        yield violation(f"{name} is in plain text", path)
    else:
        yield from _check_format(value, path)


def _check_format(value: str, path: str) -> Findings:
    shape = _shape(value)
    if shape:
        yield violation(f"contains {shape} in plain text", path)


# Names and values of properties are the same in many resources.
@lru_cache(maxsize=4096)
def _names_credential(name: str) -> bool:
    """Return whether the name of a property is that of a credential."""
    return _NAME.search(name) is not None


@lru_cache(maxsize=16384)
def _shape(value: str) -> str:
    """Return what credential has the format of a text; empty for none."""
    match = _SHAPE.search(value) if len(value) > 10 else None
    return _SHAPE_NAMES[int(match.lastgroup[1:])] if match and match.lastgroup else ""


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return value


@resource_check("ENC-09", *CONTAINER_OWNERS)
def no_credentials_in_environments(resource: Resource) -> Findings:
    """Refuse credentials as plain values of environment variables."""
    for container in containers(resource):
        for entry in container.view.at("env").items():
            value = entry.at("value")
            if _is_secret(value.path, resource.secrets):
                continue
            if not value.known:
                yield not_yet_known(value.path)
            elif _names_credential(entry.at("name").text()) and value.raw and not _NOT_CREDENTIAL.match(str(value.raw)):
                yield violation(f"environment variable {entry.at('name').text()} is in plain text", value.path)


@resource_check("ENC-09", *CONTAINER_OWNERS)
def secrets_are_mounted_as_files(resource: Resource) -> Findings:
    """Refuse Secrets in environment variables, which child processes and crash reports include; mount them as files."""
    for container in containers(resource):
        from_secrets = [entry.at("valueFrom.secretKeyRef") for entry in container.view.at("env").items()]
        from_secrets += [entry.at("secretRef") for entry in container.view.at("envFrom").items()]
        for reference in from_secrets:
            yield from expect(reference, is_empty, "has a Secret in an environment variable")


@resource_check("ENC-09", "k8s:core/Secret")
def secrets_are_pulumi_secrets(secret: Resource) -> Findings:
    """Require that the values of a Kubernetes Secret are Pulumi secrets, so that the state encrypts them."""
    for field in ("data", "stringData"):
        view = secret.at(field)
        if view.known and not view.absent and not _is_secret(field, secret.secrets):
            for name, item in view.fields():
                if not _is_secret(item.path, secret.secrets):
                    yield violation(f"{name} is in plain text in the state", item.path)


def _is_secret(path: str, secrets: frozenset[str]) -> bool:
    """Return whether a path is a Pulumi secret, or is inside one."""
    return any(path == secret or path.startswith((f"{secret}.", f"{secret}[")) for secret in secrets)
