"""Examples of network objects."""

from tests.unit.aws_rows_world import Example

EXAMPLES = {
    "vpc": Example(
        "aws:ec2/vpc:Vpc",
        {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "tags": {"phi": "true"}},
        {"enableDnsHostnames": False, "tags": {"phi": "false"}},
    ),
    "peer": Example("aws:ec2/vpc:Vpc", {"cidrBlock": "10.9.0.0/16"}, {"tags": {"owner": "platform"}}),
    "subnet": Example(
        "aws:ec2/subnet:Subnet",
        {"vpcId": "{vpc.id}", "cidrBlock": "10.0.1.0/24", "availabilityZone": "us-east-1a"},
        {"mapPublicIpOnLaunch": True},
    ),
    "other_subnet": Example(
        "aws:ec2/subnet:Subnet",
        {"vpcId": "{vpc.id}", "cidrBlock": "10.0.2.0/24", "availabilityZone": "us-east-1b"},
    ),
    "table": Example("aws:ec2/routeTable:RouteTable", {"vpcId": "{vpc.id}"}, {"tags": {"owner": "platform"}}),
    "association": Example(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        {"routeTableId": "{table.id}", "subnetId": "{subnet.id}"},
    ),
    "gateway": Example(
        "aws:ec2/internetGateway:InternetGateway", {"vpcId": "{vpc.id}"}, {"tags": {"owner": "platform"}}
    ),
    "route": Example(
        "aws:ec2/route:Route",
        {"routeTableId": "{table.id}", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "{gateway.id}"},
        {"natGatewayId": "{nat.id}", "gatewayId": None},
    ),
    "address": Example("aws:ec2/eip:Eip", {"domain": "vpc"}, {"tags": {"owner": "platform"}}),
    "nat": Example(
        "aws:ec2/natGateway:NatGateway",
        {"allocationId": "{address.id}", "subnetId": "{subnet.id}"},
        {"tags": {"owner": "platform"}},
    ),
    "peering": Example(
        "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
        {"vpcId": "{vpc.id}", "peerVpcId": "{peer.id}", "autoAccept": True},
        {"tags": {"owner": "platform"}},
    ),
}
