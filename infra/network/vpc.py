"""VPC of an EKS cluster: private subnets for nodes and databases, VPC endpoints for AWS services, VPC peering.

NAT gateways are an option: without them, nodes reach VPC endpoints and peered networks only. With them, public subnets
hold the gateways and alone route to the internet gateway. Network ACLs keep their default: they are stateless and
cannot refer to security groups, so security groups and NetworkPolicies filter traffic.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import ec2

from infra.network.addresses import ZONES, subnet_plan
from infra.network.endpoints import EndpointsArgs, VpcEndpoints
from infra.network.flow_log import FlowLog, FlowLogArgs
from infra.network.security_groups import SecurityGroups, SecurityGroupsArgs
from infra.settings import EksSettings, PeerNetwork, names

DEFAULT_ROUTE = "0.0.0.0/0"


@dataclass(frozen=True)
class NetworkArgs:
    """Arguments of the network.

    Parameters
    ----------
    settings
        The stack's settings, with the VPC's CIDR block and the peered networks.
    logs_key_arn
        The KMS key of log groups.
    """

    settings: EksSettings
    logs_key_arn: pulumi.Input[str]


class Network(pulumi.ComponentResource):
    """VPC in three availability zones with subnets, routes, security groups, endpoints and a flow log.

    ``groups`` are IDs of security groups by name: ``control`` (API server), ``nodes``, ``endpoints``, ``database`` and
    ``streaming``.
    """

    vpc_id: pulumi.Output[str]
    node_subnet_ids: list[pulumi.Output[str]]
    data_subnet_ids: list[pulumi.Output[str]]
    groups: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Network", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = ec2.Vpc(
            name,
            cidr_block=str(args.settings.networks.vpc),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._tags(None),
            opts=self._child,
        )
        self.vpc_id = vpc.id
        # Without rules, so that a resource without a security group of its own has no connections.
        ec2.DefaultSecurityGroup(
            name, vpc_id=vpc.id, ingress=[], egress=[], tags=self._tags("default"), opts=self._child
        )
        plan = subnet_plan(args.settings.networks.vpc)
        self.node_subnet_ids, route_tables = self._subnets("nodes", plan.nodes, internal_load_balancers=True)
        self.data_subnet_ids, data_tables = self._subnets("data", plan.data)
        if args.settings.options.nat:
            self._nat_gateways(plan.public, route_tables)
        for peer in args.settings.networks.peers:
            connection = self._peering(peer, route_tables)
            # PostgreSQL answers Vault, which creates and ends logins.
            if IPv4Network(args.settings.endpoints.vault.network).subnet_of(IPv4Network(peer.network)):
                self._peering_routes(peer, connection, "data", data_tables)
        groups = SecurityGroups(name, SecurityGroupsArgs(args.settings, vpc.id), self._child)
        self.groups = groups.ids
        VpcEndpoints(
            name,
            EndpointsArgs(args.settings, vpc.id, self.node_subnet_ids, self.groups["endpoints"]),
            self._child,
        )
        FlowLog(name, FlowLogArgs(args.settings, vpc.id, args.logs_key_arn), self._child)
        self.register_outputs({"vpcId": self.vpc_id, "nodeSubnetIds": self.node_subnet_ids})

    def _subnets(
        self, kind: str, blocks: tuple[IPv4Network, ...], *, internal_load_balancers: bool = False
    ) -> tuple[list[pulumi.Output[str]], list[ec2.RouteTable]]:
        """Declare a subnet with its route table in each availability zone."""
        subnets, route_tables = [], []
        elb_tags = {"kubernetes.io/role/internal-elb": "1"} if internal_load_balancers else {}
        for zone, block in zip(ZONES, blocks, strict=True):
            name, tags = f"{self._name}-{kind}-{zone}", self._tags(f"{kind}-{zone}", kind)
            subnet = ec2.Subnet(
                name,
                vpc_id=self.vpc_id,
                availability_zone=f"{self._args.settings.region}{zone}",
                cidr_block=str(block),
                map_public_ip_on_launch=False,
                tags={**tags, **elb_tags},
                opts=self._child,
            )
            route_table = ec2.RouteTable(name, vpc_id=self.vpc_id, tags=tags, opts=self._child)
            ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=route_table.id, opts=self._child)
            subnets.append(subnet.id)
            route_tables.append(route_table)
        return subnets, route_tables

    def _nat_gateways(self, blocks: tuple[IPv4Network, ...], node_route_tables: list[ec2.RouteTable]) -> None:
        """Declare a NAT gateway in each availability zone, so that zones do not depend on each other."""
        internet = ec2.InternetGateway(self._name, vpc_id=self.vpc_id, tags=self._tags("internet"), opts=self._child)
        subnets, public_tables = self._subnets("public", blocks)
        for zone, subnet, public, private in zip(ZONES, subnets, public_tables, node_route_tables, strict=True):
            name = f"{self._name}-nat-{zone}"
            internet_route = ec2.Route(
                f"{self._name}-public-{zone}",
                route_table_id=public.id,
                destination_cidr_block=DEFAULT_ROUTE,
                gateway_id=internet.id,
                opts=self._child,
            )
            address = ec2.Eip(name, domain="vpc", tags=self._tags(f"nat-{zone}"), opts=self._child)
            gateway = ec2.NatGateway(
                name,
                allocation_id=address.allocation_id,
                subnet_id=subnet,
                tags=self._tags(f"nat-{zone}"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[internet_route]),
            )
            ec2.Route(
                name,
                route_table_id=private.id,
                destination_cidr_block=DEFAULT_ROUTE,
                nat_gateway_id=gateway.id,
                opts=self._child,
            )

    def _peering(self, peer: PeerNetwork, node_route_tables: list[ec2.RouteTable]) -> ec2.VpcPeeringConnection:
        """Declare a VPC peering connection; one with another account stays pending until that account accepts it."""
        settings = self._args.settings
        connection = ec2.VpcPeeringConnection(
            f"{self._name}-peer-{peer.name}",
            vpc_id=self.vpc_id,
            peer_vpc_id=peer.vpc,
            peer_owner_id=peer.account,
            auto_accept=True if peer.account == settings.account else None,
            tags=self._tags(f"peer-{peer.name}"),
            opts=self._child,
        )
        self._peering_routes(peer, connection, "", node_route_tables)
        return connection

    def _peering_routes(
        self, peer: PeerNetwork, connection: ec2.VpcPeeringConnection, kind: str, tables: list[ec2.RouteTable]
    ) -> None:
        for zone, route_table in zip(ZONES, tables, strict=True):
            ec2.Route(
                "-".join(filter(None, (self._name, "peer", peer.name, kind, zone))),
                route_table_id=route_table.id,
                destination_cidr_block=peer.network,
                vpc_peering_connection_id=connection.id,
                opts=self._child,
            )

    def _tags(self, suffix: str | None, tier: str | None = None) -> dict[str, str]:
        stem = names.stem(self._args.settings.environment)
        return {
            **names.tags(self._args.settings.environment, phi=tier in ("nodes", "data"), tier=tier or ""),
            "Name": f"{stem}-{suffix}" if suffix else stem,
        }
