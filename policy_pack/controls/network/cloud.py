"""Network segmentation in AWS: security groups, public addresses, routes, VPC endpoints, and the EKS endpoint."""

from ipaddress import ip_network

from policy_pack.controls.rules import context_check, join_check, resource_check
from policy_pack.facts.iam.documents import statements
from policy_pack.facts.iam.scope import is_unrestricted
from policy_pack.facts.network.policies import is_any_address
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    expect,
    guarded,
    is_empty,
    is_not_true,
    is_set,
    not_yet_known,
    violation,
)
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import EC2_INSTANCE, EKS, ID_KEYS, LAUNCH_TEMPLATE, LOAD_BALANCERS, VPC
from policy_pack.stack.values import View

_GROUPS = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
_GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_SUBNET, _TABLE, _ROUTE = "aws:ec2/subnet:Subnet", "aws:ec2/routeTable:RouteTable", "aws:ec2/route:Route"
_ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
_INTERNET_GATEWAY = "aws:ec2/internetGateway:InternetGateway"
_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
_REQUIRED_SERVICES = ("s3", "kms", "sts", "ecr.api", "ecr.dkr", "logs", "secretsmanager")
_WEB_ACL_ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"
_REMOTE_SHELLS = (22, 3389)
_MINIMUM_PREFIX = 8


@context_check("SEG-05", *_GROUPS)
def security_groups_refuse_the_internet(group: Resource, context: StackContext) -> Findings:
    """Refuse ingress from the internet, except on port 443 of the public load balancer, and all SSH and RDP."""
    public = context.label(group, "public-alb") == "true"
    for rule in group.at("ingress").items():
        yield from guarded(_ingress(rule, ("cidrBlocks", "ipv6CidrBlocks"), public), rule.path)


@context_check("SEG-05", _GROUP_RULE, _INGRESS_RULE)
def security_group_rules_refuse_the_internet(rule: Resource, context: StackContext) -> Findings:
    """Refuse the same in security group rules that are resources of their own."""
    public = context.label(rule, "public-alb") == "true"
    if rule.kind == _INGRESS_RULE:
        yield from _ingress(View(rule.props), ("cidrIpv4", "cidrIpv6"), public, protocol="ipProtocol")
    elif rule.at("type").text() == "ingress":
        yield from _ingress(View(rule.props), ("cidrBlocks", "ipv6CidrBlocks"), public)


def _ingress(rule: View, fields: tuple[str, ...], public: bool, protocol: str = "protocol") -> Findings:
    all_protocols = rule.at(protocol).text() in ("-1", "all")
    first = 0 if all_protocols else int(rule.at("fromPort").value or 0)
    last = 65535 if all_protocols else int(rule.at("toPort").value or 65535)
    networks = [item for field in fields for item in rule.at(field).items()]
    for port in _REMOTE_SHELLS:
        if networks and first <= port <= last:
            yield violation(f"allows ingress on port {port}; use SSM Session Manager", rule.path)
    for network in networks:
        if is_any_address(network.text()) and not (public and first == last == 443):
            yield violation(f"allows ingress from {network.text()}", network.path)


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


@resource_check("SEG-07", _SUBNET, EC2_INSTANCE, LAUNCH_TEMPLATE, "aws:ec2/launchConfiguration:LaunchConfiguration")
def nothing_has_a_public_address(resource: Resource) -> Findings:
    """Refuse public addresses by default."""
    for field in ("mapPublicIpOnLaunch", "associatePublicIpAddress"):
        yield from expect(resource.at(field), is_not_true, f"{field} is true")
    for interface in resource.at("networkInterfaces").items():
        yield from expect(interface.at("associatePublicIpAddress"), is_not_true, "associates a public IP address")


@resource_check("SEG-07", "aws:ec2/eip:Eip")
def instances_have_no_elastic_ip(address: Resource) -> Findings:
    """Refuse elastic IP addresses of instances; NAT gateways may have one."""
    yield from expect(address.at("instance"), is_empty, "gives an instance an elastic IP address")


@join_check("SEG-08", _TABLE, _ROUTE)
def private_subnets_have_no_internet_route(resource: Resource, context: StackContext) -> Findings:
    """Refuse a default route to an internet gateway, except for subnets tagged tier: public."""
    routes = resource.at("routes").items() if resource.kind == _TABLE else [View(resource.props)]
    table = resource if resource.kind == _TABLE else context.graph.target(resource, "routeTableId", (_TABLE,), ID_KEYS)
    for route in routes:
        yield from guarded(_route(resource, route, table, context), route.path)


def _route(resource: Resource, route: View, table: Resource | None, context: StackContext) -> Findings:
    field = "routes" if resource.kind == _TABLE else "gatewayId"
    by_gateway = any(
        context.graph.get(u) in context.graph.of(_INTERNET_GATEWAY) for u in resource.depends.get(field, ())
    )
    gateway = route.at("gatewayId")
    to_internet = gateway.text().startswith("igw-") if gateway.known else by_gateway
    destinations = {
        route.at(f).text() for f in ("cidrBlock", "destinationCidrBlock", "ipv6CidrBlock", "destinationIpv6CidrBlock")
    }
    if not (to_internet or (by_gateway and not gateway.absent)) or not destinations & {"0.0.0.0/0", "::/0"}:
        return
    if table is None and not resource.at("routeTableId").known:
        yield not_yet_known("routeTableId")
        return
    subnets = _subnets(table, context) if table else []
    if not subnets or any(context.label(subnet, "tier") != "public" for subnet in subnets):
        yield violation("routes subnets that are not tagged tier: public to an internet gateway", route.path)


def _subnets(table: Resource, context: StackContext) -> list[Resource]:
    associations = context.attached(table, _ASSOCIATION, "routeTableId", ID_KEYS)
    subnets = [context.graph.target(tie, "subnetId", (_SUBNET,), ID_KEYS) for tie in associations]
    return [subnet for subnet in subnets if subnet]


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
    yield from expect(networks, is_set, "the API server is public")
    for network in networks.items():
        yield from expect(network, _is_limited, "the API server is public for a network larger than /8")


def _is_limited(network: str) -> bool:
    return ip_network(network, strict=False).prefixlen >= _MINIMUM_PREFIX
