"""The private network of an EKS cluster: nodes and data without public addresses, AWS reached through endpoints.

A NAT gateway is an option: without it nodes reach AWS, the joined networks, and nothing else. With it there are public
subnets, for the gateways alone; only they have a way to the internet gateway. Network access lists stay as AWS makes
them: they have no state and know no groups, so security groups and NetworkPolicies decide.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import ec2

from infra.network.addresses import ZONES, layout
from infra.network.endpoints import Endpoints, EndpointsArgs
from infra.network.flow_log import FlowLog, FlowLogArgs
from infra.network.security_groups import Groups, GroupsArgs
from infra.settings import names
from infra.settings.values import PeerNetwork, Settings

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class NetworkArgs:
    """Where the network lies.

    Parameters
    ----------
    settings
        The environment, which names the addresses and the joined networks.
    vpc
        Its addresses.
    logs_key_arn
        The key of logs.
    """

    settings: Settings
    vpc: IPv4Network
    logs_key_arn: pulumi.Input[str]


class Network(pulumi.ComponentResource):
    """A VPC over three zones, with everything that says what comes in and goes out.

    ``groups`` are its security groups by role: ``control`` (the cluster's API), ``nodes``, ``endpoints``, ``database``
    and ``streaming``.
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
            cidr_block=str(args.vpc),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._tags(None),
            opts=self._child,
        )
        self.vpc_id = vpc.id
        # Claimed and left without rules, so that nothing works by forgetting to name a group.
        ec2.DefaultSecurityGroup(
            name, vpc_id=vpc.id, ingress=[], egress=[], tags=self._tags("default"), opts=self._child
        )
        addresses = layout(args.vpc)
        self.node_subnet_ids, tables = self._subnets("nodes", addresses.nodes, internal=True)
        self.data_subnet_ids, _ = self._subnets("data", addresses.data)
        if args.settings.options.nat:
            self._gateways(addresses.public, tables)
        for peer in args.settings.networks.peers:
            self._join(peer, tables)
        groups = Groups(name, GroupsArgs(args.settings, vpc.id), self._child)
        self.groups = groups.ids
        Endpoints(
            name,
            EndpointsArgs(args.settings, vpc.id, self.node_subnet_ids, self.groups["endpoints"]),
            self._child,
        )
        FlowLog(name, FlowLogArgs(args.settings, vpc.id, args.logs_key_arn), self._child)
        self.register_outputs({"vpcId": self.vpc_id, "nodeSubnetIds": self.node_subnet_ids})

    def _subnets(
        self, kind: str, blocks: tuple[IPv4Network, ...], *, internal: bool = False
    ) -> tuple[list[pulumi.Output[str]], list[ec2.RouteTable]]:
        """Declare a subnet a zone, each with a route table that as yet leads nowhere outside."""
        subnets, tables = [], []
        # Internal load balancers of the cluster stand among its nodes.
        more = {"kubernetes.io/role/internal-elb": "1"} if internal else {}
        for zone, block in zip(ZONES, blocks, strict=True):
            full = f"{self._name}-{kind}-{zone}"
            subnet = ec2.Subnet(
                full,
                vpc_id=self.vpc_id,
                availability_zone=f"{self._args.settings.region}{zone}",
                cidr_block=str(block),
                map_public_ip_on_launch=False,
                tags={**self._tags(f"{kind}-{zone}", kind), **more},
                opts=self._child,
            )
            table = ec2.RouteTable(full, vpc_id=self.vpc_id, tags=self._tags(f"{kind}-{zone}", kind), opts=self._child)
            ec2.RouteTableAssociation(full, subnet_id=subnet.id, route_table_id=table.id, opts=self._child)
            subnets.append(subnet.id)
            tables.append(table)
        return subnets, tables

    def _gateways(self, blocks: tuple[IPv4Network, ...], node_tables: list[ec2.RouteTable]) -> None:
        """Declare a NAT gateway in each zone, so that the loss of a zone costs the others nothing."""
        internet = ec2.InternetGateway(self._name, vpc_id=self.vpc_id, tags=self._tags("internet"), opts=self._child)
        subnets, tables = self._subnets("public", blocks)
        for zone, subnet, table, inner in zip(ZONES, subnets, tables, node_tables, strict=True):
            full = f"{self._name}-nat-{zone}"
            out = ec2.Route(
                f"{self._name}-public-{zone}",
                route_table_id=table.id,
                destination_cidr_block=ANYWHERE,
                gateway_id=internet.id,
                opts=self._child,
            )
            address = ec2.Eip(full, domain="vpc", tags=self._tags(f"nat-{zone}"), opts=self._child)
            gateway = ec2.NatGateway(
                full,
                allocation_id=address.allocation_id,
                subnet_id=subnet,
                tags=self._tags(f"nat-{zone}"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[out]),
            )
            ec2.Route(
                full,
                route_table_id=inner.id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=gateway.id,
                opts=self._child,
            )

    def _join(self, peer: PeerNetwork, node_tables: list[ec2.RouteTable]) -> None:
        """Declare the connection to another VPC; one of another account waits until somebody there accepts it."""
        settings = self._args.settings
        connection = ec2.VpcPeeringConnection(
            f"{self._name}-peer-{peer.name}",
            vpc_id=self.vpc_id,
            peer_vpc_id=peer.vpc_id,
            peer_owner_id=peer.account,
            auto_accept=True if peer.account == settings.account else None,
            tags=self._tags(f"peer-{peer.name}"),
            opts=self._child,
        )
        for zone, table in zip(ZONES, node_tables, strict=True):
            ec2.Route(
                f"{self._name}-peer-{peer.name}-{zone}",
                route_table_id=table.id,
                destination_cidr_block=peer.network,
                vpc_peering_connection_id=connection.id,
                opts=self._child,
            )

    def _tags(self, what: str | None, tier: str | None = None) -> dict[str, str]:
        stem = names.stem(self._args.settings.environment)
        return {
            **names.tags(self._args.settings.environment, phi=tier in ("nodes", "data"), tier=tier or ""),
            "Name": f"{stem}-{what}" if what else stem,
        }
