"""Segmentation of the cloud's network: groups, subnets, routes, endpoints, and the cluster's API."""

from ipaddress import ip_network

from policy_pack.controls.rules import on, on_join, on_set
from policy_pack.facts.iam.statements import statements
from policy_pack.stack.checks import About, Findings, empty, expect, fault, given, guarded, later, not_yes
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BALANCERS, EKS, ID_KEYS, INSTANCE, TEMPLATE, VPC
from policy_pack.stack.values import View

_GROUPS = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
_GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
_INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_SUBNET, _TABLE, _ROUTE = "aws:ec2/subnet:Subnet", "aws:ec2/routeTable:RouteTable", "aws:ec2/route:Route"
_ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
_INTERNET_GATEWAY = "aws:ec2/internetGateway:InternetGateway"
_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
_NEEDED = ("s3", "kms", "sts", "ecr.api", "ecr.dkr", "logs", "secretsmanager")
_FIREWALLED = "aws:wafv2/webAclAssociation:WebAclAssociation"
_REMOTE = (22, 3389)
_LEAST_PREFIX = 8


@on_set("SEG-05", *_GROUPS)
def groups_admit_no_internet(group: Resource, about: About) -> Findings:
    """Refuse the internet but on 443 of the public balancer, and remote shells from anywhere."""
    public = about.label(group, "public-alb") == "true"
    for rule in group.at("ingress").items():
        yield from guarded(_ingress(rule, ("cidrBlocks", "ipv6CidrBlocks"), public), rule.path)


@on_set("SEG-05", _GROUP_RULE, _INGRESS_RULE)
def rules_admit_no_internet(rule: Resource, about: About) -> Findings:
    """Refuse the same in rules that are resources of their own."""
    public = about.label(rule, "public-alb") == "true"
    if rule.kind == _INGRESS_RULE:
        yield from _ingress(View(rule.props), ("cidrIpv4", "cidrIpv6"), public, protocol="ipProtocol")
    elif rule.at("type").text() == "ingress":
        yield from _ingress(View(rule.props), ("cidrBlocks", "ipv6CidrBlocks"), public)


def _ingress(rule: View, fields: tuple[str, ...], public: bool, protocol: str = "protocol") -> Findings:
    every = rule.at(protocol).text() in ("-1", "all")
    least = 0 if every else int(rule.at("fromPort").value or 0)
    most = 65535 if every else int(rule.at("toPort").value or 65535)
    networks = [item for field in fields for item in rule.at(field).items()]
    for shell in _REMOTE:
        if networks and least <= shell <= most:
            yield fault(f"admits port {shell}; administer through sessions of SSM", rule.path)
    for network in networks:
        wide = ip_network(network.text(), strict=False).prefixlen == 0
        if wide and not (public and least == most == 443):
            yield fault(f"admits {network.text()}", network.path)


@on_join("SEG-05", *BALANCERS)
def balancers_stand_behind_a_firewall(balancer: Resource, about: About) -> Findings:
    """Ask application balancers for a web firewall; the others do not read requests, so none can stand before them."""
    if balancer.at("loadBalancerType").text() in ("network", "gateway"):
        return
    if not about.attached(balancer, _FIREWALLED, "resourceArn", ("arn", "id")):
        yield fault("has no web firewall before it (WebAclAssociation)")


@on_join("SEG-06", VPC)
def default_groups_are_empty(vpc: Resource, about: About) -> Findings:
    """Ask for the default group of every VPC, without rules."""
    found = about.attached(vpc, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "vpcId", ID_KEYS)
    if not found:
        yield fault("leaves its default security group as it is")
    for group in found:
        for field in ("ingress", "egress"):
            yield from guarded(expect(group.at(field), empty, f"has {field} rules"), resource=group)


@on("SEG-07", _SUBNET, INSTANCE, TEMPLATE, "aws:ec2/launchConfiguration:LaunchConfiguration")
def nothing_gets_a_public_address(resource: Resource) -> Findings:
    """Refuse public addresses by default."""
    for field in ("mapPublicIpOnLaunch", "associatePublicIpAddress"):
        yield from expect(resource.at(field), not_yes, f"{field} is true")
    for interface in resource.at("networkInterfaces").items():
        yield from expect(interface.at("associatePublicIpAddress"), not_yes, "associates a public address")


@on("SEG-07", "aws:ec2/eip:Eip")
def no_address_is_public(address: Resource) -> Findings:
    """Refuse public addresses on instances; NAT gateways may have one."""
    yield from expect(address.at("instance"), empty, "gives an instance a public address")


@on_join("SEG-08", _TABLE, _ROUTE)
def private_subnets_have_no_way_out(resource: Resource, about: About) -> Findings:
    """Refuse a default route to an internet gateway but for subnets tagged tier: public."""
    routes = resource.at("routes").items() if resource.kind == _TABLE else [View(resource.props)]
    table = resource if resource.kind == _TABLE else about.graph.target(resource, "routeTableId", (_TABLE,), ID_KEYS)
    for route in routes:
        yield from guarded(_route(resource, route, table, about), route.path)


def _route(resource: Resource, route: View, table: Resource | None, about: About) -> Findings:
    field = "routes" if resource.kind == _TABLE else "gatewayId"
    by_gateway = any(about.graph.get(u) in about.graph.of(_INTERNET_GATEWAY) for u in resource.depends.get(field, ()))
    gateway = route.at("gatewayId")
    outward = gateway.text().startswith("igw-") if gateway.known else by_gateway
    wide = {
        route.at(f).text() for f in ("cidrBlock", "destinationCidrBlock", "ipv6CidrBlock", "destinationIpv6CidrBlock")
    }
    if not (outward or (by_gateway and not gateway.absent)) or not wide & {"0.0.0.0/0", "::/0"}:
        return
    if table is None and not resource.at("routeTableId").known:
        yield later("routeTableId")
        return
    subnets = _subnets(table, about) if table else []
    if not subnets or any(about.label(subnet, "tier") != "public" for subnet in subnets):
        yield fault("gives subnets that are not tagged tier: public a way to the internet", route.path)


def _subnets(table: Resource, about: About) -> list[Resource]:
    ties = about.attached(table, _ASSOCIATION, "routeTableId", ID_KEYS)
    found = [about.graph.target(tie, "subnetId", (_SUBNET,), ID_KEYS) for tie in ties]
    return [subnet for subnet in found if subnet]


@on_join("SEG-09", VPC)
def services_are_reached_inside(vpc: Resource, about: About) -> Findings:
    """Ask for an endpoint of each service that pods and nodes call."""
    names = [endpoint.at("serviceName").text() for endpoint in about.attached(vpc, _ENDPOINT, "vpcId", ID_KEYS)]
    traced = not about.graph.unresolved(_ENDPOINT, "vpcId")
    for service in _NEEDED:
        if not any(name.endswith(f".{service}") for name in names):
            yield fault(f"has no endpoint for {service}") if traced else later(f"endpoint for {service}")


@on("SEG-09", _ENDPOINT)
def endpoints_have_policies(endpoint: Resource) -> Findings:
    """Ask for a policy other than Amazon's, which allows everything."""
    document = endpoint.at("policy")
    if document.absent:
        yield fault("has the default policy, which allows everything", document.path)
        return
    for statement in statements(document):
        unbound = statement.anybody and statement.everything and not statement.conditions
        if statement.allows and unbound:
            yield fault("its policy allows everything to everybody", document.path)


@on("SEG-10", EKS)
def the_api_is_private(cluster: Resource) -> Findings:
    """Ask that the API server is not on the internet, or for named networks only."""
    access = cluster.at("vpcConfig.endpointPublicAccess")
    if access.value is False:
        return
    networks = cluster.at("vpcConfig.publicAccessCidrs")
    yield from expect(networks, given, "the API server is on the internet")
    for network in networks.items():
        yield from expect(network, _small, "the API server is open to almost everybody")


def _small(network: str) -> bool:
    return ip_network(network, strict=False).prefixlen >= _LEAST_PREFIX
