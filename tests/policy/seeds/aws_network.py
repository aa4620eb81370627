"""Seeded violations of the controls over the network and transmission in AWS, one property at a time."""

from tests.policy.builders import GONE, statement, testing, without
from tests.policy.seeds.seed import Seed, absent, seed

_BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
_DEFAULT_SG = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_EKS = "aws:eks/cluster:Cluster"
_LISTENER = "aws:lb/listener:Listener"

SEEDS: list[Seed] = [
    absent("SEG-05", "aws:wafv2/webAclAssociation:WebAclAssociation", "resourceArn"),
    seed("SEG-05", _BALANCER, "loadBalancerType", "application", name="relay"),
    absent("SEG-06", _DEFAULT_SG, "vpcId"),
    seed("SEG-06", _DEFAULT_SG, "ingress", [{"protocol": "-1", "self": True}]),
    seed("SEG-06", _DEFAULT_SG, "egress", [{"protocol": "-1"}]),
    absent("SEG-09", _ENDPOINT, "vpcId", name="*kms"),
    seed("SEG-09", _ENDPOINT, "serviceName", "com.amazonaws.us-east-1.ec2"),
    seed("SEG-09", _ENDPOINT, "privateDnsEnabled", False),
    seed("SEG-09", _ENDPOINT, "policy", GONE),
    seed("SEG-09", _ENDPOINT, "policy", statement(0, Effect="Allow", Principal="*", Resource="*", Condition=GONE)),
    seed("SEG-10", _EKS, "vpcConfig.endpointPublicAccess", True),
    seed("SEG-10", _EKS, "vpcConfig.endpointPublicAccess", GONE),
    seed("SEG-10", _EKS, "vpcConfig", {"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}),
    seed("TX-01", _LISTENER, "protocol", "TCP", name="https"),
    seed("TX-01", _LISTENER, "sslPolicy", "ELBSecurityPolicy-2016-08", name="https"),
    seed("TX-01", _LISTENER, "certificateArn", GONE, name="https"),
    seed("TX-01", _LISTENER, "defaultActions[0].type", "forward", name="http"),
    seed("TX-01", _LISTENER, "defaultActions[0].redirect.protocol", "HTTP", name="http"),
    seed("TX-02", _BUCKET_POLICY, "policy", without("aws:SecureTransport")),
    seed("TX-02", _BUCKET_POLICY, "policy", without("s3:TlsVersion")),
    seed("TX-02", _BUCKET_POLICY, "policy", testing("aws:SecureTransport", Action="s3:GetObject")),
    seed(
        "TX-02",
        _BUCKET_POLICY,
        "policy",
        testing("s3:TlsVersion", Condition={"NumericLessThan": {"s3:TlsVersion": "1.1"}}),
    ),
    absent("TX-02", _BUCKET_POLICY, "bucket"),
    seed("TX-04", "aws:acm/certificate:Certificate", "privateKey", "x"),
]
