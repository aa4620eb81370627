"""External peers of NetworkPolicies: the endpoint of the zone table that each is, and whether a flow declares it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policy_pack.facts.network.policies import ANY_NAMESPACE_PODS, Peer, is_inside
from policy_pack.facts.network.ports import PortRange
from policy_pack.facts.network.topology import PodGroup, Topology
from policy_pack.facts.zone_table import DNS, DNS_PORTS, ZoneTable
from policy_pack.stack.external_endpoints import Addresses, Endpoint

EVERYWHERE = "any address"


@dataclass(frozen=True)
class ExternalPeers:
    """The external endpoints of the zone table, with their addresses in the stack's configuration."""

    table: ZoneTable
    addresses: Addresses

    def match(
        self, peer: Peer | None, ports: PortRange, group: PodGroup, network: Topology, *, ingress: bool
    ) -> tuple[str, bool] | None:
        """Return the name of a peer, and whether a flow declares it; None where it is pods of the stack alone.

        A peer of None is a rule without peers.
        """
        if peer is None:
            return EVERYWHERE, False
        name = _name(peer, network)
        if name is None:
            return None
        flows = dict(self._flows(group, ingress=ingress))
        if name == DNS:
            return name, not ingress and DNS in flows and ports.single and ports.first in DNS_PORTS
        if peer.cidr is not None:
            endpoint = self._endpoint_of(peer.cidr, ports, group, flows)
            if endpoint:
                return endpoint, endpoint in flows
        is_network = peer.cidr is not None
        candidates = [name for name, port in flows.items() if self._can_be(name, port, ports, group, is_network)]
        if not (ports.single and candidates):
            return name, False
        return (candidates[0] if len(candidates) == 1 else name), True

    def _flows(self, group: PodGroup, *, ingress: bool) -> Iterator[tuple[str, int | None]]:
        """Return the endpoints with a flow of a workload, and the port of the flow."""
        for flow in self.table.flows:
            own, other = (flow.target, flow.source) if ingress else (flow.source, flow.target)
            if own == group.workload and other in self.table.endpoints:
                yield other, flow.port

    def _endpoint(self, name: str, group: PodGroup) -> Endpoint | None:
        return self.addresses.of(group.namespace.hospital, name)

    def _endpoint_of(self, cidr: str, ports: PortRange, group: PodGroup, flows: Mapping[str, int | None]) -> str | None:
        """Return the endpoint of the stack's configuration that a network is."""
        hospital = group.namespace.hospital
        names = {*self.addresses.shared, *(name for owner, name in self.addresses.by_hospital if owner == hospital)}
        for name in sorted(names):
            endpoint = self._endpoint(name, group)
            port = flows.get(name) or (endpoint.port if endpoint else None)
            if endpoint and ports == ("TCP", port, port) and is_inside(cidr, endpoint.network):
                return name
        return None

    def _can_be(self, name: str, port: int | None, ports: PortRange, group: PodGroup, is_network: bool) -> bool:
        """Return whether a peer may be an endpoint whose address the configuration does not have."""
        unused = is_network and (group.namespace.hospital, name) in self.addresses.unused
        return name != DNS and self._endpoint(name, group) is None and not unused and port in (None, ports.first)


def _name(peer: Peer, network: Topology) -> str | None:
    """Return the text for a peer; None where it selects pods of the stack alone."""
    if peer.cidr is not None:
        return peer.cidr
    if peer.namespace_selector is None or network.declares(peer):
        return None
    if peer.namespace_names is None:
        return ANY_NAMESPACE_PODS
    return DNS if peer.is_kube_dns else f"pods of namespace {', '.join(sorted(peer.namespace_names))}"
