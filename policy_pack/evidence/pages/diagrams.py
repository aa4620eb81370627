"""The two diagrams of a hospital: its network map and its data flow."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy_pack.evidence.data.encryption import VAULT, EncryptionRow
from policy_pack.evidence.network.data_flow import PSEUDONYMISE, DataFlow, DataMovement
from policy_pack.evidence.network.network_map import AllowedConnection, NetworkMap, WorkloadPods
from policy_pack.evidence.pages.diagram_layout import Arrow, Box, Group, Layout, layout
from policy_pack.facts.zone_table import zones
from policy_pack.stack.external_endpoints import Addresses

_DATA_CLASSES = ("raw", "identity", "curated", "models", "audit")
_ENDPOINT_NOTES = {
    "dns": "cluster DNS",
    "aws": "AWS services",
    "vault": "Vault",
    "fhir": "hospital's FHIR server",
    "clinic": "hospital's applications",
    "issuer": "OIDC issuer",
    "sign-in": "identity provider of staff",
    "gateway-control": "gateway controller",
    "monitoring": "metrics, no records",
}
_VAULT_VERBS = {
    PSEUDONYMISE: "pseudonymise",
    "sign": "sign",
    "decrypt": "decrypt",
    "generate data key": "generate data key",
}
_READ_PUBLIC_KEY = "read public key"


@dataclass(frozen=True)
class Diagram:
    """A diagram with its title and its description for screen readers."""

    key: str
    title: str
    description: str
    layout: Layout


def css_class(data_class: str) -> str:
    """Return the CSS class of a data class, the same in diagrams and tables."""
    return f"class-{_DATA_CLASSES.index(data_class) + 1}" if data_class in _DATA_CLASSES else "class-0"


def network_diagram(hospital: str, network: NetworkMap, addresses: Addresses | None) -> Diagram:
    """Return the network map of a hospital."""
    pods = [one for one in network.pods if one.hospital == hospital]
    own = {one.label for one in pods}
    connections = [one for one in network.connections if one.source in own or one.target in own]
    grouped: dict[tuple[str, str, bool], list[AllowedConnection]] = defaultdict(list)
    for connection in connections:
        grouped[connection.source, connection.target, connection.declared].append(connection)
    arrows = [
        Arrow(
            source,
            target,
            ", ".join(sorted({one.ports for one in same})) if target in own and source in own else "",
            "declared" if declared else "undeclared",
            f"{source} may connect to {target} on {', '.join(one.ports for one in same)}"
            + ("" if declared else ", which is not in the zone table"),
        )
        for (source, target, declared), same in sorted(grouped.items())
    ]
    external = sorted({end for one in connections for end in (one.source, one.target)} - own)
    boxes = [_endpoint(name, hospital, connections, addresses) for name in external]
    rows = [_zone_groups(hospital, pods, {}), [Group("Outside the zones", tuple(boxes), "external")]]
    summary = f"{len(pods)} workloads in {len({one.zone for one in pods})} zones. "
    description = summary + ". ".join(arrow.title for arrow in arrows)
    return Diagram(f"network-{hospital}", f"Network map of hospital {hospital}", description, layout(rows, arrows))


def _endpoint(name: str, hospital: str, connections: Sequence[AllowedConnection], addresses: Addresses | None) -> Box:
    endpoint = addresses.of(hospital, name) if addresses else None
    ports = sorted({one.ports for one in connections if name in (one.source, one.target)})
    notes = [_ENDPOINT_NOTES[name]] if name in _ENDPOINT_NOTES else []
    networks = [endpoint.network] if endpoint else []
    return Box(name, (name, *notes, *networks, f"port {', '.join(ports)}"), "endpoint")


def _zone_groups(hospital: str, pods: Sequence[WorkloadPods], notes: Mapping[str, str]) -> list[Group]:
    """Return the zones with their workloads, in the order of the zone table."""
    table = zones()
    order = list(dict.fromkeys([*table.workload_zones.values(), *sorted(table.zones)]))
    by_zone: dict[str, dict[str, WorkloadPods]] = defaultdict(dict)
    for one in pods:
        by_zone[one.zone][one.label] = one
    groups = []
    for zone in [*order, *sorted(by_zone.keys() - set(order))]:
        boxes = [
            _workload(one, notes.get(label))
            for label, one in sorted(by_zone[zone].items(), key=lambda item: _position(item[1].workload))
        ]
        groups.append(Group(_zone_title(zone), tuple(boxes) or (_empty(hospital, zone),), "zone"))
    return groups


def _zone_title(zone: str) -> str:
    """Return the title of a zone; it names the data that passes through it where that is not what it stores."""
    holds, passes = zones().holds.get(zone), zones().passes.get(zone)
    suffix = f": stores {holds}, {passes} passes" if holds != passes else ""
    return f"zone {zone or 'unknown'}{suffix}"


def _workload(pods: WorkloadPods, note: str | None) -> Box:
    lines = (pods.workload or pods.label, note, "" if pods.declared else "not declared yet")
    return Box(pods.label, tuple(line for line in lines if line), "pseudonymiser" if note else "pod")


def _position(workload: str) -> tuple[int, str]:
    known = list(zones().workload_zones)
    return (known.index(workload) if workload in known else len(known), workload)


def _empty(hospital: str, zone: str) -> Box:
    return Box(f"empty {hospital} {zone}", ("no pods",), "empty")


def data_flow_diagram(
    flow: DataFlow, network: NetworkMap, encryption: Sequence[EncryptionRow], labels: Mapping[str, str]
) -> Diagram:
    """Return the data flow of a hospital."""
    rows = {row.urn: row for row in encryption}
    pods = [one for one in network.pods if one.label in flow.workloads]
    notes = {label: "pseudonymises" for label in flow.pseudonymisers}
    moved = {end for one in flow.movements for end in (one.source, one.target)} - set(flow.workloads)
    ends = sorted(moved | set(flow.stores))
    vault = [end for end in ends if end in rows and rows[end].store == VAULT]
    stores = sorted((end for end in ends if end in rows and end not in vault), key=lambda end: _rank(rows[end]))
    endpoints = [end for end in ends if end not in rows]
    endpoint_boxes = tuple(Box(end, (end, _ENDPOINT_NOTES.get(end, "")), "endpoint") for end in endpoints)
    groups = [
        [
            Group("Hospital systems", endpoint_boxes),
            Group("Vault: keys and secrets stay inside", tuple(_vault_box(end, labels) for end in vault), "vault"),
        ],
        _zone_groups(flow.hospital, pods, notes),
        [Group("Encrypted stores", tuple(_store_box(rows[end], labels[end]) for end in stores), "stores")],
    ]
    arrows = [_arrow(one, rows, labels) for one in flow.movements if one.operation != _READ_PUBLIC_KEY]
    description = ". ".join(arrow.title for arrow in arrows)
    title = f"Data flow of hospital {flow.hospital}"
    return Diagram(f"data-flow-{flow.hospital}", title, description, layout(groups, arrows))


def _rank(row: EncryptionRow) -> tuple[int, str]:
    known = row.data_class in _DATA_CLASSES
    return _DATA_CLASSES.index(row.data_class) if known else len(_DATA_CLASSES), row.name


def _vault_box(urn: str, labels: Mapping[str, str]) -> Box:
    kind, _, name = labels[urn].rpartition(" ")
    return Box(urn, (name.rpartition("/")[2] if "key" in kind else name, kind), "key", labels[urn])


def _store_box(row: EncryptionRow, label: str) -> Box:
    lines = (row.data_class or row.name, f"{row.store}, {row.phi or 'PHI unknown'}", f"key {row.key or 'none'}")
    return Box(row.urn, lines, css_class(row.data_class), label)


def _arrow(movement: DataMovement, rows: Mapping[str, EncryptionRow], labels: Mapping[str, str]) -> Arrow:
    ends = movement.source, movement.target
    source, target = (labels.get(end, end) for end in ends)
    parts = f" ({', '.join(movement.parts)})" if movement.parts else ""
    title = f"{source} to {target}: {movement.operation}{parts}"
    row = rows.get(movement.source) or rows.get(movement.target)
    if row is None:
        return Arrow(*ends, "", "declared", title)
    if row.store == VAULT:
        style = "pseudonymise" if movement.operation == PSEUDONYMISE else "vault"
        return Arrow(*ends, _VAULT_VERBS.get(movement.operation, movement.operation), style, title)
    direction = "reads" if movement.source in rows else "writes"
    return Arrow(*ends, "", f"{css_class(row.data_class)} {direction}", title)
