"""Rows of the aws plugin for VPCs, subnets, gateways, route tables and peering."""

import zlib
from typing import Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row

OWNER: Final = {"ownerId": "OwnerId"}


def ec2_tags(kind: str, shown: str = "Tags") -> Tags:
    """Return the tagging of EC2 objects of a kind."""
    resource = {"Resources": ["{id}"]}
    add, remove = Call("CreateTags", frozenset(), fixed=resource), Call("DeleteTags", frozenset(), fixed=resource)
    return Tags(add, remove, sent="TagSpecifications", kind=kind, out="Tags", shown=shown)


def ec2_arn(kind: str) -> dict[str, str]:
    """Return the ARN of EC2's objects of a kind."""
    return {"arn": "arn:{partition}:ec2:{region}:{account}:" + kind + "/{id}"}


def _attribute(operation: str, key: str, name: str, switch: bool = True) -> Call:
    """Return the call that sets one attribute; EC2 takes one at a time."""
    place = name[0].upper() + name[1:].replace("Aaaa", "AAAA")
    return Call(operation, frozenset({name}), names={name: f"{place}.Value" if switch else place}, fixed={key: "{id}"})


def _vpc_attribute(name: str) -> Call:
    return Call("DescribeVpcAttribute", fixed={"VpcId": "{id}", "Attribute": name})


_VPC_SWITCHES: Final = {
    "enableDnsHostnames": "Hostnames.EnableDnsHostnames.Value",
    "enableDnsSupport": "Dns.EnableDnsSupport.Value",
    "enableNetworkAddressUsageMetrics": "Metrics.EnableNetworkAddressUsageMetrics.Value",
}
_BY_VPC: Final = [{"Name": "vpc-id", "Values": ["{id}"]}]
_DEFAULT: Final = {"Name": "group-name", "Values": ["default"]}
_MAIN: Final = {"Name": "association.main", "Values": ["true"]}

VPC: Final = ApiType(
    "aws:ec2/vpc:Vpc",
    "ec2",
    Call(
        "CreateVpc",
        names={
            "assignGeneratedIpv6CidrBlock": "AmazonProvidedIpv6CidrBlock",
            **dict.fromkeys(_VPC_SWITCHES, ""),
        },
    ),
    Call("DescribeVpcs", fixed={"VpcIds": ["{id}"]}),
    "Vpcs[0]",
    "Vpc.VpcId",
    changes=tuple(_attribute("ModifyVpcAttribute", "VpcId", name) for name in _VPC_SWITCHES),
    deletes=(Call("DeleteVpc", fixed={"VpcId": "{id}"}),),
    more={
        "Dns": _vpc_attribute("enableDnsSupport"),
        "Hostnames": _vpc_attribute("enableDnsHostnames"),
        "Metrics": _vpc_attribute("enableNetworkAddressUsageMetrics"),
        "Groups": Call("DescribeSecurityGroups", fixed={"Filters": [*_BY_VPC, _DEFAULT]}),
        "Tables": Call("DescribeRouteTables", fixed={"Filters": [*_BY_VPC, _MAIN]}),
        "Lists": Call("DescribeNetworkAcls", fixed={"Filters": [*_BY_VPC, {"Name": "default", "Values": ["true"]}]}),
    },
    reads=_VPC_SWITCHES,
    filled=frozenset({"instanceTenancy", *_VPC_SWITCHES}),
    outputs={
        **OWNER,
        "dhcpOptionsId": "DhcpOptionsId",
        "defaultNetworkAclId": "Lists.NetworkAcls[0].NetworkAclId",
        "defaultRouteTableId": "Tables.RouteTables[0].RouteTableId",
        "mainRouteTableId": "Tables.RouteTables[0].RouteTableId",
        "defaultSecurityGroupId": "Groups.SecurityGroups[0].GroupId",
    },
    derived=ec2_arn("vpc"),
    tags=ec2_tags("vpc"),
    wait="vpc_available",
)

_SUBNET_SWITCHES: Final = (
    "assignIpv6AddressOnCreation",
    "enableDns64",
    "enableResourceNameDnsARecordOnLaunch",
    "enableResourceNameDnsAaaaRecordOnLaunch",
    "mapPublicIpOnLaunch",
)

SUBNET: Final = ApiType(
    "aws:ec2/subnet:Subnet",
    "ec2",
    Call("CreateSubnet"),
    Call("DescribeSubnets", fixed={"SubnetIds": ["{id}"]}),
    "Subnets[0]",
    "Subnet.SubnetId",
    changes=(
        *(_attribute("ModifySubnetAttribute", "SubnetId", name) for name in _SUBNET_SWITCHES),
        _attribute("ModifySubnetAttribute", "SubnetId", "privateDnsHostnameTypeOnLaunch", switch=False),
    ),
    deletes=(Call("DeleteSubnet", fixed={"SubnetId": "{id}"}),),
    filled=frozenset({"availabilityZone", "availabilityZoneId", "privateDnsHostnameTypeOnLaunch"}),
    reads={
        "enableResourceNameDnsARecordOnLaunch": "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord",
        "enableResourceNameDnsAaaaRecordOnLaunch": "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord",
        "privateDnsHostnameTypeOnLaunch": "PrivateDnsNameOptionsOnLaunch.HostnameType",
    },
    outputs={**OWNER, "arn": "SubnetArn"},
    tags=ec2_tags("subnet"),
    wait="subnet_available",
)

ROUTE_TABLE: Final = ApiType(
    "aws:ec2/routeTable:RouteTable",
    "ec2",
    Call("CreateRouteTable"),
    Call("DescribeRouteTables", fixed={"RouteTableIds": ["{id}"]}),
    "RouteTables[0]",
    "RouteTable.RouteTableId",
    deletes=(Call("DeleteRouteTable", fixed={"RouteTableId": "{id}"}),),
    outputs=OWNER,
    derived=ec2_arn("route-table"),
    tags=ec2_tags("route-table"),
)

ASSOCIATION: Final = ApiType(
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "ec2",
    Call("AssociateRouteTable"),
    Call(
        "DescribeRouteTables",
        fixed={"Filters": [{"Name": "association.route-table-association-id", "Values": ["{id}"]}]},
    ),
    "RouteTables[].Associations[?RouteTableAssociationId=='{id}'] | [] | [0]",
    "AssociationId",
    deletes=(Call("DisassociateRouteTable", fixed={"AssociationId": "{id}"}),),
)

# A route has one destination and one target.
_DESTINATIONS: Final = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
_TARGETS: Final = {
    "gatewayId": "GatewayId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}
_ROUTE: Final = {
    "RouteTableId": "{routeTableId}",
    **{place: "{" + name + "}" for name, place in _DESTINATIONS.items()},
}


def _route_id(inputs: Props) -> str:
    destination = next(str(inputs[name]) for name in _DESTINATIONS if inputs.get(name))
    return f"r-{inputs['routeTableId']}{zlib.crc32(destination.encode())}"


ROUTE: Final = ApiType(
    "aws:ec2/route:Route",
    "ec2",
    Call("CreateRoute", names=_TARGETS),
    Call("DescribeRouteTables", fixed={"RouteTableIds": ["{routeTableId}"]}),
    "RouteTables[0].Routes[?DestinationCidrBlock=='{destinationCidrBlock}' || "
    "DestinationIpv6CidrBlock=='{destinationIpv6CidrBlock}' || "
    "DestinationPrefixListId=='{destinationPrefixListId}'] | [0]",
    _route_id,
    changes=(Call("ReplaceRoute", frozenset(_TARGETS), names=_TARGETS, fixed=_ROUTE),),
    deletes=(Call("DeleteRoute", fixed=_ROUTE),),
    # A gateway endpoint is returned as a gateway.
    reads={"routeTableId": "", "vpcEndpointId": ""},
    outputs={"origin": "Origin", "state": "State", "instanceId": "InstanceId"},
)

GATEWAY: Final = ApiType(
    "aws:ec2/internetGateway:InternetGateway",
    "ec2",
    Call("CreateInternetGateway"),
    Call("DescribeInternetGateways", fixed={"InternetGatewayIds": ["{id}"]}),
    "InternetGateways[0]",
    "InternetGateway.InternetGatewayId",
    changes=(Call("AttachInternetGateway", frozenset({"vpcId"}), fixed={"InternetGatewayId": "{id}"}),),
    deletes=(
        Call("DetachInternetGateway", fixed={"InternetGatewayId": "{id}", "VpcId": "{vpcId}"}, needs=("vpcId",)),
        Call("DeleteInternetGateway", fixed={"InternetGatewayId": "{id}"}),
    ),
    reads={"vpcId": "Attachments[0].VpcId"},
    outputs=OWNER,
    derived=ec2_arn("internet-gateway"),
    tags=ec2_tags("internet-gateway"),
)

EIP: Final = ApiType(
    "aws:ec2/eip:Eip",
    "ec2",
    Call("AllocateAddress"),
    Call("DescribeAddresses", fixed={"AllocationIds": ["{id}"]}),
    "Addresses[0]",
    "AllocationId",
    deletes=(Call("ReleaseAddress", fixed={"AllocationId": "{id}"}),),
    filled=frozenset({"domain", "networkBorderGroup"}),
    outputs={
        "allocationId": "AllocationId",
        "associationId": "AssociationId",
        "privateIp": "PrivateIpAddress",
        "publicIp": "PublicIp",
    },
    derived=ec2_arn("elastic-ip"),
    tags=ec2_tags("elastic-ip"),
)

NAT: Final = ApiType(
    "aws:ec2/natGateway:NatGateway",
    "ec2",
    Call("CreateNatGateway", names={"privateIp": "PrivateIpAddress"}),
    Call("DescribeNatGateways", fixed={"NatGatewayIds": ["{id}"]}),
    "NatGateways[?State!='deleted'] | [0]",
    "NatGateway.NatGatewayId",
    deletes=(Call("DeleteNatGateway", fixed={"NatGatewayId": "{id}"}),),
    reads={
        "allocationId": "NatGatewayAddresses[0].AllocationId",
        "privateIp": "NatGatewayAddresses[0].PrivateIp",
    },
    filled=frozenset({"connectivityType", "privateIp"}),
    outputs={
        "networkInterfaceId": "NatGatewayAddresses[0].NetworkInterfaceId",
        "publicIp": "NatGatewayAddresses[0].PublicIp",
    },
    tags=ec2_tags("natgateway"),
    wait="nat_gateway_available",
    wait_gone="nat_gateway_deleted",
)

PEERING: Final = ApiType(
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
    "ec2",
    Call("CreateVpcPeeringConnection"),
    Call("DescribeVpcPeeringConnections", fixed={"VpcPeeringConnectionIds": ["{id}"]}),
    "VpcPeeringConnections[?Status.Code!='deleted'] | [0]",
    "VpcPeeringConnection.VpcPeeringConnectionId",
    changes=(
        Call("AcceptVpcPeeringConnection", frozenset(), fixed={"VpcPeeringConnectionId": "{id}"}, asked="autoAccept"),
    ),
    deletes=(Call("DeleteVpcPeeringConnection", fixed={"VpcPeeringConnectionId": "{id}"}),),
    reads={
        "vpcId": "RequesterVpcInfo.VpcId",
        "peerVpcId": "AccepterVpcInfo.VpcId",
        "peerOwnerId": "AccepterVpcInfo.OwnerId",
        "peerRegion": "AccepterVpcInfo.Region",
    },
    filled=frozenset({"peerOwnerId", "peerRegion"}),
    outputs={"acceptStatus": "Status.Code"},
    tags=ec2_tags("vpc-peering-connection"),
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(VPC, defaults={"enableDnsSupport": True, "instanceTenancy": "default"}),
    row(
        SUBNET,
        required=("vpcId",),
        defaults={
            "assignIpv6AddressOnCreation": False,
            "enableDns64": False,
            "enableResourceNameDnsARecordOnLaunch": False,
            "enableResourceNameDnsAaaaRecordOnLaunch": False,
            "mapPublicIpOnLaunch": False,
        },
    ),
    row(
        ROUTE_TABLE,
        required=("vpcId",),
        unsupported={"routes": "declare ec2.Route apart", "propagatingVgws": "declare the propagation apart"},
    ),
    row(ASSOCIATION, required=("routeTableId",)),
    row(ROUTE, required=("routeTableId",), delete_before_replace=True),
    row(GATEWAY),
    row(EIP),
    row(NAT),
    row(PEERING, required=("vpcId", "peerVpcId")),
)
