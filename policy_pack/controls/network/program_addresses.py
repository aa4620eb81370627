"""Addresses that programs of zones are given, in arguments and environment: with TLS, and of the configuration."""

import re
from collections.abc import Iterator

from policy_pack.controls.rules import context_check
from policy_pack.facts.structure import hospital_of, zone_of_namespace
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.pods import CONTAINER_OWNERS, containers, namespace
from policy_pack.stack.values import View

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/\s\"'@]*@)?([^/:\s\"',}\]\\]+)")
# Addresses of objects and identities, to which nothing connects.
_NAMES = ("s3", "spiffe")
_CLUSTER = re.compile(r".+\.svc(\.cluster\.local)?")
# Variables by which a library stops to check what it connects to, with the values with which it does not.
_CHECKED = {
    "NODE_TLS_REJECT_UNAUTHORIZED": ("1",),
    "PGSSLMODE": ("verify-full",),
    "PYTHONHTTPSVERIFY": ("1",),
    "VAULT_SKIP_VERIFY": ("", "0", "false"),
}


@context_check("TX-03", *CONTAINER_OWNERS)
def programs_connect_by_tls(resource: Resource, _: StackContext) -> Findings:
    """Refuse addresses without TLS for programs of zones, and variables that switch its checks off."""
    for value, name in _values(resource):
        for scheme, host in _URL.findall(value.text()):
            if scheme.lower() not in ("https", *_NAMES):
                yield violation(f"its program connects to {host} without TLS ({scheme})", value.path)
        if value.text() not in _CHECKED.get(name, (value.text(),)):
            yield violation(f"its program does not check what it connects to ({name})", value.path)


@context_check("TX-03", *CONTAINER_OWNERS)
def programs_check_the_database(resource: Resource, _: StackContext) -> Findings:
    """Require the authorities of the database's certificate wherever a program has its address."""
    for container in containers(resource):
        names = {variable.at("name").raw for variable in container.view.at("env").items()}
        if "DATABASE_HOST" in names and "DATABASE_CA" not in names:
            yield violation("its program does not check the database (DATABASE_CA)", container.view.at("env").path)


@context_check("AUTH-02", *CONTAINER_OWNERS)
def programs_require_the_second_factor(resource: Resource, context: StackContext) -> Findings:
    """Require of sign-ins what the hospital's configuration calls a second factor."""
    tokens = context.addresses.tokens if context.addresses else None
    if tokens is None:
        return
    for value, name in _values(resource):
        if name == "SIGN_IN_ACR":
            sign_ins = [one for one in tokens.of(hospital_of(resource, context)) if one.sign_in]
            accepted = {factor for one in sign_ins for factor in one.claims.get("acr", ())}
            if not accepted.issuperset(value.text().split(",")):
                yield violation("its program accepts people without the second factor of the configuration", value.path)


@context_check("SEG-02", *CONTAINER_OWNERS)
def programs_connect_to_configured_servers(resource: Resource, context: StackContext) -> Findings:
    """Refuse addresses for programs of zones that are neither in the cluster nor in the stack's configuration."""
    hosts = context.addresses.hosts if context.addresses else frozenset()
    for value, _ in _values(resource) if hosts else ():
        for scheme, host in _URL.findall(value.text()):
            inside = _CLUSTER.fullmatch(host) or any(host == one or host.endswith(f".{one}") for one in hosts)
            if scheme.lower() not in _NAMES and not inside:
                yield violation(f"its program connects to {host}, which the configuration does not name", value.path)


def _values(resource: Resource) -> Iterator[tuple[View, str]]:
    """Return the known arguments and variables of a zone's programs, these with their names."""
    if not zone_of_namespace(namespace(resource).text()):
        return
    for container in containers(resource):
        for argument in container.view.at("args").items():
            if argument.known:
                yield argument, ""
        for variable in container.view.at("env").items():
            value = variable.at("value")
            if value.known and not value.absent:
                yield value, variable.at("name").text()
