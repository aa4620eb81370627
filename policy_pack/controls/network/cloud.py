"""Network segmentation in AWS: security groups, public addresses, routes, VPC endpoints, and the EKS endpoint."""

from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from policy_pack.controls.network.entry_points import found_public
from policy_pack.controls.rules import context_check, join_check, resource_check
from policy_pack.facts.exposure.aws_services import aws_services
from policy_pack.facts.exposure.entry_points import compared
from policy_pack.facts.exposure.internet_routes import (
    ASSOCIATION,
    ROUTE,
    TABLES,
    exposed_by,
    internet_routes,
    strange_ends,
    unknown_targets,
)
from policy_pack.facts.exposure.security_groups import (
    GROUP_RULE,
    GROUPS,
    INGRESS_RULE,
    MINIMUM_PREFIX,
    admitted_networks,
    ingress_rules,
)
from policy_pack.facts.iam.documents import statements
from policy_pack.facts.iam.scope import is_unrestricted
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    expect,
    guarded,
    is_empty,
    is_set,
    is_true,
    not_yet_known,
    violation,
)
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import EKS, ID_KEYS, LOAD_BALANCERS, VPC

_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
_REQUIRED_SERVICES = ("s3", "kms", "sts", "ecr.api", "ecr.dkr", "logs", "secretsmanager")
_WEB_ACL_ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"
_REMOTE_SHELLS = (22, 3389)


@context_check("SEG-05", *GROUPS, GROUP_RULE, INGRESS_RULE)
def security_groups_refuse_the_internet(resource: Resource, context: StackContext) -> Findings:
    """Refuse ingress from networks outside the VPC and those linked with it, and all SSH and RDP of networks."""
    for rule in ingress_rules(resource):
        for port in _REMOTE_SHELLS:
            if (rule.networks or rule.prefix_lists) and rule.admits(port):
                yield violation(f"allows ingress on port {port}; use SSM Session Manager", rule.path)
        for entry in admitted_networks(rule, context.graph):
            yield from compared(entry, "SEG-05")


@join_check("SEG-05", *LOAD_BALANCERS)
def load_balancers_have_web_acls(load_balancer: Resource, context: StackContext) -> Findings:
    """Require a web ACL for application load balancers; network and gateway load balancers do not read requests."""
    if load_balancer.at("loadBalancerType").text() in ("network", "gateway"):
        return
    if not context.attached(load_balancer, _WEB_ACL_ASSOCIATION, "resourceArn", ("arn", "id")):
        yield violation("has no web ACL (WebAclAssociation)")


@join_check("SEG-06", VPC)
def default_security_groups_are_empty(vpc: Resource, context: StackContext) -> Findings:
    """Require the default security group of every VPC, without rules."""
    groups = context.attached(vpc, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "vpcId", ID_KEYS)
    if not groups:
        yield violation("does not manage its default security group")
    for group in groups:
        for field in ("ingress", "egress"):
            yield from guarded(expect(group.at(field), is_empty, f"has {field} rules"), resource=group)


@resource_check("SEG-07", *aws_services())
def nothing_has_a_public_address(resource: Resource) -> Findings:
    """Refuse public addresses of instances, tasks, databases, and of everything in a subnet."""
    yield from found_public(resource, "SEG-07")


@join_check("SEG-08", *TABLES, ROUTE)
def only_nat_gateways_have_internet_routes(resource: Resource, context: StackContext) -> Findings:
    """Refuse a route to an internet gateway from a subnet with anything but NAT gateways in it."""
    for route in internet_routes(resource, context.graph):
        exposed = ", ".join(exposed_by(route, context))
        if exposed:
            yield violation(f"routes the internet to {exposed}; keep only NAT gateways in such a subnet", route.path)


@resource_check("SEG-08", *TABLES, ROUTE)
def the_internet_is_behind_gateways(resource: Resource) -> Findings:
    """Refuse routes of all addresses to anything but a NAT gateway or an internet gateway."""
    for route in unknown_targets(resource):
        yield violation("leads all addresses to something other than a NAT gateway", route.path)


@join_check("SEG-08", ASSOCIATION)
def subnets_have_their_route_table(association: Resource, context: StackContext) -> Findings:
    """Refuse associations of subnets or route tables that the stack does not have."""
    for path in strange_ends(association, context.graph):
        yield violation("names something that the stack does not have", path)


@join_check("SEG-09", VPC)
def vpcs_have_endpoints(vpc: Resource, context: StackContext) -> Findings:
    """Require a VPC endpoint for each service that pods and nodes use."""
    names = [endpoint.at("serviceName").text() for endpoint in context.attached(vpc, _ENDPOINT, "vpcId", ID_KEYS)]
    all_known = not context.graph.unresolved(_ENDPOINT, "vpcId")
    for service in _REQUIRED_SERVICES:
        if not any(name.endswith(f".{service}") for name in names):
            yield (
                violation(f"has no VPC endpoint for {service}")
                if all_known
                else not_yet_known(f"VPC endpoint for {service}")
            )


@resource_check("SEG-09", _ENDPOINT)
def endpoints_have_the_name_of_the_service(endpoint: Resource) -> Findings:
    """Require private DNS, subnets and a group of interface endpoints, so that clients reach AWS by them."""
    if endpoint.at("vpcEndpointType").text() == "Interface":
        yield from expect(
            endpoint.at("privateDnsEnabled"),
            is_true,
            "has no private DNS, so clients use the service's public addresses",
        )
        message = "has no security group of its own, so it has the default one of the network"
        yield from expect(endpoint.at("securityGroupIds"), is_set, message)
        yield from expect(endpoint.at("subnetIds"), is_set, "is in no subnet, so nothing reaches it")


@resource_check("SEG-09", _ENDPOINT)
def endpoints_have_policies(endpoint: Resource) -> Findings:
    """Require an endpoint policy other than the default one, which allows full access."""
    document = endpoint.at("policy")
    if document.absent:
        yield violation("has the default endpoint policy, which allows full access", document.path)
        return
    if any(is_unrestricted(statement) for statement in statements(document)):
        yield violation("its endpoint policy allows full access", document.path)


@resource_check("SEG-10", EKS)
def the_api_is_private(cluster: Resource) -> Findings:
    """Require a private endpoint of the Kubernetes API server, or public access from named networks only."""
    access = cluster.at("vpcConfig.endpointPublicAccess")
    if access.value is False:
        return
    networks = cluster.at("vpcConfig.publicAccessCidrs")
    yield from expect(networks, _are_limited, "the API server is public, for more than a few named networks")


def _are_limited(texts: list[str] | None) -> bool:
    """Return whether there are networks, and these, taken together, contain none larger than a named network."""
    networks = [ip_network(text, strict=False) for text in texts or ()]
    first = list(collapse_addresses(network for network in networks if isinstance(network, IPv4Network)))
    second = list(collapse_addresses(network for network in networks if isinstance(network, IPv6Network)))
    small = all(network.prefixlen >= MINIMUM_PREFIX[4] for network in first)
    return bool(networks) and small and all(network.prefixlen >= MINIMUM_PREFIX[6] for network in second)
