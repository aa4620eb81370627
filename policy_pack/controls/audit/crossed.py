"""Resources of one hospital that name another one: references, host names and identities that were exchanged."""

import re
from collections.abc import Iterator, Mapping

from policy_pack.controls.rules import ANY, join_check
from policy_pack.facts.structure import hospital_of, hospitals
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import Findings, StackContext, guarded, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import CERTIFICATE, GATEWAY, HTTP_ROUTE
from policy_pack.stack.values import View

# Names as infra/settings/names.py makes them: of buckets, keys and roles of AWS, SPIFFE identities, namespaces, and
# roles of Vault. A text may have a hospital's name alone, such as the address of a contact that two hospitals share.
_PREFIX = r"hmlops-[a-z0-9]+-|spiffe://hmlops/"
# The host names of gateways, each of which begins with the name of its hospital.
_HOSTS = {GATEWAY: "spec.listeners[].hostname", HTTP_ROUTE: "spec.hostnames[]", CERTIFICATE: "spec.dnsNames[]"}
# What AWS calls a resource, and other resources refer to it by; a shorter text may mean something else.
_IDENTITIES, _SHORTEST = ("arn", "id", "keyId"), 8
_Owners = Mapping[str, tuple[str, str]]


@join_check("INV-01", ANY)
def resources_name_their_own_hospital(resource: Resource, context: StackContext) -> Findings:
    """Refuse names of another hospital's buckets, roles, identities or zones, and references to its resources."""
    names = _names(context.graph)
    if names is None:
        return
    owners: _Owners = context.graph.memo("owners of identities", lambda _: _owners(context))
    found = list(_mentions(resource, names, owners if resource.package == "aws" else {}))
    own = hospital_of(resource, context) if found else ""
    if own not in hospitals(context.graph):
        return
    for path, hospital, used in found:
        if hospital != own:
            what = f"uses {used} of {hospital}; name the one of {own}" if used else f"names {hospital}"
            yield violation(f"is of {own} and {what}", path)


@join_check("INV-01", *_HOSTS)
def gateways_answer_for_their_own_hospital(resource: Resource, context: StackContext) -> Findings:
    """Refuse host names of another hospital, whose clients would reach this one."""
    own = hospital_of(resource, context)
    for host in View(resource.props).each(_HOSTS[resource.kind]):
        yield from guarded(_host(host, own, hospitals(context.graph)), host.path)


def _host(host: View, own: str, known: list[str]) -> Findings:
    first, dot, _ = host.text().partition(".")
    if dot and own in known and first in known and first != own:
        yield violation(f"is of {own} and answers for {host.text()}, a host name of {first}", host.path)


def _owners(context: StackContext) -> dict[str, tuple[str, str]]:
    """Return the hospital and the name of each resource of AWS that is a hospital's, by what AWS calls it."""
    found: dict[str, tuple[str, str]] = {}
    for resource in context.graph.of_package("aws"):
        hospital = hospital_of(resource, context)
        if hospital in hospitals(context.graph):
            values = (resource.props.get(key) for key in _IDENTITIES)
            found |= {
                value: (hospital, resource.name)
                for value in values
                if isinstance(value, str) and len(value) >= _SHORTEST
            }
    return found


def _mentions(resource: Resource, names: re.Pattern[str], owners: _Owners) -> Iterator[tuple[str, str, str]]:
    """Yield path and hospital of each text that names one, or is of one's resource; then with the resource's name."""
    for path, value in resource.leaves:
        if isinstance(value, str):
            yield from ((path, name, "") for name in dict.fromkeys(m[1] or m[2] for m in names.finditer(value)))
            if value in owners:
                hospital, used = owners[value]
                yield path, hospital, used


def _names(graph: Graph) -> re.Pattern[str] | None:
    def compute(graph: Graph) -> re.Pattern[str] | None:
        names = "|".join(map(re.escape, hospitals(graph)))
        parts = "|".join(map(re.escape, sorted({*zones().zones, *zones().workload_zones})))
        pattern = rf"(?:{_PREFIX})({names})(?![a-z0-9])|(?<![a-z0-9-])({names})-(?:{parts})(?![a-z0-9-])"
        return re.compile(pattern) if len(hospitals(graph)) > 1 else None

    pattern: re.Pattern[str] | None = graph.memo("names of hospitals", compute)
    return pattern
