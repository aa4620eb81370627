"""Credentials in plain text: recognised by name and by shape, in any property of any resource."""

import base64
import binascii
import re

from policy_pack.controls.rules import ANY, on
from policy_pack.stack.checks import Findings, empty, expect, fault, later
from policy_pack.stack.graph import Resource
from policy_pack.stack.pods import CONTAINERS, containers
from policy_pack.stack.values import UNKNOWN, leaves

# The end of a name that holds a credential; what names a place, a time or a reference to one does not end so.
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
_WORDS = list(_SHAPES)
# Settings of programs whose names end alike but hold a place, a switch or a way.
_HARMLESS = re.compile(
    r"^(/|arn:|vault:|\$\{|\{\{|https?://[^@]*$|(true|false|none|iam|key|oidc|required|optional)$)", re.IGNORECASE
)
_USER_DATA = ("userData", "userDataBase64")


@on("ENC-09", ANY)
def no_credentials_in_plain_text(resource: Resource) -> Findings:
    """Refuse values that are named or shaped like credentials and are no secrets of the engine."""
    hidden = resource.secrets
    for path, value in leaves(resource.props):
        name = path.rpartition(".")[2].partition("[")[0].replace("-", "_")
        if value is UNKNOWN:
            if _NAME.search(name) and not _inside(path, hidden):
                yield later(path)
        elif isinstance(value, str) and value and not _inside(path, hidden):
            yield from _judge(name, value, path)
            if name in _USER_DATA:
                yield from _shaped(_decoded(value), path)


def _judge(name: str, value: str, path: str) -> Findings:
    if _NAME.search(name) and not _HARMLESS.match(value):
        yield fault(f"{name} is in plain text", path)
    else:
        yield from _shaped(value, path)


def _shaped(value: str, path: str) -> Findings:
    found = _SHAPE.search(value) if len(value) > 10 else None
    if found and found.lastgroup:
        yield fault(f"holds {_WORDS[int(found.lastgroup[1:])]} in plain text", path)


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return value


@on("ENC-09", *CONTAINERS)
def no_credentials_in_environments(resource: Resource) -> Findings:
    """Refuse credentials as values of environment variables; a reference to a secret is none."""
    for container in containers(resource):
        for entry in container.at("env").items():
            value = entry.at("value")
            if _inside(value.path, resource.secrets):
                continue
            if not value.known:
                yield later(value.path)
            elif _NAME.search(entry.at("name").text()) and value.raw and not _HARMLESS.match(str(value.raw)):
                yield fault(f"environment variable {entry.at('name').text()} is in plain text", value.path)


@on("ENC-09", *CONTAINERS)
def secrets_are_files(resource: Resource) -> Findings:
    """Refuse secrets in the environment, which every child process and crash report has; files in memory are asked."""
    for container in containers(resource):
        from_secrets = [entry.at("valueFrom.secretKeyRef") for entry in container.at("env").items()]
        from_secrets += [entry.at("secretRef") for entry in container.at("envFrom").items()]
        for reference in from_secrets:
            yield from expect(reference, empty, "a secret is put into the environment")


@on("ENC-09", "k8s:core/Secret")
def secrets_are_secrets_of_the_engine(secret: Resource) -> Findings:
    """Ask that what goes into a Kubernetes Secret is a secret in the state as well."""
    for field in ("data", "stringData"):
        view = secret.at(field)
        if view.known and not view.absent and not _inside(field, secret.secrets):
            for name, item in view.fields():
                if not _inside(item.path, secret.secrets):
                    yield fault(f"{name} is in plain text in the stack's state", item.path)


def _inside(path: str, hidden: frozenset[str]) -> bool:
    """Return whether a path is a secret of the engine, or lies in one."""
    return any(path == secret or path.startswith((f"{secret}.", f"{secret}[")) for secret in hidden)
