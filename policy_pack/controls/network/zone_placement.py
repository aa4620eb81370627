"""Availability zones: what the network's subnets are for is in each zone that the network has."""

from collections.abc import Iterator

from policy_pack.controls.rules import join_check
from policy_pack.stack.checks import Findings, StackContext, not_yet_known, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import EKS, NODE_GROUP, SUBNET
from policy_pack.stack.text import known_text
from policy_pack.stack.values import NotKnownError

# Where each kind names its subnets.
_SUBNETS = {
    "aws:ec2/vpcEndpoint:VpcEndpoint": "subnetIds",
    "aws:rds/subnetGroup:SubnetGroup": "subnetIds",
    "aws:msk/cluster:Cluster": "brokerNodeGroupInfo.clientSubnets",
    EKS: "vpcConfig.subnetIds",
    NODE_GROUP: "subnetIds",
}


@join_check("BCP-04", *_SUBNETS)
def every_zone_has_one(resource: Resource, context: StackContext) -> Findings:
    """Require a subnet in each availability zone of its network: what is in one zone less is lost with another one."""
    path = _SUBNETS[resource.kind]
    try:
        subnets = list(_subnets(resource, path, context.graph))
    except NotKnownError:
        yield not_yet_known(path)
        return
    networks = {known_text(subnet.at("vpcId")) for subnet in subnets}
    has = {known_text(subnet.at("availabilityZone")) for subnet in subnets}
    missing = {zone for network in networks for zone in _zones(context.graph).get(network, ())} - has
    if missing:
        yield violation(f"has no subnet in {' and '.join(sorted(missing))}, where its network has some", path)


def _subnets(resource: Resource, path: str, graph: Graph) -> Iterator[Resource]:
    """Return the subnets of the stack that a resource names: by their ids, or where none is told, by URN."""
    by_id: dict[str, Resource] = graph.memo("subnets by id", _by_id)
    named = resource.at(path).items()
    if all(known_text(item) in by_id for item in named):
        yield from (by_id[item.text()] for item in named)
        return
    depends = resource.depends.get(path.partition(".")[0], ())
    found = [one for urn in depends if (one := graph.get(urn)) is not None and one.kind == SUBNET]
    if not found and not all(item.known for item in named):
        raise NotKnownError(path)
    yield from found


def _by_id(graph: Graph) -> dict[str, Resource]:
    return {name: subnet for subnet in graph.of(SUBNET) if (name := known_text(subnet.at("id")))}


def _zones(graph: Graph) -> dict[str, set[str]]:
    """Return the availability zones in which each network has subnets."""

    def compute(graph: Graph) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for subnet in graph.of(SUBNET):
            if zone := known_text(subnet.at("availabilityZone")):
                found.setdefault(known_text(subnet.at("vpcId")), set()).add(zone)
        return found

    zones: dict[str, set[str]] = graph.memo("availability zones of networks", compute)
    return zones
