"""The data flow of a hospital: how patients' data moves between its workloads, stores and external endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy_pack.evidence.network.network_map import NetworkMap
from policy_pack.facts.access import Access

_READ, _WRITE = ("read", "select", "connect"), ("write", "insert", "update")
# The endpoints that send patients' records, and those that send requests; the data of the others is in stores and keys.
_RECORD_SOURCES = ("fhir",)
_CLIENTS = ("clinic",)
PSEUDONYMISE = "pseudonymise"


@dataclass(frozen=True, order=True)
class DataMovement:
    """One movement of data.

    Parameters
    ----------
    source, target
        Labels of workloads, URNs of stores and keys, or names of external endpoints.
    operation
        The operation, such as ``read``.
    parts
        The parts of the store; none means all of it.
    """

    source: str
    target: str
    operation: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataFlow:
    """The data movements of one hospital, with its workloads, its stores, and the workloads that pseudonymise."""

    hospital: str
    workloads: tuple[str, ...]
    stores: tuple[str, ...]
    movements: tuple[DataMovement, ...]
    pseudonymisers: tuple[str, ...]


def data_flow(
    hospital: str,
    access: Sequence[Access],
    owner_of: Mapping[str, str],
    vault: frozenset[str],
    network: NetworkMap,
) -> DataFlow:
    """Return the data flow of a hospital.

    Parameters
    ----------
    hospital
        The hospital.
    access
        The access matrix.
    owner_of
        The hospital of each data store, by URN.
    vault
        URNs of keys and secrets in Vault.
    network
        The network map, with the connections of workloads.
    """
    workloads = {pods.label for pods in network.pods if pods.hospital == hospital and pods.workload}
    movements: set[DataMovement] = set()
    for one in access:
        name = one.principal.name
        if one.principal.kind != "ServiceAccount" or name not in workloads:
            continue
        if one.store in vault or (one.store in owner_of and one.verb in _WRITE):
            movements.add(DataMovement(name, one.store, one.verb, one.parts))
        elif one.store in owner_of and one.verb in _READ:
            movements.add(DataMovement(one.store, name, one.verb, one.parts))
    for connection in network.connections:
        source, target = connection.source, connection.target
        if target in workloads and (source in workloads or source in _CLIENTS):
            movements.add(DataMovement(source, target, "request"))
        elif source in workloads and target in _RECORD_SOURCES:
            movements.add(DataMovement(target, source, "patients' records"))
    pseudonymisers = {one.source for one in movements if one.operation == PSEUDONYMISE}
    return DataFlow(
        hospital,
        tuple(sorted(workloads)),
        tuple(sorted(urn for urn, owner in owner_of.items() if owner == hospital)),
        tuple(sorted(movements)),
        tuple(sorted(pseudonymisers)),
    )
