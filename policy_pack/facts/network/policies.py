"""NetworkPolicies: their rules, peers and ports, as Kubernetes evaluates them."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network
from typing import Any

from policy_pack.facts.network.ports import ALL_PORTS, NamedPorts, PortRange, all_ports
from policy_pack.facts.network.selectors import matches_all, normalized, required_values
from policy_pack.facts.zone_table import DNS_PORTS
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import NAMESPACE
from policy_pack.stack.pods import namespace
from policy_pack.stack.values import View

INGRESS, EGRESS = "Ingress", "Egress"
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
DNS_NAMESPACE, DNS_LABELS = "kube-system", {"k8s-app": "kube-dns"}
# How messages and the network map name a peer whose namespace labels anybody can set.
ANY_NAMESPACE_PODS = "pods with these labels in any namespace"
_DNS_PORT_NAMES = ("dns", "dns-tcp")
# The ports of kube-dns' pods by name.
KUBE_DNS_PORTS: NamedPorts = {
    "dns": frozenset({("UDP", 53)}),
    "dns-tcp": frozenset({("TCP", 53)}),
    "metrics": frozenset({("TCP", 9153)}),
}
_IPV4, _IPV4_MAPPED = 4, IPv6Network("::ffff:0:0/96")
_MINIMUM_PREFIX, _MINIMUM_PREFIX_IPV6 = 8, 32


@dataclass(frozen=True)
class Peer:
    """A peer of a rule: ``ipBlock``, or ``namespaceSelector`` and ``podSelector``."""

    written: Mapping[str, Any]

    @property
    def cidr(self) -> str | None:
        """The CIDR of an ``ipBlock``; None where the peer is pods."""
        return str(self.written["ipBlock"].get("cidr")) if "ipBlock" in self.written else None

    @property
    def namespace_selector(self) -> Mapping[str, Any] | None:
        """The namespace selector; None where it is absent, so that the peer is in the policy's own namespace."""
        selector: Mapping[str, Any] | None = self.written.get("namespaceSelector")
        return None if selector is None else normalized(selector)

    @property
    def pod_selector(self) -> Mapping[str, Any]:
        """The pod selector; empty where it is absent."""
        return normalized(self.written.get("podSelector") or {})

    @property
    def namespace_names(self) -> frozenset[str] | None:
        """The namespaces that the selector can match, by their names; None where it does not require a name.

        The API server sets the label of the name. Whoever creates a namespace sets every other label.
        """
        return required_values(self.namespace_selector or {}, NAMESPACE_NAME_LABEL)

    @property
    def in_kube_dns_namespace(self) -> bool:
        """Whether the peer is in the namespace of kube-dns."""
        return self.namespace_names == frozenset({DNS_NAMESPACE})

    @property
    def has_kube_dns_labels(self) -> bool:
        """Whether the pod selector requires the label of kube-dns."""
        labels = self.pod_selector.get("matchLabels") or {}
        return DNS_LABELS.items() <= labels.items()

    @property
    def is_kube_dns(self) -> bool:
        """Whether the peer is the cluster's DNS and nothing else."""
        return self.in_kube_dns_namespace and self.has_kube_dns_labels

    @property
    def is_everyone(self) -> bool:
        """Whether the peer selects every pod of every namespace, or has no selector at all."""
        if any(value for value in (self.written.get("ipBlock"), *self.pod_selector.values())):
            return False
        if self.namespace_selector is None:
            return self.written.get("podSelector") is None
        return matches_all(self.namespace_selector)


@dataclass(frozen=True)
class PolicyRule:
    """One ingress or egress rule: its peers (None: everyone) and its ports (None: all)."""

    peers: tuple[Peer, ...] | None
    ports: tuple[Mapping[str, Any], ...] | None

    @property
    def has_names(self) -> bool:
        """Whether a port is given by name, so that its number depends on the target."""
        return any(_is_name(port.get("port")) for port in self.ports or ())

    def port_ranges(self, named: NamedPorts | None) -> tuple[PortRange, ...]:
        """Return the ports of the rule.

        Parameters
        ----------
        named
            The container ports of the target; None where its containers are not known, so that a name can be any port.
        """
        if self.ports is None:
            return ALL_PORTS
        ranges: list[PortRange] = []
        for port in self.ports:
            protocol, number = str(port.get("protocol") or "TCP"), port.get("port")
            if number is None or (named is None and _is_name(number)):
                ranges.append(all_ports(protocol))
            elif named is not None and _is_name(number):
                numbers = named.get(number, frozenset())
                ranges += (PortRange(protocol, one, one) for own, one in sorted(numbers) if own == protocol)
            else:
                ranges.append(PortRange(protocol, int(number), int(port.get("endPort") or number)))
        return tuple(ranges)


def _is_name(port: object) -> bool:
    return isinstance(port, str) and not port.isdigit()


@dataclass(frozen=True, eq=False)
class NetworkPolicy:
    """A NetworkPolicy."""

    resource: Resource
    namespace: str
    pod_selector: Mapping[str, Any]
    types: frozenset[str]
    ingress: tuple[PolicyRule, ...]
    egress: tuple[PolicyRule, ...]


def parse(resource: Resource, namespace: str) -> NetworkPolicy:
    """Return a NetworkPolicy as plain values; raises `NotKnownError` where a part is not known."""
    spec = resource.at("spec").whole() or {}
    ingress = tuple(_rule(rule, "from") for rule in spec.get("ingress") or ())
    egress = tuple(_rule(rule, "to") for rule in spec.get("egress") or ())
    # Without policyTypes a policy applies to ingress, and to egress if it has egress rules.
    types = spec.get("policyTypes") or [INGRESS, *([EGRESS] if egress else [])]
    return NetworkPolicy(resource, namespace, spec.get("podSelector") or {}, frozenset(types), ingress, egress)


def _rule(rule: Mapping[str, Any], peers_field: str) -> PolicyRule:
    peers, ports = rule.get(peers_field), rule.get("ports")
    return PolicyRule(tuple(Peer(peer) for peer in peers) if peers else None, tuple(ports) if ports else None)


def policy_namespace(policy: Resource, graph: Graph) -> str | None:
    """Return the namespace of a policy; None where it is not known."""
    name = namespace(policy)
    if not name.known:
        target = graph.target(policy, "metadata", (NAMESPACE,), ("metadata.name",))
        name = target.at("metadata.name") if target else name
    return name.text() if name.known else None


def is_default_deny(policy: Resource) -> bool | None:
    """Return whether a policy denies all ingress and egress of every pod; None where its parts are not known yet."""
    spec = policy.at("spec")
    if not all(spec.at(part).known for part in ("policyTypes", "podSelector", "ingress", "egress")):
        return None
    types = {item.text() for item in spec.at("policyTypes").items()}
    selector = spec.at("podSelector").value
    every_pod = isinstance(selector, dict) and matches_all(selector)
    return every_pod and types == {INGRESS, EGRESS} and spec.at("ingress").absent and spec.at("egress").absent


def allows_dns_port(rule: View) -> bool:
    """Return whether a rule names a port of DNS, by number or by name."""
    ports = {*DNS_PORTS, *map(str, DNS_PORTS), *_DNS_PORT_NAMES}
    return any(port.at("port").value in ports for port in rule.at("ports").items())


def is_any_address(cidr: str) -> bool:
    """Return whether a CIDR is every address, or so large a part that a few of them are."""
    network = ip_network(cidr, strict=False)
    if isinstance(network, IPv6Network) and network.overlaps(_IPV4_MAPPED):
        return True
    return network.prefixlen < (_MINIMUM_PREFIX if network.version == _IPV4 else _MINIMUM_PREFIX_IPV6)


def covers(peer: Peer, pods: str) -> bool:
    """Return whether an ``ipBlock`` has addresses of pods: CNI plugins such as that of AWS match these as well.

    Parameters
    ----------
    peer
        The peer.
    pods
        The network of pods; empty where it is not known, so that every block may have their addresses.
    """
    if peer.cidr is None:
        return False
    try:
        block = ip_network(peer.cidr, strict=False)
        left_out = [ip_network(cidr, strict=False) for cidr in peer.written["ipBlock"].get("except") or ()]
    except ValueError:
        return True
    if not pods:
        return block.version == _IPV4 or is_any_address(peer.cidr)
    network = ip_network(pods, strict=False)
    if block.version != network.version:
        return is_any_address(peer.cidr)
    return block.overlaps(network) and not any(is_inside(pods, str(cidr)) for cidr in left_out)


def is_inside(cidr: str, network: str) -> bool:
    """Return whether a CIDR is a network, or a part of it."""
    inner, outer = ip_network(cidr, strict=False), ip_network(network)
    return inner.network_address in outer and inner.prefixlen >= outer.prefixlen
