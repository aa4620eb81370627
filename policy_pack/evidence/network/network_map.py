"""The network map: every connection that NetworkPolicies allow, between pods and to or from external peers."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.evidence.network.external_peers import EVERYWHERE, ExternalPeers
from policy_pack.facts.network.connections import connections, is_declared
from policy_pack.facts.network.policies import EGRESS, INGRESS
from policy_pack.facts.network.topology import PodGroup, Topology, topology
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import StackContext
from policy_pack.stack.external_endpoints import Addresses


@dataclass(frozen=True, order=True)
class WorkloadPods:
    """The pods of one workload: namespace, hospital and zone, and whether the stack declares them already."""

    label: str
    namespace: str
    workload: str
    hospital: str
    zone: str
    declared: bool


@dataclass(frozen=True, order=True)
class AllowedConnection:
    """An allowed connection.

    Parameters
    ----------
    source, target
        Labels of pods, or names of external peers.
    ports
        The ports.
    declared
        Whether the zone table has a flow for it.
    policies
        The NetworkPolicies that allow it.
    external
        Whether one end is not a pod of this stack.
    """

    source: str
    target: str
    ports: str
    declared: bool
    policies: tuple[str, ...]
    external: bool


@dataclass(frozen=True)
class NetworkMap:
    """Pods, the connections between them and with external peers, and the pods isolated in both directions."""

    pods: tuple[WorkloadPods, ...]
    connections: tuple[AllowedConnection, ...]
    isolated: tuple[str, ...]

    def cross_hospital(self) -> list[AllowedConnection]:
        """Return the connections from one hospital to another."""
        hospital = {pods.label: pods.hospital for pods in self.pods}
        return [one for one in self.connections if not one.external and hospital[one.source] != hospital[one.target]]


def network_map(context: StackContext) -> NetworkMap:
    """Return the network map of a stack."""
    table = zones()
    network = topology(context, table)
    groups = sorted(network.pod_groups, key=lambda group: group.resource is not None)
    pods = {group.label: _workload_pods(group) for group in groups}
    internal = {
        AllowedConnection(
            connection.source.label,
            connection.target.label,
            connection.ports.label,
            is_declared(connection, table),
            tuple(sorted({p.resource.name for p in (connection.egress_policy, connection.ingress_policy) if p})),
            external=False,
        )
        for connection in connections(network)
    }
    peers = ExternalPeers(table, context.addresses or Addresses({}, {}))
    external = {one for group in network.pod_groups for one in _external(group, network, peers)}
    isolated = {group.label for group in network.pod_groups if {INGRESS, EGRESS} <= group.isolated}
    return NetworkMap(tuple(sorted(pods.values())), tuple(sorted(internal | external)), tuple(sorted(isolated)))


def _workload_pods(group: PodGroup) -> WorkloadPods:
    own = group.namespace
    return WorkloadPods(group.label, own.name, group.workload, own.hospital, own.zone, group.resource is not None)


def _external(group: PodGroup, network: Topology, peers: ExternalPeers) -> Iterator[AllowedConnection]:
    """Return the connections of pods with external peers, in both directions."""
    for ingress, direction, rules in ((False, EGRESS, group.egress), (True, INGRESS, group.ingress)):
        if direction not in group.isolated:
            yield _connection(group, EVERYWHERE, "any port", (), ingress=ingress)
        for policy, rule in rules:
            for peer in (None,) if rule.peers is None else rule.peers:
                for ports in rule.port_ranges(group.named_ports if ingress else None):
                    match = peers.match(peer, ports, group, network, ingress=ingress)
                    if match:
                        name, declared = match
                        policies = (policy.resource.name,)
                        yield _connection(group, name, ports.label, policies, ingress=ingress, declared=declared)


def _connection(
    group: PodGroup, other: str, ports: str, policies: tuple[str, ...], *, ingress: bool, declared: bool = False
) -> AllowedConnection:
    source, target = (other, group.label) if ingress else (group.label, other)
    return AllowedConnection(source, target, ports, declared, policies, external=True)
