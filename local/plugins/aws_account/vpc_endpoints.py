"""Rows of the aws plugin for VPC endpoints and flow logs."""

from typing import Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call
from local.plugins.aws.ordinary import row
from local.plugins.aws_account.vpc import OWNER, ec2_arn, ec2_tags
from local.plugins.provider.rows import Row

_SETS: Final = {
    name: (f"Add{place}", f"Remove{place}")
    for name, place in (
        ("routeTableIds", "RouteTableIds"),
        ("securityGroupIds", "SecurityGroupIds"),
        ("subnetIds", "SubnetIds"),
    )
}

ENDPOINT: Final = ApiType(
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "ec2",
    Call("CreateVpcEndpoint", names={"policy": "PolicyDocument"}),
    Call("DescribeVpcEndpoints", fixed={"VpcEndpointIds": ["{id}"]}),
    "VpcEndpoints[?State!='deleted'] | [0]",
    "VpcEndpoint.VpcEndpointId",
    changes=(
        Call(
            "ModifyVpcEndpoint",
            frozenset({"policy", "privateDnsEnabled", "ipAddressType", "dnsOptions", *_SETS}),
            names={"policy": "PolicyDocument"},
            fixed={"VpcEndpointId": "{id}"},
            sets=_SETS,
        ),
    ),
    deletes=(Call("DeleteVpcEndpoints", fixed={"VpcEndpointIds": ["{id}"]}),),
    reads={"autoAccept": "", "policy": "PolicyDocument", "securityGroupIds": "Groups[].GroupId"},
    filled=frozenset({"policy"}),
    outputs={
        **OWNER,
        "dnsEntries": "DnsEntries[].{dnsName: DnsName, hostedZoneId: HostedZoneId}",
        "networkInterfaceIds": "NetworkInterfaceIds",
        "requesterManaged": "RequesterManaged",
        "state": "State",
    },
    derived=ec2_arn("vpc-endpoint"),
    tags=ec2_tags("vpc-endpoint"),
)

FLOW_LOG: Final = ApiType(
    "aws:ec2/flowLog:FlowLog",
    "ec2",
    Call(
        "CreateFlowLogs",
        names={"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceIds[0]"},
        fixed={"ResourceType": "VPC"},
    ),
    Call("DescribeFlowLogs", fixed={"FlowLogIds": ["{id}"]}),
    "FlowLogs[0]",
    "FlowLogIds[0]",
    deletes=(Call("DeleteFlowLogs", fixed={"FlowLogIds": ["{id}"]}),),
    reads={"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceId"},
    filled=frozenset({"logFormat"}),
    derived=ec2_arn("vpc-flow-log"),
    tags=ec2_tags("vpc-flow-log"),
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(
        ENDPOINT,
        required=("vpcId",),
        defaults={"vpcEndpointType": "Gateway"},
        json=frozenset({"policy"}),
        unordered=frozenset(_SETS),
    ),
    row(
        FLOW_LOG,
        required=("vpcId",),
        defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600},
        unsupported=dict.fromkeys(
            ("eniId", "subnetId", "transitGatewayId", "transitGatewayAttachmentId", "regionalNatGatewayId"),
            "record a whole VPC: this plugin knows no flow logs of its parts",
        ),
    ),
)
