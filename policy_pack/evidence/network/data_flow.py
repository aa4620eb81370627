"""How patients' data moves through one hospital: through workloads and stores, as rights and ways allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy_pack.evidence.network.network_map import Map
from policy_pack.facts.access import Access

_IN, _OUT = ("read", "select", "connect"), ("write", "insert", "update")
# Servers from which records come; what others do is drawn as stores and keys, or moves no records.
_RECORDS = ("fhir",)
_ASKING = ("clinic",)
PSEUDONYMISE = "pseudonymise"


@dataclass(frozen=True, order=True)
class Step:
    """One movement of data.

    Parameters
    ----------
    source, target
        Titles of workloads, URNs of stores and keys, or names of servers outside.
    what
        What happens, in a word.
    parts
        The parts of the store that it is about; none means all of it.
    """

    source: str
    target: str
    what: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flow:
    """The movements of one hospital's data, the stores that it owns, and the workloads that make pseudonyms."""

    hospital: str
    workloads: tuple[str, ...]
    stores: tuple[str, ...]
    steps: tuple[Step, ...]
    pseudonymisers: tuple[str, ...]


def flow(hospital: str, access: Sequence[Access], kept: Mapping[str, str], vault: frozenset[str], ways: Map) -> Flow:
    """Return a hospital's data flow.

    Parameters
    ----------
    hospital
        The hospital.
    access
        Who can do what.
    kept
        By URN of a store that holds data the hospital that owns it.
    vault
        URNs of what Vault keeps.
    ways
        The network map, which says whom workloads can call.
    """
    own = {pod.title for pod in ways.pods if pod.hospital == hospital and pod.workload}
    steps: set[Step] = set()
    for one in access:
        if one.who.kind != "ServiceAccount" or one.who.name not in own:
            continue
        if one.store in vault:
            steps.add(Step(one.who.name, one.store, one.verb, one.parts))
        elif one.store in kept and one.verb in _IN:
            steps.add(Step(one.store, one.who.name, one.verb, one.parts))
        elif one.store in kept and one.verb in _OUT:
            steps.add(Step(one.who.name, one.store, one.verb, one.parts))
    for way in ways.ways:
        if way.source in own and way.target in own:
            steps.add(Step(way.source, way.target, "asks"))
        elif way.source in own and way.target in _RECORDS:
            steps.add(Step(way.target, way.source, "patients' records"))
        elif way.target in own and way.source in _ASKING:
            steps.add(Step(way.source, way.target, "asks"))
    makers = {step.source for step in steps if step.what == PSEUDONYMISE}
    stores = sorted(urn for urn, owner in kept.items() if owner == hospital)
    return Flow(hospital, tuple(sorted(own)), tuple(stores), tuple(sorted(steps)), tuple(sorted(makers)))
