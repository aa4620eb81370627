"""The zone table (``zones.yaml``): zones of a hospital, and the NetworkPolicy rules that its flows mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.cluster.cluster import Cluster
from infra.network.addresses import subnet_plan
from infra.settings import DataClass, Endpoint, ExistingClusterSettings, Hospital, Settings, names
from infra.settings.network import POSTGRESQL_PORT
from workloads.zones import workload_table
from workloads.zones.workload_table import Workload

TABLE = Path(__file__).parents[1] / "zones.yaml"
_STRICT = ConfigDict(extra="forbid")


@validated(frozen=True, config=_STRICT)
class Flow:
    """An allowed connection between workloads, or to or from an external endpoint; ``port`` is a port's name."""

    source: str
    target: str
    port: str | None = None


@validated(frozen=True, config=_STRICT)
class PlatformPods:
    """Namespace, labels and port of platform pods; ``port`` is None for pods that only connect."""

    namespace: str
    labels: dict[str, str]
    port: int | None = None


@validated(frozen=True, config=_STRICT)
class ZoneTable:
    """Zones, the data class that each stores and that passes through it, workloads, endpoints, platform pods, flows."""

    zones: dict[str, str]
    holds: dict[str, DataClass | Literal["none"]]
    passes: dict[str, DataClass | Literal["none"]]
    workloads: dict[str, Workload]
    endpoints: dict[str, str]
    pods: dict[str, PlatformPods]
    flows: tuple[Flow, ...]

    def __post_init__(self) -> None:
        for field, classes in (("holds", self.holds), ("passes", self.passes)):
            if classes.keys() != self.zones.keys():
                raise ValueError(f"{field} of zones.yaml must name each of its zones, and nothing else")
        for name, workload in self.workloads.items():
            if workload.zone not in self.zones:
                raise ValueError(f"workload {name} is in zone {workload.zone}, which zones.yaml does not define")
        for name in self.pods:
            if name not in self.endpoints:
                raise ValueError(f"pods of zones.yaml define {name}, which is not one of its endpoints")
        for flow in self.flows:
            self._check(flow)

    def _check(self, flow: Flow) -> None:
        to_workload, to_endpoint = flow.target in self.workloads, flow.target in self.endpoints
        from_endpoint = to_workload and flow.source in self.endpoints
        if not ((flow.source in self.workloads or from_endpoint) and (to_workload or to_endpoint)):
            raise ValueError(
                f"flow {flow.source} to {flow.target}: unknown workload or endpoint; check the spelling, or add it to "
                "workloads.yaml or to the endpoints of zones.yaml"
            )
        if to_endpoint and flow.target in self.pods and self.pods[flow.target].port is None:
            raise ValueError(f"flow {flow.source} to {flow.target}: the platform pods have no port in zones.yaml")
        if to_workload != (flow.port is not None):
            raise ValueError(f"flow {flow.source} to {flow.target}: flows to workloads have a port, and no others")
        if flow.port is not None and flow.port not in self.workloads[flow.target].ports:
            raise ValueError(
                f"flow {flow.source} to {flow.target}: workloads.yaml defines no port {flow.port} of {flow.target}"
            )

    def flows_between(self, workloads: Mapping[str, Workload]) -> tuple[Flow, ...]:
        """Return the flows whose ends are among some workloads, or are endpoints; to Vault, of those that log in."""
        absent = self.workloads.keys() - workloads.keys()
        present = (flow for flow in self.flows if not {flow.source, flow.target} & absent)
        return tuple(flow for flow in present if flow.target != "vault" or workloads[flow.source].vault_rules)

    def port(self, flow: Flow) -> int | None:
        """Return the port number of a flow to a workload; None for flows to endpoints."""
        return None if flow.port is None else self.workloads[flow.target].ports[flow.port]


def parse(zones: dict[str, object], workloads: dict[str, Workload]) -> ZoneTable:
    """Return the zone table for a set of workloads.

    Raises
    ------
    ValidationError
        When the tables contradict each other.
    """
    return TypeAdapter(ZoneTable).validate_python({**zones, "workloads": workloads})


@cache
def table() -> ZoneTable:
    """Return the zone table."""
    return parse(yaml.safe_load(TABLE.read_text(encoding="utf-8")), workload_table.table().workloads)


class Direction(StrEnum):
    """Policy type of a NetworkPolicy."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


@dataclass(frozen=True)
class PodSelector:
    """Pods with some labels in one namespace, which is selected by its name: other labels can be forged."""

    namespace: str
    pod_labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Port:
    """Port number and protocol."""

    number: int
    protocol: str = "TCP"


@dataclass(frozen=True)
class Peer:
    """Peer of a NetworkPolicy rule: pods, or one or several IP blocks as CIDR, and ports."""

    selector: PodSelector | str | tuple[str, ...]
    ports: tuple[Port, ...]


@dataclass(frozen=True)
class PolicyRule:
    """The rule of one NetworkPolicy: one end of a flow.

    Parameters
    ----------
    zone, pods
        The zone, and the label ``app.kubernetes.io/name`` of the pods to which the policy applies.
    direction
        Ingress or egress.
    peer_name, peer
        The other end of the flow.
    """

    zone: str
    pods: str
    direction: Direction
    peer_name: str
    peer: Peer

    @property
    def name(self) -> str:
        """Name of the NetworkPolicy."""
        preposition = "to" if self.direction is Direction.EGRESS else "from"
        return f"{self.pods}-{preposition}-{self.peer_name}"


def endpoint_peers(settings: Settings, cluster: Cluster, hospital: Hospital) -> dict[str, Peer | None]:
    """Return the peer of each endpoint of the table for one hospital; None for endpoints that it lacks."""
    fhir = Peer(hospital.network, (Port(hospital.fhir.port),)) if hospital.network and hospital.fhir.url else None
    gateway = settings.gateway
    # As a source, it is limited to the port of its flow.
    clinic = Peer(hospital.network, ()) if gateway and hospital.network else None
    return {
        "dns": dns_peer(cluster),
        "aws": Peer(cluster.aws.network, (Port(cluster.aws.port),)),
        "vault": Peer(cluster.vault.network, (Port(cluster.vault.port),)),
        "fhir": fhir,
        "postgresql": _postgresql_peer(settings),
        "clinic": clinic,
        "issuer": _server(gateway.jwks) if gateway else None,
        "sign-in": _server(hospital.sign_in.endpoint) if hospital.sign_in else None,
        "gateway-control": _platform_peer("gateway-control") if gateway else None,
        "monitoring": _platform_peer("monitoring") if cluster.installs_platform else None,
    }


def _server(endpoint: Endpoint) -> Peer:
    return Peer(endpoint.network, (Port(endpoint.port),))


def dns_peer(cluster: Cluster) -> Peer:
    """Return the cluster's DNS pods, over UDP and TCP."""
    pods = PodSelector("kube-system", (("k8s-app", "kube-dns"),))
    return Peer(pods, (Port(cluster.dns_port, "UDP"), Port(cluster.dns_port, "TCP")))


def _postgresql_peer(settings: Settings) -> Peer | None:
    """Return the PostgreSQL server outside the stack, or the subnets in which Aurora is."""
    if isinstance(settings, ExistingClusterSettings):
        server = settings.endpoints.postgresql
        return Peer(server.network, (Port(server.port),)) if server else None
    subnets = tuple(str(block) for block in subnet_plan(settings.networks.vpc).data)
    return Peer(subnets, (Port(POSTGRESQL_PORT),))


def _platform_peer(endpoint: str) -> Peer:
    pods = table().pods[endpoint]
    ports = (Port(pods.port),) if pods.port else ()
    return Peer(PodSelector(pods.namespace, tuple(pods.labels.items())), ports)


def workload_pods(hospital: str, workload: Workload) -> PodSelector:
    """Return the pods of a hospital's workload."""
    return PodSelector(names.namespace(hospital, workload.zone), ((names.WORKLOAD_LABEL, workload.service_account),))


def policy_rules(zones: ZoneTable, hospital: str, endpoints: dict[str, Peer | None]) -> list[PolicyRule]:
    """Return the rules for both ends of each flow, between pods of one hospital."""
    rules = []
    for flow in zones.flows:
        source, target, port = zones.workloads.get(flow.source), zones.workloads.get(flow.target), zones.port(flow)
        ports = (Port(port),) if port else ()
        if target:
            caller = source.service_account if source else flow.source
            endpoint = endpoints.get(flow.source)
            peer = workload_pods(hospital, source) if source else endpoint.selector if endpoint else None
            if peer is not None:
                pods = target.service_account
                rules.append(PolicyRule(target.zone, pods, Direction.INGRESS, caller, Peer(peer, ports)))
        if source:
            callee = target.service_account if target else flow.target
            destination = Peer(workload_pods(hospital, target), ports) if target else endpoints[flow.target]
            if destination:
                rules.append(PolicyRule(source.zone, source.service_account, Direction.EGRESS, callee, destination))
    return rules
