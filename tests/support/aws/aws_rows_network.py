"""Examples of network objects."""

from tests.support.aws.aws_rows_world import Example

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
    "group": Example(
        "aws:ec2/securityGroup:SecurityGroup",
        {"name": "nodes", "description": "nodes", "vpcId": "{vpc.id}"},
        {"tags": {"owner": "platform"}},
    ),
    "other_group": Example("aws:ec2/securityGroup:SecurityGroup", {"description": "data", "vpcId": "{vpc.id}"}),
    "default_group": Example(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        {"vpcId": "{vpc.id}"},
        {"tags": {"owner": "platform"}},
        stays=True,
    ),
    "ingress": Example(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {
            "securityGroupId": "{group.id}",
            "referencedSecurityGroupId": "{other_group.id}",
            "ipProtocol": "tcp",
            "fromPort": 5432,
            "toPort": 5432,
            "description": "database",
        },
        {"fromPort": 5433, "toPort": 5433},
    ),
    "egress": Example(
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        {"securityGroupId": "{group.id}", "cidrIpv4": "10.0.0.0/16", "ipProtocol": "-1"},
        {"description": "inside"},
    ),
    "endpoint": Example(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        {
            "vpcId": "{vpc.id}",
            "serviceName": "com.amazonaws.us-east-1.kms",
            "vpcEndpointType": "Interface",
            "privateDnsEnabled": True,
            "subnetIds": ["{subnet.id}"],
            "securityGroupIds": ["{group.id}"],
            "policy": '{"Version": "2012-10-17", "Statement": []}',
        },
        {"subnetIds": ["{other_subnet.id}", "{subnet.id}"]},
    ),
    "gateway_endpoint": Example(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        {"vpcId": "{vpc.id}", "serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": ["{table.id}"]},
        {"tags": {"owner": "platform"}},
    ),
    "flow_log": Example(
        "aws:ec2/flowLog:FlowLog",
        {
            "vpcId": "{vpc.id}",
            "trafficType": "ALL",
            "logDestinationType": "s3",
            "logDestination": "{flow_bucket.arn}",
        },
        {"tags": {"owner": "platform"}},
    ),
}
