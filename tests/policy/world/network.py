"""The VPC of the compliant stack: subnets, routes, endpoints, security groups and load balancers."""

from policy_pack.stack.graph import Resource
from tests.policy.builders import build, document, tags
from tests.policy.world.aws import REGION, role_arn

_ENDPOINTS = ("s3", "kms", "sts", "ecr.api", "ecr.dkr", "logs", "secretsmanager")


def network() -> list[Resource]:
    """Return the network."""
    vpc, own = "vpc-1", {"vpcId": "vpc-1"}
    policy = document(
        {"Effect": "Allow", "Principal": {"AWS": role_arn("x")}, "Action": "*", "Resource": "arn:aws:s3:::x"}
    )
    return [
        build("aws:ec2/vpc:Vpc", "vpc", {"id": vpc, "arn": "arn:vpc", "cidrBlock": "10.40.0.0/16", "tags": tags()}),
        build("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "vpc", own | {"ingress": [], "egress": []}),
        build(
            "aws:ec2/securityGroup:SecurityGroup",
            "endpoints",
            own
            | {
                "id": "sg-endpoints",
                "ingress": [{"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.40.0.0/16"]}],
                "tags": tags(),
            },
        ),
        build(
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            "hospital",
            {
                "ipProtocol": "tcp",
                "fromPort": 443,
                "toPort": 443,
                "cidrIpv4": "10.50.0.0/24",
                "cidrIpv6": "fd00:50::/64",
            },
        ),
        build(
            "aws:ec2/securityGroupRule:SecurityGroupRule",
            "database",
            {"type": "ingress", "protocol": "tcp", "fromPort": 5432, "toPort": 5432, "cidrBlocks": ["10.40.0.0/16"]},
        ),
        *(
            build(
                "aws:ec2/subnet:Subnet",
                tier,
                own | {"id": f"subnet-{tier}", "mapPublicIpOnLaunch": False, "tags": tags(tier=tier)},
            )
            for tier in ("private", "public")
        ),
        build(
            "aws:ec2/subnet:Subnet",
            "second",
            own | {"id": "subnet-second", "mapPublicIpOnLaunch": False, "tags": tags(tier="private")},
        ),
        build(
            "aws:ec2/routeTableAssociation:RouteTableAssociation",
            "second",
            {"routeTableId": "rtb-private", "subnetId": "subnet-second"},
        ),
        build("aws:ec2/internetGateway:InternetGateway", "out", {"id": "igw-1"} | own),
        *(build("aws:ec2/routeTable:RouteTable", tier, own | {"id": f"rtb-{tier}"}) for tier in ("private", "public")),
        *(
            build(
                "aws:ec2/routeTableAssociation:RouteTableAssociation",
                tier,
                {"routeTableId": f"rtb-{tier}", "subnetId": f"subnet-{tier}"},
            )
            for tier in ("private", "public")
        ),
        build(
            "aws:ec2/route:Route",
            "out",
            {"routeTableId": "rtb-public", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"},
        ),
        *(
            build(
                "aws:ec2/vpcEndpoint:VpcEndpoint",
                service,
                own
                | {
                    "serviceName": f"com.amazonaws.{REGION}.{service}",
                    "vpcEndpointType": "Interface",
                    "privateDnsEnabled": True,
                    "subnetIds": ["subnet-private"],
                    "securityGroupIds": ["sg-endpoints"],
                    "policy": policy,
                },
            )
            for service in _ENDPOINTS
        ),
        build("aws:ec2/eip:Eip", "nat", {"domain": "vpc"}),
        build(
            "aws:ec2/flowLog:FlowLog",
            "vpc",
            own | {"trafficType": "ALL", "logDestination": "arn:logs:flow", "iamRoleArn": role_arn("flow")},
        ),
        build(
            "aws:lb/loadBalancer:LoadBalancer",
            "gateway",
            {
                "arn": "arn:balancer",
                "internal": True,
                "accessLogs": {"enabled": True, "bucket": "logs"},
                "enableDeletionProtection": True,
                "tags": tags(),
            },
        ),
        build(
            "aws:lb/loadBalancer:LoadBalancer",
            "relay",
            {
                "arn": "arn:relay",
                "internal": True,
                "loadBalancerType": "network",
                "enableCrossZoneLoadBalancing": True,
                "accessLogs": {"enabled": True, "bucket": "logs"},
                "enableDeletionProtection": True,
                "tags": tags(),
            },
        ),
        build("aws:wafv2/webAclAssociation:WebAclAssociation", "gateway", {"resourceArn": "arn:balancer"}),
        build(
            "aws:lb/listener:Listener",
            "https",
            {
                "loadBalancerArn": "arn:balancer",
                "protocol": "HTTPS",
                "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
                "certificateArn": "arn:cert",
                "mutualAuthentication": {"mode": "verify", "trustStoreArn": "arn:trust"},
            },
        ),
        build(
            "aws:lb/listener:Listener",
            "http",
            {
                "arn": "arn:http",
                "loadBalancerArn": "arn:balancer",
                "protocol": "HTTP",
                "defaultActions": [{"type": "redirect", "redirect": {"protocol": "HTTPS"}}],
            },
        ),
        build(
            "aws:lb/listenerRule:ListenerRule",
            "http",
            {"listenerArn": "arn:http", "actions": [{"type": "redirect", "redirect": {"protocol": "HTTPS"}}]},
        ),
        build("aws:acm/certificate:Certificate", "gateway", {"domainName": "x.example"}),
        build("aws:wafv2/webAcl:WebAcl", "gateway", {"arn": "arn:waf"}),
        build("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration", "gateway", {"resourceArn": "arn:waf"}),
    ]
