"""NetworkPolicy specs: default deny, and a policy that allows one peer."""

from collections.abc import Mapping

from pulumi_kubernetes.meta.v1 import LabelSelectorArgs
from pulumi_kubernetes.networking import v1 as networking

from workloads.zones.flow_table import Direction, Peer, PodSelector

# The API server sets it to the name of each namespace and rejects any other value.
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"


def default_deny() -> networking.NetworkPolicySpecArgs:
    """Return the policy that denies ingress and egress of all pods of a namespace."""
    return networking.NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(), policy_types=[Direction.INGRESS, Direction.EGRESS]
    )


def allow(pod_labels: Mapping[str, str], direction: Direction, peer: Peer) -> networking.NetworkPolicySpecArgs:
    """Return the policy that allows pods ingress from, or egress to, one peer.

    Parameters
    ----------
    pod_labels
        Labels of the pods; empty for all pods of the namespace.
    direction, peer
        Ingress or egress, and the peer with its ports.
    """
    peers = _peers(peer)
    ports = [networking.NetworkPolicyPortArgs(port=port.number, protocol=port.protocol) for port in peer.ports]
    egress = direction is Direction.EGRESS
    return networking.NetworkPolicySpecArgs(
        pod_selector=_label_selector(pod_labels),
        policy_types=[direction],
        egress=[networking.NetworkPolicyEgressRuleArgs(to=peers, ports=ports)] if egress else None,
        ingress=None if egress else [networking.NetworkPolicyIngressRuleArgs(from_=peers, ports=ports)],
    )


def _peers(peer: Peer) -> list[networking.NetworkPolicyPeerArgs]:
    if isinstance(peer.selector, PodSelector):
        pods = networking.NetworkPolicyPeerArgs(
            namespace_selector=_label_selector({NAMESPACE_NAME_LABEL: peer.selector.namespace}),
            pod_selector=_label_selector(dict(peer.selector.pod_labels)),
        )
        return [pods]
    blocks = (peer.selector,) if isinstance(peer.selector, str) else peer.selector
    return [networking.NetworkPolicyPeerArgs(ip_block=networking.IPBlockArgs(cidr=block)) for block in blocks]


def _label_selector(labels: Mapping[str, str]) -> LabelSelectorArgs:
    return LabelSelectorArgs(match_labels=dict(labels)) if labels else LabelSelectorArgs()
