"""The whole evidence of a stack as values, computed from its state and, where it is asked, its cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from policy_pack.engine.evaluate import Judge, verdict
from policy_pack.evidence import labels
from policy_pack.evidence.control_report import Control, controls, counts, exemptions_at_fault
from policy_pack.evidence.data.encryption import Line, encryption
from policy_pack.evidence.data.inventory import Asset, inventory
from policy_pack.evidence.drift import Drift, drift, merged
from policy_pack.evidence.network.data_flow import Flow, flow
from policy_pack.evidence.network.network_map import Map, network
from policy_pack.evidence.risks import Risk, risks
from policy_pack.evidence.state_reader import Source
from policy_pack.facts import database_access, rbac_access, vault_access
from policy_pack.facts.access import Access, gathered
from policy_pack.facts.iam_access import Cloud
from policy_pack.facts.ownership import Places
from policy_pack.facts.rbac_access import Ability
from policy_pack.settings import Exemption, Settings
from policy_pack.stack.checks import About
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import KEY

_OTHER = ("aws:ecr/repository:Repository", KEY)


@dataclass(frozen=True)
class Report:
    """The evidence of one stack.

    Parameters
    ----------
    stack, live, changed
        Which stack it is, whether its cluster was read too, and when something of it last changed.
    hospitals
        The hospitals that it serves.
    counts
        Controls by how they stand.
    assets, lines, network, flows
        Inventory, encryption matrix, network map, and the data flow of each hospital.
    access, abilities
        Who can do what with stores, and in namespaces.
    across
        Access of one hospital's ServiceAccounts to another's stores.
    unread
        Rights that are not in the state, so that the matrix cannot tell what they give.
    controls, exemptions, faults, risks
        How every control stands, the exemptions in force, what is wrong with them, and the risk assessment.
    drift
        What the cluster has otherwise than the state says.
    titles
        By URN how a reader calls a store.
    """

    stack: str
    live: bool
    changed: str
    hospitals: tuple[str, ...]
    counts: Mapping[str, int]
    assets: tuple[Asset, ...]
    lines: tuple[Line, ...]
    network: Map
    flows: tuple[Flow, ...]
    access: tuple[Access, ...]
    abilities: tuple[Ability, ...]
    across: tuple[Access, ...]
    unread: tuple[str, ...]
    controls: tuple[Control, ...]
    exemptions: tuple[Exemption, ...]
    faults: tuple[str, ...]
    risks: tuple[Risk, ...]
    drift: tuple[Drift, ...]
    titles: Mapping[str, str]

    @property
    def not_emulated(self) -> list[Asset]:
        """The resources that were declared and checked, and that nothing really made."""
        return [asset for asset in self.assets if not asset.emulated]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        whole = asdict(self)
        whole["exemptions"] = [given.model_dump(mode="json") for given in self.exemptions]
        return {**whole, "notEmulated": [asset.urn for asset in self.not_emulated]}


def report(
    source: Source, settings: Settings, addresses: Addresses | None, cluster: Sequence[Resource] | None = None
) -> Report:
    """Return the evidence of a stack; its rights and ways come from the cluster where that was read."""
    graph = source.graph
    whole = merged(graph, cluster, settings) if cluster is not None else graph
    places = Places(whole, settings)
    cloud = Cloud(whole)
    vault = vault_access.access(whole)
    access = gathered([*cloud.access(), *vault, *database_access.access(whole, vault)])
    bound = rbac_access.rights(whole)
    judged = verdict(Judge(settings, addresses), graph)
    found = controls(graph, judged, settings)
    ways = network(About(whole, settings, addresses))
    lines = tuple(encryption(graph, places, settings))
    return Report(
        stack=graph.stack,
        live=cluster is not None,
        changed=max(source.changed.values(), default=""),
        hospitals=tuple(places.hospitals),
        counts=counts(found),
        assets=tuple(inventory(graph, places, settings, source.changed)),
        lines=lines,
        network=ways,
        flows=_flows(access, cloud, whole, places, ways),
        access=tuple(access),
        abilities=bound.abilities,
        across=tuple(_across(access, whole, places)),
        unread=_unread(cloud, whole, bound.unclear),
        controls=tuple(found),
        exemptions=tuple(given for given in settings.exemptions if not given.stacks or graph.stack in given.stacks),
        faults=tuple(exemptions_at_fault(judged)),
        risks=tuple(risks(found)),
        drift=tuple(drift(graph, cluster, settings)) if cluster is not None else (),
        titles=labels.stores(whole, {one.store for one in access} | {line.urn for line in lines}),
    )


def _flows(access: Sequence[Access], cloud: Cloud, graph: Graph, places: Places, ways: Map) -> tuple[Flow, ...]:
    logins = database_access.stores(graph).values()
    held = [store.resource for store in cloud.stores.values() if store.resource.kind not in _OTHER]
    kept = {resource.urn: places.of(resource).hospital for resource in (*held, *logins)}
    vault = frozenset(thing.urn for thing in vault_access.things(graph)) - kept.keys()
    return tuple(flow(hospital, access, kept, vault, ways) for hospital in places.hospitals)


def _across(access: Sequence[Access], graph: Graph, places: Places) -> list[Access]:
    """Return access of one hospital's ServiceAccounts to what another hospital owns."""
    found = []
    for one in access:
        store = graph.get(one.store)
        mine, theirs = places.hospital(one.who.namespace), places.of(store).hospital if store else ""
        if {mine, theirs} <= set(places.hospitals) and mine != theirs:
            found.append(one)
    return found


def _unread(cloud: Cloud, graph: Graph, bound: Sequence[str]) -> tuple[str, ...]:
    return (
        *(f"role {role}: policy {policy}" for role, policy in cloud.elsewhere()),
        *(f"binding {text}" for text in bound),
        *(f"Vault policy {name}" for name in vault_access.unread(graph)),
        *(f"database login {text}" for text in database_access.unread(graph)),
    )
