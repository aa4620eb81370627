"""The private network of an EKS cluster: no public subnet, AWS reached through endpoints inside it."""

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import ec2

from infra import names

ZONES = ("a", "b", "c")
# Everything that nodes and pods call; without them nothing starts, as there is no way to the internet.
SERVICES = ("ec2", "ecr.api", "ecr.dkr", "eks", "kms", "logs", "s3", "sts")


@dataclass(frozen=True)
class NetworkArgs:
    """Where the network lies.

    Parameters
    ----------
    environment, region
        Whose network, where.
    vpc
        Its addresses; each zone's subnet gets a quarter of them.
    """

    environment: str
    region: str
    vpc: IPv4Network


class Network(pulumi.ComponentResource):
    """A VPC with one private subnet a zone and the endpoints of the services that are used."""

    subnet_ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = names.tags(args.environment)
        vpc = ec2.Vpc(
            name,
            cidr_block=str(args.vpc),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={**tags, "Name": f"{names.PROJECT}-{args.environment}"},
            opts=child,
        )
        # Claimed and left without rules, so that nothing works by forgetting to name a group.
        ec2.DefaultSecurityGroup(name, vpc_id=vpc.id, ingress=[], egress=[], tags=tags, opts=child)
        routes = ec2.RouteTable(name, vpc_id=vpc.id, tags=tags, opts=child)
        self.subnet_ids = []
        for zone, block in zip(ZONES, args.vpc.subnets(prefixlen_diff=2), strict=False):
            subnet = ec2.Subnet(
                f"{name}-{zone}",
                vpc_id=vpc.id,
                availability_zone=f"{args.region}{zone}",
                cidr_block=str(block),
                map_public_ip_on_launch=False,
                tags={**tags, "kubernetes.io/role/internal-elb": "1"},
                opts=child,
            )
            ec2.RouteTableAssociation(f"{name}-{zone}", subnet_id=subnet.id, route_table_id=routes.id, opts=child)
            self.subnet_ids.append(subnet.id)
        self._endpoints(name, args, vpc, tags)
        self.register_outputs({"subnetIds": self.subnet_ids})

    def _endpoints(self, name: str, args: NetworkArgs, vpc: ec2.Vpc, tags: dict[str, str]) -> None:
        group = ec2.SecurityGroup(
            f"{name}-endpoints",
            description="HTTPS from inside the VPC to AWS services",
            vpc_id=vpc.id,
            ingress=[
                ec2.SecurityGroupIngressArgs(
                    description="HTTPS", protocol="tcp", from_port=443, to_port=443, cidr_blocks=[str(args.vpc)]
                )
            ],
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        for service in SERVICES:
            ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{args.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=self.subnet_ids,
                security_group_ids=[group.id],
                private_dns_enabled=True,
                # S3 gives private names to an interface endpoint only where no gateway endpoint is asked for.
                dns_options=_S3_DNS if service == "s3" else None,
                tags=tags,
                opts=pulumi.ResourceOptions(parent=self),
            )


_S3_DNS = ec2.VpcEndpointDnsOptionsArgs(private_dns_only_for_inbound_resolver_endpoint=False)
