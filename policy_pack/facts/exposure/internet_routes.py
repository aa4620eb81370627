"""Routes between subnets and the internet, and what is in the subnets that have one.

A subnet with a route to an internet gateway lets everything in it with a public address be reached from the internet.
Only NAT gateways may be there: they let connections out and none in.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ID_KEYS, SUBNET
from policy_pack.stack.values import UNKNOWN, NotKnownError, View

TABLES = ("aws:ec2/routeTable:RouteTable", "aws:ec2/defaultRouteTable:DefaultRouteTable")
ROUTE = "aws:ec2/route:Route"
_DESTINATIONS = ("cidrBlock", "ipv6CidrBlock", "destinationCidrBlock", "destinationIpv6CidrBlock")
_INTERNET_GATEWAY = "aws:ec2/internetGateway:InternetGateway"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
_MAIN_ASSOCIATION = "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation"
# They may refer to a subnet with a route to the internet.
_HARMLESS = frozenset(
    {
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/networkAcl:NetworkAcl",
        "aws:ec2/networkAclAssociation:NetworkAclAssociation",
        ASSOCIATION,
        SUBNET,
    }
)


@dataclass(frozen=True)
class InternetRoute:
    """A route to an internet gateway, where it is declared, and its route table; None where it is not in the stack."""

    resource: Resource
    path: str
    table: Resource | None


def internet_routes(resource: Resource, graph: Graph) -> Iterator[InternetRoute]:
    """Return the routes to an internet gateway that a route table or a route declares."""
    is_table = resource.kind in TABLES
    table = resource if is_table else graph.target(resource, "routeTableId", TABLES, ID_KEYS)
    if not is_table and table is None and not resource.at("routeTableId").known:
        raise NotKnownError("routeTableId")
    for route in resource.at("routes").items() if is_table else [View(resource.props)]:
        if _leads_to_internet(resource, route, "routes" if is_table else "gatewayId", graph):
            yield InternetRoute(resource, route.path, table)


def _leads_to_internet(resource: Resource, route: View, field: str, graph: Graph) -> bool:
    gateway = route.at("gatewayId")
    if gateway.known:
        return gateway.text().startswith("igw-")
    if not resource.depends.get(field):
        raise NotKnownError(gateway.path)
    return any(found.kind == _INTERNET_GATEWAY for urn in resource.depends[field] if (found := graph.get(urn)))


def unknown_targets(resource: Resource) -> Iterator[View]:
    """Return the routes of all addresses that lead neither to a NAT gateway nor to an internet gateway."""
    for route in resource.at("routes").items() if resource.kind in TABLES else [View(resource.props)]:
        networks = [route.at(path) for path in _DESTINATIONS]
        everything = any(one.known and one.text().endswith("/0") for one in networks)
        gateways = [route.at(path) for path in ("natGatewayId", "gatewayId")]
        if everything and all(gateway.known and gateway.absent for gateway in gateways):
            yield route


def strange_ends(association: Resource, graph: Graph) -> Iterator[str]:
    """Return the properties of an association that name no subnet or route table of the stack."""
    for path, kinds in (("subnetId", (SUBNET,)), ("routeTableId", TABLES)):
        named = association.at(path)
        if named.known and not named.absent and graph.target(association, path, kinds, ID_KEYS) is None:
            yield path


def exposed_by(route: InternetRoute, context: StackContext) -> Iterator[str]:
    """Yield what a route exposes: subnets that are not known, and what is in the others."""
    if route.table is None:
        yield "a route table that is not in this stack"
        return
    subnets = list(_subnets(route.table, context))
    if not subnets:
        yield f"the subnets of {route.table.name}, which are not in this stack"
    contents: dict[str, list[Resource]] = context.graph.memo("contents of subnets", _contents)
    for subnet in subnets:
        yield from (f"{found.name} in subnet {subnet.name}" for found in contents.get(subnet.urn, ()))


def _subnets(table: Resource, context: StackContext) -> Iterator[Resource]:
    """Return the subnets of a route table; the main table of a VPC has all that no other table has."""
    others = [kind for kind in TABLES if kind != table.kind]
    ties = context.attached(table, ASSOCIATION, "routeTableId", ID_KEYS, *others)
    for tie in ties:
        subnet = context.graph.target(tie, "subnetId", (SUBNET,), ID_KEYS)
        if subnet is not None:
            yield subnet
    is_main = table.kind == TABLES[1] or context.graph.referrers(table, _MAIN_ASSOCIATION, "routeTableId", ID_KEYS)
    if is_main:
        tied = {
            found.urn
            for tie in context.graph.of(ASSOCIATION)
            if (found := context.graph.target(tie, "subnetId", (SUBNET,), ID_KEYS))
        }
        yield from (subnet for subnet in context.graph.of(SUBNET) if subnet.urn not in tied)


def _contents(graph: Graph) -> dict[str, list[Resource]]:
    """Return the resources that refer to each subnet, by the subnet's URN, other than what cannot be reached."""
    subnets = graph.of(SUBNET)
    by_id = {subnet.at("id").raw: subnet.urn for subnet in subnets if isinstance(subnet.at("id").raw, str)}
    urns = {subnet.urn for subnet in subnets}
    found: dict[str, list[Resource]] = defaultdict(list)
    for resource in graph.of_package("aws"):
        if resource.kind in _HARMLESS:
            continue
        used = {urn for depends in resource.depends.values() for urn in depends} & urns
        values = (value for _, value in resource.leaves if value is not UNKNOWN and isinstance(value, str))
        used |= {by_id[value] for value in values if value in by_id}
        for urn in used:
            found[urn].append(resource)
    return found
