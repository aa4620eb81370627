"""Security groups: what their rules lead to, and the groups that they name."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import chain

from policy_pack.controls.rules import context_check, join_check
from policy_pack.facts.exposure.security_groups import (
    EGRESS_RULE,
    GROUP_RULE,
    GROUPS,
    INGRESS_RULE,
    GroupRule,
    egress_rules,
    ingress_rules,
    reach_of_network,
)
from policy_pack.facts.exposure.table import Reach
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import DATABASES, EKS, ID_KEYS
from policy_pack.stack.values import UNKNOWN, NotKnownError

_HTTPS = 443
_GROUP_FIELDS = {
    GROUP_RULE: "sourceSecurityGroupId",
    INGRESS_RULE: "referencedSecurityGroupId",
    EGRESS_RULE: "referencedSecurityGroupId",
}
# What a rule is in AWS, beside its description; the group first.
_CONTENT = (
    "securityGroupId",
    "ipProtocol",
    "fromPort",
    "toPort",
    "cidrIpv4",
    "cidrIpv6",
    "prefixListId",
    "referencedSecurityGroupId",
)
_REMOTE_SHELLS = (22, 3389)
_CLUSTER_GROUP = "vpcConfig.clusterSecurityGroupId"
# What only answers connections: kinds, and where each names its security groups.
_SERVERS = {
    **dict.fromkeys(DATABASES, "vpcSecurityGroupIds"),
    "aws:msk/cluster:Cluster": "brokerNodeGroupInfo.securityGroups",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "securityGroupIds",
    EKS: "vpcConfig.securityGroupIds",
}


@context_check("SEG-05", *GROUPS, GROUP_RULE, EGRESS_RULE)
def egress_is_of_one_port(resource: Resource, _: StackContext) -> Findings:
    """Refuse egress to networks by more than one port of TCP or by remote shells, and to the internet but by HTTPS."""
    for rule in egress_rules(resource):
        if not rule.networks and not rule.prefix_lists:
            continue
        if not rule.single or rule.ports[0] in _REMOTE_SHELLS:
            yield violation("allows egress to a network by more than one port of TCP, or to a remote shell", rule.path)
            continue
        outside = rule.prefix_lists or [one for one in rule.networks if reach_of_network(one.text()) == Reach.INTERNET]
        if outside and rule.ports[0] != _HTTPS:
            yield violation(f"allows egress to the internet on port {rule.ports[0]}; allow HTTPS only", rule.path)


@join_check("SEG-05", *GROUPS, GROUP_RULE, INGRESS_RULE)
def ingress_is_from_linked_networks(resource: Resource, context: StackContext) -> Findings:
    """Refuse ingress from private IPv4 networks that the stack's configuration does not link with the VPC."""
    linked = [IPv4Network(text) for text in context.addresses.linked()] if context.addresses else []
    for network in (one for rule in ingress_rules(resource) if linked for one in rule.networks):
        if reach_of_network(network.text()) != Reach.INTERNET and not _is_within(network.text(), linked):
            message = f"allows ingress from {network.text()}, which is neither the VPC nor linked with it"
            yield violation(message, network.path)


def _is_within(text: str, networks: Iterable[IPv4Network]) -> bool:
    """Return whether a network is a part of one of some networks; the configuration has none of IPv6."""
    inner = ip_network(text, strict=False)
    return isinstance(inner, IPv6Network) or any(inner.subnet_of(outer) for outer in networks)


@join_check("SEG-05", *GROUPS, GROUP_RULE, EGRESS_RULE)
def servers_connect_to_no_network(resource: Resource, context: StackContext) -> Findings:
    """Refuse egress to networks from groups of databases, brokers, VPC endpoints and the API server."""
    rules = [rule for rule in egress_rules(resource) if rule.networks or rule.prefix_lists]
    if not rules:
        return
    group = resource if resource.kind in GROUPS else context.graph.target(resource, "securityGroupId", GROUPS, ID_KEYS)
    servers: dict[str, str] = context.graph.memo("servers of security groups", _servers)
    if group and group.urn in servers:
        message = f"allows egress to a network from {servers[group.urn]}, which only answers connections"
        yield violation(message, rules[0].path)


def _servers(graph: Graph) -> dict[str, str]:
    """Return the name of a server of each security group that one has."""
    groups = graph.of(*GROUPS)
    by_id = {group.at("id").raw: group.urn for group in groups if isinstance(group.at("id").raw, str)}
    urns = {group.urn for group in groups}
    found: dict[str, str] = {}
    for kind, path in _SERVERS.items():
        for server in graph.of(kind):
            named = server.at(path)
            texts = {item.raw for item in named.items() if item.known} if named.known else set()
            depends = urns & set(server.depends.get(path.partition(".")[0], ()))
            for urn in chain(depends, (by_id[text] for text in texts if text in by_id)):
                found.setdefault(urn, server.name)
    return found


@join_check("SEG-05", *GROUPS, GROUP_RULE, INGRESS_RULE, EGRESS_RULE)
def rules_name_groups_of_the_stack(resource: Resource, context: StackContext) -> Findings:
    """Refuse rules of groups that the stack does not have, and several ports between different groups."""
    if resource.kind not in GROUPS and _is_stranger(resource, "securityGroupId", context.graph):
        yield violation("is a rule of a security group that the stack does not have", "securityGroupId")
    for rule in (*ingress_rules(resource), *egress_rules(resource)):
        if not rule.groups:
            continue
        field = _GROUP_FIELDS.get(resource.kind, rule.path.partition("[")[0])
        if _is_stranger(resource, field, context.graph):
            yield violation("names a security group that the stack does not have", rule.path or field)
        if not rule.single and not _is_own(rule, field, context.graph):
            yield violation("allows more than one port of TCP between security groups", rule.path)


@join_check("SEG-05", EGRESS_RULE, INGRESS_RULE)
def rules_are_not_there_twice(resource: Resource, context: StackContext) -> Findings:
    """Refuse a rule that the group has by another resource: AWS refuses it, and what it was for is missing."""
    alike: dict[tuple[str, ...], list[str]] = context.graph.memo("rules of groups by content", _by_content)
    others = [name for name in alike.get(_content(resource), ()) if name != resource.name]
    if others:
        yield violation(f"is the same as {others[0]}, which AWS refuses; one of them has the other's network or port")


def _by_content(graph: Graph) -> dict[tuple[str, ...], list[str]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for rule in graph.of(EGRESS_RULE, INGRESS_RULE):
        if content := _content(rule):
            found.setdefault(content, []).append(rule.name)
    return found


def _content(rule: Resource) -> tuple[str, ...]:
    """Return what a rule is in AWS; empty where a part is not known, or it is of no group."""
    values = [rule.at(field).raw for field in _CONTENT]
    if values[0] in (None, "") or any(value is UNKNOWN for value in values):
        return ()
    return (rule.kind, *map(str, values))


def _is_stranger(resource: Resource, field: str, graph: Graph) -> bool:
    """Return whether a property names a group by a text that is of no group of the stack."""
    if resource.depends.get(field) or resource.at(field).absent:
        return False
    if resource.kind in GROUPS:
        ids = {graph_id for one in graph.of(*GROUPS) if isinstance(graph_id := one.at("id").raw, str)}
        named = [group for rule in resource.at(field).items() for group in rule.at("securityGroups").items()]
        return any(group.value not in ids for group in named)
    if not resource.at(field).known:
        raise NotKnownError(field)
    return graph.target(resource, field, (*GROUPS, EKS), ("id", _CLUSTER_GROUP)) is None


def _is_own(rule: GroupRule, field: str, graph: Graph) -> bool:
    """Return whether a rule is of connections inside one group."""
    resource = rule.resource
    if resource.kind in GROUPS:
        return False
    own, other = (graph.target(resource, path, GROUPS, ID_KEYS) for path in ("securityGroupId", field))
    return own is not None and own is other
