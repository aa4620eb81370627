"""Resources of one hospital that name another one: references, host names and identities that were exchanged."""

import re
from collections.abc import Iterator

from policy_pack.controls.rules import ANY, join_check
from policy_pack.facts.structure import hospital_of, hospitals
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import leaves

# Names as infra/settings/names.py makes them: of buckets, keys and roles of AWS; SPIFFE identities; namespaces. A text
# may have the hospital's name alone, such as the address of a contact that two hospitals share.
_PREFIX = r"hmlops-[a-z0-9]+-|spiffe://hmlops/"


@join_check("INV-01", ANY)
def resources_name_their_own_hospital(resource: Resource, context: StackContext) -> Findings:
    """Refuse texts of a hospital's resource that have the name of a bucket, role, identity or zone of another one."""
    names = _names(context.graph)
    if names is None:
        return
    found = list(_mentions(resource, names))
    if not found:
        return
    own = hospital_of(resource, context)
    if own in hospitals(context.graph):
        yield from (violation(f"is of {own} and names {name}", path) for path, name in found if name != own)


def _mentions(resource: Resource, names: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for path, value in leaves(resource.props):
        if isinstance(value, str):
            yield from ((path, name) for name in dict.fromkeys(match[1] or match[2] for match in names.finditer(value)))


def _names(graph: Graph) -> re.Pattern[str] | None:
    def compute(graph: Graph) -> re.Pattern[str] | None:
        names = "|".join(map(re.escape, hospitals(graph)))
        zone = "|".join(sorted(zones().zones))
        pattern = rf"(?:{_PREFIX})({names})(?![a-z0-9])|(?<![a-z0-9-])({names})-(?:{zone})(?![a-z0-9-])"
        return re.compile(pattern) if len(hospitals(graph)) > 1 else None

    pattern: re.Pattern[str] | None = graph.memo("names of hospitals", compute)
    return pattern
