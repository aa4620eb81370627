"""The two pictures of a hospital: who can call whom, and where patients' data goes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy_pack.evidence.data.encryption import VAULT, Line
from policy_pack.evidence.network.data_flow import PSEUDONYMISE, Flow, Step
from policy_pack.evidence.network.network_map import Map, Pod, Way
from policy_pack.evidence.pages.diagram_layout import Arrow, Box, Group, Picture, drawn
from policy_pack.facts.zone_table import zones
from policy_pack.stack.external_endpoints import Addresses

_CLASSES = ("raw", "identity", "curated", "models", "audit")
_SERVERS = {
    "dns": "names in the cluster",
    "aws": "cloud account",
    "vault": "Vault",
    "fhir": "hospital's FHIR server",
    "clinic": "hospital's programs",
    "issuer": "keys of logins",
    "gateway-control": "gateway's controller",
    "monitoring": "figures, no records",
}
_VAULT_VERBS = {PSEUDONYMISE: "pseudonymise", "sign": "sign", "decrypt": "decrypt", "take a data key": "take data key"}


@dataclass(frozen=True)
class Drawing:
    """A picture with its title, and what it shows in words."""

    key: str
    title: str
    words: str
    picture: Picture


def look_of(data_class: str) -> str:
    """Return the look of a data class, which pictures and tables share."""
    return f"class-{_CLASSES.index(data_class) + 1}" if data_class in _CLASSES else "class-0"


def network_drawing(hospital: str, ways: Map, addresses: Addresses | None) -> Drawing:
    """Return the network map of a hospital."""
    own = [pod for pod in ways.pods if pod.hospital == hospital]
    mine = {pod.title for pod in own}
    here = [way for way in ways.ways if way.source in mine or way.target in mine]
    merged: dict[tuple[str, str, bool], list[Way]] = defaultdict(list)
    for way in here:
        merged[way.source, way.target, way.allowed].append(way)
    arrows = [
        Arrow(
            source,
            target,
            ", ".join(sorted({way.ports for way in same})) if target in mine and source in mine else "",
            "ok" if allowed else "bad",
            f"{source} may call {target} on {', '.join(way.ports for way in same)}"
            + ("" if allowed else ", which the zone table does not allow"),
        )
        for (source, target, allowed), same in sorted(merged.items())
    ]
    others = sorted({end for way in here for end in (way.source, way.target)} - mine)
    outside = [_outside(name, hospital, here, addresses) for name in others]
    lanes = [_zones(hospital, own, {}), [Group("Outside of the zones", tuple(outside), "outside")]]
    words = f"{len(own)} workloads in {len({pod.zone for pod in own})} zones. " + ". ".join(a.title for a in arrows)
    return Drawing(f"network-{hospital}", f"Network map of hospital {hospital}", words, drawn(lanes, arrows))


def _outside(name: str, hospital: str, here: Sequence[Way], addresses: Addresses | None) -> Box:
    place = addresses.of(hospital, name) if addresses else None
    ports = sorted({way.ports for way in here if name in (way.source, way.target)})
    lines = [name, *([_SERVERS[name]] if name in _SERVERS else []), *([place.network] if place else [])]
    return Box(name, (*lines, f"port {', '.join(ports)}"), "server")


def _zones(hospital: str, pods: Sequence[Pod], notes: Mapping[str, str]) -> list[Group]:
    """Return the zones with their workloads, in the order in which the zone table first names each."""
    table = zones()
    order = list(dict.fromkeys([*table.homes.values(), *sorted(table.zones)]))
    by_zone: dict[str, dict[str, Pod]] = defaultdict(dict)
    for pod in pods:
        by_zone[pod.zone][pod.title] = pod
    groups = []
    for zone in [*order, *sorted(by_zone.keys() - set(order))]:
        boxes = [
            Box(
                pod.title,
                tuple(filter(None, (pod.workload or pod.title, notes.get(title), "" if pod.declared else "to come"))),
                "maker" if title in notes else "pod",
            )
            for title, pod in sorted(by_zone[zone].items(), key=lambda item: _place(item[1].workload))
        ]
        groups.append(Group(f"zone {zone or 'unknown'}", tuple(boxes) or (_nobody(hospital, zone),), "zone"))
    return groups


def _place(workload: str) -> tuple[int, str]:
    known = list(zones().homes)
    return (known.index(workload) if workload in known else len(known), workload)


def _nobody(hospital: str, zone: str) -> Box:
    return Box(f"nobody {hospital} {zone}", ("no pods",), "empty")


def flow_drawing(flow: Flow, ways: Map, lines: Sequence[Line], titles: Mapping[str, str]) -> Drawing:
    """Return where a hospital's patients' data goes."""
    by_urn = {line.urn: line for line in lines}
    pods = [pod for pod in ways.pods if pod.title in flow.workloads]
    notes = {title: "makes pseudonyms" for title in flow.pseudonymisers}
    moved = {end for step in flow.steps for end in (step.source, step.target)} - set(flow.workloads)
    ends = sorted(moved | set(flow.stores))
    vault = [end for end in ends if end in by_urn and by_urn[end].store == VAULT]
    stores = sorted((end for end in ends if end in by_urn and end not in vault), key=lambda end: _rank(by_urn[end]))
    servers = [end for end in ends if end not in by_urn]
    lanes = [
        [
            Group("The hospital itself", tuple(Box(end, (end, _SERVERS.get(end, "")), "server") for end in servers)),
            Group("Vault: keys and secrets never leave it", tuple(_key(end, titles) for end in vault), "vault"),
        ],
        _zones(flow.hospital, pods, notes),
        [Group("Encrypted stores", tuple(_store(by_urn[end], titles[end]) for end in stores), "stores")],
    ]
    arrows = [_arrow(step, by_urn, titles) for step in flow.steps if step.what != "see public half"]
    words = ". ".join(arrow.title for arrow in arrows)
    return Drawing(f"flow-{flow.hospital}", f"Data flow of hospital {flow.hospital}", words, drawn(lanes, arrows))


def _rank(line: Line) -> tuple[int, str]:
    known = _CLASSES.index(line.data_class) if line.data_class in _CLASSES else len(_CLASSES)
    return known, line.name


def _key(urn: str, titles: Mapping[str, str]) -> Box:
    kind, _, name = titles[urn].rpartition(" ")
    return Box(urn, (name.rpartition("/")[2] if "key" in kind else name, kind), "key", titles[urn])


def _store(line: Line, title: str) -> Box:
    lines = (line.data_class or line.name, f"{line.store}, {line.phi or 'not told'}", f"key {line.key or 'none'}")
    return Box(line.urn, lines, look_of(line.data_class), title)


def _arrow(step: Step, by_urn: Mapping[str, Line], titles: Mapping[str, str]) -> Arrow:
    source, target = titles.get(step.source, step.source), titles.get(step.target, step.target)
    parts = f" ({', '.join(step.parts)})" if step.parts else ""
    title = f"{source} to {target}: {step.what}{parts}"
    store = by_urn.get(step.source) or by_urn.get(step.target)
    if store is None:
        return Arrow(step.source, step.target, "", "ok", title)
    if store.store == VAULT:
        look = "mask" if step.what == PSEUDONYMISE else "vault"
        return Arrow(step.source, step.target, _VAULT_VERBS.get(step.what, step.what), look, title)
    return Arrow(step.source, step.target, "", f"{look_of(store.data_class)} {_way(step, by_urn)}", title)


def _way(step: Step, by_urn: Mapping[str, Line]) -> str:
    return "reads" if step.source in by_urn else "writes"
