"""The zone table as values, and the NetworkPolicies that it means for one hospital."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from infra.cluster.cluster import Cluster
from infra.settings import names
from infra.settings.values import DataClass, Hospital, Settings

TABLE = Path(__file__).parents[1] / "zones.yaml"
# The workload that answers what is outside of the cluster.
GATEWAY = "envoy"
_STRICT = ConfigDict(extra="forbid")


@checked(frozen=True, config=_STRICT)
class Workload:
    """A program: where it runs and whether it logs in to Vault."""

    zone: str
    vault: bool


@checked(frozen=True, config=_STRICT)
class Flow:
    """Leave for a workload to call another one or a server outside the zones, or for what is outside to call it."""

    source: str
    target: str
    port: int | None = None


@checked(frozen=True, config=_STRICT)
class PlatformPods:
    """Pods that belong to no hospital, and the port that they answer on; None where they only call."""

    namespace: str
    labels: dict[str, str]
    port: int | None = None


@checked(frozen=True, config=_STRICT)
class ZoneTable:
    """Zones, the class of data in each, the workloads in them, what is outside, and every flow that is open."""

    zones: dict[str, str]
    holds: dict[str, DataClass | Literal["none"]]
    workloads: dict[str, Workload]
    endpoints: dict[str, str]
    pods: dict[str, PlatformPods]
    flows: tuple[Flow, ...]

    def __post_init__(self) -> None:
        if self.holds.keys() != self.zones.keys():
            raise ValueError("holds of zones.yaml must name each of its zones, and nothing else")
        for name, workload in self.workloads.items():
            if workload.zone not in self.zones:
                raise ValueError(f"workload {name} is in zone {workload.zone}, which zones.yaml does not list")
        for name in self.pods:
            if name not in self.endpoints:
                raise ValueError(f"pods of zones.yaml says where {name} is, which its endpoints do not list")
        for flow in self.flows:
            self._check(flow)

    def _check(self, flow: Flow) -> None:
        inside, outward = flow.target in self.workloads, flow.target in self.endpoints
        known = flow.source in self.workloads or (inside and flow.source in self.endpoints)
        if not (known and (inside or outward)):
            raise ValueError(f"flow {flow.source} to {flow.target} names what zones.yaml does not list")
        if outward and flow.target in self.pods and self.pods[flow.target].port is None:
            raise ValueError(f"flow {flow.source} to {flow.target}: pods of zones.yaml names no port of it")
        if inside != (flow.port is not None):
            raise ValueError(f"flow {flow.source} to {flow.target}: give a port to workloads, and to them alone")


@cache
def table() -> ZoneTable:
    """Return the zone table."""
    return TypeAdapter(ZoneTable).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


class Direction(StrEnum):
    """Which end of a flow a policy opens."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


@dataclass(frozen=True)
class Pods:
    """Pods with these labels in namespaces with those."""

    namespace: tuple[tuple[str, str], ...]
    pod: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Port:
    """A port of one protocol."""

    number: int
    protocol: str = "TCP"


@dataclass(frozen=True)
class Peer:
    """The other end of a flow: pods, or a network, and its ports."""

    where: Pods | str
    ports: tuple[Port, ...]


@dataclass(frozen=True)
class Opening:
    """One NetworkPolicy: one end of one flow."""

    zone: str
    workload: str
    direction: Direction
    other: str
    peer: Peer

    @property
    def name(self) -> str:
        """The policy's name within its namespace."""
        word = "to" if self.direction is Direction.EGRESS else "from"
        return f"{self.workload}-{word}-{self.other}"


def places(settings: Settings, cluster: Cluster, hospital: Hospital) -> dict[str, Peer | None]:
    """Return where each endpoint of the table is for one hospital; None where the hospital has none."""
    dns = Pods(named("kube-system"), (("k8s-app", "kube-dns"),))
    fhir = Peer(hospital.network, (Port(hospital.fhir.port),)) if hospital.network and hospital.fhir.url else None
    gateway = settings.gateway
    # What calls in is held to the port of its flow.
    clinic = Peer(hospital.network, ()) if gateway and hospital.network else None
    return {
        "dns": Peer(dns, (Port(cluster.dns_port, "UDP"), Port(cluster.dns_port, "TCP"))),
        "aws": Peer(cluster.aws.network, (Port(cluster.aws.port),)),
        "vault": Peer(cluster.vault.network, (Port(cluster.vault.port),)),
        "fhir": fhir,
        "clinic": clinic,
        "issuer": Peer(gateway.jwks.network, (Port(gateway.jwks.port),)) if gateway else None,
        "gateway-control": _platform("gateway-control") if gateway else None,
        "monitoring": _platform("monitoring") if cluster.installs_platform else None,
    }


def _platform(endpoint: str) -> Peer:
    known = table().pods[endpoint]
    ports = (Port(known.port),) if known.port else ()
    return Peer(Pods(named(known.namespace), tuple(known.labels.items())), ports)


def named(namespace: str) -> tuple[tuple[str, str], ...]:
    """Return the label by which Kubernetes itself names a namespace."""
    return (("kubernetes.io/metadata.name", namespace),)


def openings(zones: ZoneTable, hospital: str, endpoints: dict[str, Peer | None]) -> list[Opening]:
    """Return the policies that open both ends of each flow within one hospital, and no other's."""

    def pods(workload: str) -> Pods:
        labels = names.labels(hospital, zones.workloads[workload].zone)
        mine = tuple((key, value) for key, value in labels.items() if key.startswith(names.DOMAIN))
        return Pods(mine, ((names.WORKLOAD_LABEL, workload),))

    found = []
    for flow in zones.flows:
        source = zones.workloads.get(flow.source)
        if source is None:
            caller = endpoints[flow.source]
            if caller and flow.port:
                zone = zones.workloads[flow.target].zone
                peer = Peer(caller.where, (Port(flow.port),))
                found.append(Opening(zone, flow.target, Direction.INGRESS, flow.source, peer))
            continue
        if flow.port is None:
            outside = endpoints[flow.target]
            if outside:
                found.append(Opening(source.zone, flow.source, Direction.EGRESS, flow.target, outside))
            continue
        target, ports = zones.workloads[flow.target], (Port(flow.port),)
        there, back = Peer(pods(flow.target), ports), Peer(pods(flow.source), ports)
        found.append(Opening(source.zone, flow.source, Direction.EGRESS, flow.target, there))
        found.append(Opening(target.zone, flow.target, Direction.INGRESS, flow.source, back))
    return found
