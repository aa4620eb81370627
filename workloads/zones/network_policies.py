"""What a NetworkPolicy says: which pods it closes, and the one way that it opens."""

from collections.abc import Mapping

from pulumi_kubernetes.meta.v1 import LabelSelectorArgs
from pulumi_kubernetes.networking import v1 as networking

from workloads.zones.flow_table import Direction, Peer, Pods


def closed() -> networking.NetworkPolicySpecArgs:
    """Return the policy that closes every pod of a namespace both ways."""
    return networking.NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(), policy_types=[Direction.INGRESS, Direction.EGRESS]
    )


def opened(pods: Mapping[str, str], direction: Direction, peer: Peer) -> networking.NetworkPolicySpecArgs:
    """Return the policy that opens pods to one peer, in or out.

    Parameters
    ----------
    pods
        Their labels; every pod of the namespace where there are none.
    direction, peer
        Which way, and to whom on which ports.
    """
    peers = [_peer(peer)]
    ports = [networking.NetworkPolicyPortArgs(port=port.number, protocol=port.protocol) for port in peer.ports]
    egress = direction is Direction.EGRESS
    return networking.NetworkPolicySpecArgs(
        pod_selector=_selector(pods),
        policy_types=[direction],
        egress=[networking.NetworkPolicyEgressRuleArgs(to=peers, ports=ports)] if egress else None,
        ingress=None if egress else [networking.NetworkPolicyIngressRuleArgs(from_=peers, ports=ports)],
    )


def _peer(peer: Peer) -> networking.NetworkPolicyPeerArgs:
    if isinstance(peer.where, Pods):
        return networking.NetworkPolicyPeerArgs(
            namespace_selector=_selector(dict(peer.where.namespace)), pod_selector=_selector(dict(peer.where.pod))
        )
    return networking.NetworkPolicyPeerArgs(ip_block=networking.IPBlockArgs(cidr=peer.where))


def _selector(labels: Mapping[str, str]) -> LabelSelectorArgs:
    return LabelSelectorArgs(match_labels=dict(labels)) if labels else LabelSelectorArgs()
