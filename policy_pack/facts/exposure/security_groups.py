"""Rules of security groups, wherever they are declared: the networks and groups that they admit or lead to."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from policy_pack.facts.exposure.entry_points import EntryPoint
from policy_pack.facts.exposure.table import Reach
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ID_KEYS
from policy_pack.stack.values import NotKnownError, View

GROUPS = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_RULE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
_PREFIX_LIST = "aws:ec2/managedPrefixList:ManagedPrefixList"
_PREFIX_LIST_ENTRY = "aws:ec2/managedPrefixListEntry:ManagedPrefixListEntry"
# A network with a shorter prefix names nobody.
MINIMUM_PREFIX = {4: 8, 6: 32}
_ALL_PORTS = (0, 65535)
_INGRESS, _EGRESS = "ingress", "egress"
_TCP = ("tcp", "6")


@dataclass(frozen=True)
class GroupRule:
    """An ingress or egress rule of a security group.

    Parameters
    ----------
    resource, path
        Where it is declared.
    networks
        The networks that it names, each with its property.
    prefix_lists
        The prefix lists that it names.
    groups
        The other security groups that it names.
    ports
        The first and the last port.
    tcp
        Whether it is of TCP.
    """

    resource: Resource
    path: str
    networks: tuple[View, ...]
    prefix_lists: tuple[View, ...]
    groups: tuple[View, ...]
    ports: tuple[int, int]
    tcp: bool

    def admits(self, port: int) -> bool:
        """Return whether it admits connections of a network to a port."""
        return self.ports[0] <= port <= self.ports[1]

    @property
    def single(self) -> bool:
        """Whether it is of one port of TCP."""
        return self.tcp and self.ports[0] == self.ports[1]

    @property
    def label(self) -> str:
        """The ports for messages."""
        first, last = self.ports
        ports = "every port" if self.ports == _ALL_PORTS else f"port {first}" if first == last else f"{first}-{last}"
        return f"{ports} of {self.resource.name}"


def ingress_rules(resource: Resource) -> Iterator[GroupRule]:
    """Return the ingress rules that a resource declares."""
    yield from _rules(resource, _INGRESS, INGRESS_RULE)


def egress_rules(resource: Resource) -> Iterator[GroupRule]:
    """Return the egress rules that a resource declares."""
    yield from _rules(resource, _EGRESS, EGRESS_RULE)


def _rules(resource: Resource, direction: str, kind: str) -> Iterator[GroupRule]:
    if resource.kind in GROUPS:
        for rule in resource.at(direction).items():
            yield _rule(resource, rule, ("cidrBlocks", "ipv6CidrBlocks"), "prefixListIds", "securityGroups")
    elif resource.kind == kind:
        own = View(resource.props)
        yield _rule(resource, own, ("cidrIpv4", "cidrIpv6"), "prefixListId", "referencedSecurityGroupId")
    elif resource.kind == GROUP_RULE and resource.at("type").text() == direction:
        own = View(resource.props)
        yield _rule(resource, own, ("cidrBlocks", "ipv6CidrBlocks"), "prefixListIds", "sourceSecurityGroupId")


def _rule(resource: Resource, rule: View, fields: tuple[str, ...], lists: str, groups: str) -> GroupRule:
    protocol = "ipProtocol" if resource.kind in (INGRESS_RULE, EGRESS_RULE) else "protocol"
    networks = tuple(item for field in fields for item in _named(rule, field))
    tcp = rule.at(protocol).text().lower() in _TCP
    ports = _ports(rule, protocol)
    return GroupRule(resource, rule.path, networks, _named(rule, lists), _named(rule, groups), ports, tcp)


def _named(rule: View, field: str) -> tuple[View, ...]:
    return tuple(item for item in rule.at(field).items() if not item.known or not item.absent)


def _ports(rule: View, protocol: str) -> tuple[int, int]:
    """Return the ports; protocols without ports, and -1, admit all."""
    if rule.at(protocol).text().lower() not in ("tcp", "udp", "6", "17"):
        return _ALL_PORTS
    first, last = (rule.at(field).value for field in ("fromPort", "toPort"))
    if first in (None, -1) or last in (None, -1):
        return _ALL_PORTS
    return int(first), int(last)


def admitted_networks(rule: GroupRule, graph: Graph) -> Iterator[EntryPoint]:
    """Return the networks of a rule as entry points."""
    for network in rule.networks:
        reach = reach_of_network(network.text())
        yield EntryPoint("security-group-rule", rule.resource, rule.label, reach, network.text(), "", network.path)
    for prefix_list in rule.prefix_lists:
        reach, why = _prefix_list(prefix_list, graph)
        yield EntryPoint("security-group-rule", rule.resource, rule.label, reach, why, "", prefix_list.path)


def reach_of_network(text: str) -> Reach:
    """Return whether a network is inside the VPC and the networks linked with it, by its private addresses."""
    network = ip_network(text, strict=False)
    named = network.is_private and network.prefixlen >= MINIMUM_PREFIX[network.version]
    return Reach.VPC if named else Reach.INTERNET


def _prefix_list(prefix_list: View, graph: Graph) -> tuple[Reach, str]:
    """Return the reach of a prefix list; one of which the stack does not have the entries can have any."""
    if not prefix_list.known:
        raise NotKnownError(prefix_list.path)
    found = graph.memo("prefix lists", _prefix_lists).get(prefix_list.raw)
    if found is None:
        return Reach.INTERNET, f"prefix list {prefix_list.text()}, whose entries are not in this stack"
    single = graph.referrers(found, _PREFIX_LIST_ENTRY, "prefixListId", ID_KEYS)
    cidrs = [entry.at("cidr") for entry in found.at("entries").items()] + [entry.at("cidr") for entry in single]
    reach = max((reach_of_network(cidr.text()) for cidr in cidrs), default=Reach.VPC)
    return reach, f"prefix list {found.name}"


def _prefix_lists(graph: Graph) -> dict[object, Resource]:
    return {found.at("id").raw: found for found in graph.of(_PREFIX_LIST) if found.at("id").known}
