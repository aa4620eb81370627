"""Rows of the aws plugin for VPC security groups and their rules."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call
from local.plugins.aws.ordinary import row
from local.plugins.aws_account.vpc import OWNER, ec2_arn, ec2_tags
from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row

_READ: Final = Call("DescribeSecurityGroups", fixed={"GroupIds": ["{id}"]})
_GROUP: Final[dict[str, Any]] = {"derived": ec2_arn("security-group"), "tags": ec2_tags("security-group")}
_APART: Final = dict.fromkeys(
    ("ingress", "egress"), "declare vpc.SecurityGroupIngressRule or vpc.SecurityGroupEgressRule apart"
)

GROUP: Final = ApiType(
    "aws:ec2/securityGroup:SecurityGroup",
    "ec2",
    Call("CreateSecurityGroup", names={"name": "GroupName"}),
    _READ,
    "SecurityGroups[0]",
    "GroupId",
    deletes=(Call("DeleteSecurityGroup", fixed={"GroupId": "{id}"}),),
    reads={"name": "GroupName", "revokeRulesOnDelete": ""},
    outputs=OWNER,
    **_GROUP,
)

# AWS creates it with the VPC; it is adopted, emptied, and left empty when it is no longer declared.
DEFAULT_GROUP: Final = ApiType(
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "ec2",
    Call(
        "DescribeSecurityGroups",
        fixed={"Filters": [{"Name": "vpc-id", "Values": ["{vpcId}"]}, {"Name": "group-name", "Values": ["default"]}]},
    ),
    _READ,
    "SecurityGroups[0]",
    "SecurityGroups[0].GroupId",
    reads={"ingress": "IpPermissions", "egress": "IpPermissionsEgress", "vpcId": "VpcId", "revokeRulesOnDelete": ""},
    filled=frozenset({"ingress", "egress", "vpcId"}),
    outputs={**OWNER, "description": "Description", "name": "GroupName"},
    **{**_GROUP, "tags": replace(ec2_tags("security-group"), sent="")},
)


def _revoke(cloud: Cloud, object_id: str, inputs: Props) -> None:
    """Revoke all rules of a group."""
    ec2 = cloud.at(inputs.get("region")).ec2
    live = ec2.describe_security_groups(GroupIds=[object_id])["SecurityGroups"][0]
    if live.get("IpPermissions"):
        ec2.revoke_security_group_ingress(GroupId=object_id, IpPermissions=live["IpPermissions"])
    if live.get("IpPermissionsEgress"):
        ec2.revoke_security_group_egress(GroupId=object_id, IpPermissions=live["IpPermissionsEgress"])


def _emptied(row: Row[Cloud], always: bool) -> Row[Cloud]:
    """Return the row of a group whose rules are revoked after creation, and optionally at every update."""
    wait: Callable[[Cloud, str, Props], Props | None] | None = row.wait_until_ready
    update: Callable[[Cloud, str, Props, Props], Props | None] | None = row.update

    def emptied(cloud: Cloud, group: str, inputs: Props) -> Props | None:
        _revoke(cloud, group, inputs)
        return wait(cloud, group, inputs) if wait else None

    def updated(cloud: Cloud, group: str, old: Props, new: Props) -> Props | None:
        _revoke(cloud, group, new)
        return update(cloud, group, old, new) if update else None

    return replace(row, wait_until_ready=emptied, update=updated if always else update)


def _describe(arguments: dict[str, Any]) -> dict[str, Any]:
    """Move the description to the rule's peer."""
    permission = arguments["IpPermissions"][0]
    ranges = permission.get("IpRanges", [{}])[0]
    if "Description" in ranges and "CidrIp" not in ranges:
        del permission["IpRanges"]
        for peer in ("Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"):
            for described in permission.get(peer, []):
                described["Description"] = ranges["Description"]
    return arguments


def _every_port(arguments: dict[str, Any]) -> dict[str, Any]:
    """Set all ports for a rule of all protocols."""
    rule = arguments["SecurityGroupRules"][0].get("SecurityGroupRule", {})
    if rule.get("IpProtocol") == "-1":
        rule |= {"FromPort": -1, "ToPort": -1}
    return arguments


def _rule(side: str) -> ApiType:
    permission = "IpPermissions[0]"
    places = {
        "ipProtocol": f"{permission}.IpProtocol",
        "fromPort": f"{permission}.FromPort",
        "toPort": f"{permission}.ToPort",
        "cidrIpv4": f"{permission}.IpRanges[0].CidrIp",
        "cidrIpv6": f"{permission}.Ipv6Ranges[0].CidrIpv6",
        "prefixListId": f"{permission}.PrefixListIds[0].PrefixListId",
        "referencedSecurityGroupId": f"{permission}.UserIdGroupPairs[0].GroupId",
    }
    inside = "SecurityGroupRules[0].SecurityGroupRule"
    modify = Call(
        "ModifySecurityGroupRules",
        frozenset({"description", *places}),
        names={"referencedSecurityGroupId": f"{inside}.ReferencedGroupId"},
        inside=inside,
        fixed={"GroupId": "{securityGroupId}", "SecurityGroupRules[0].SecurityGroupRuleId": "{id}"},
        finish=_every_port,
    )
    revoke = {"GroupId": "{securityGroupId}", "SecurityGroupRuleIds": ["{id}"]}
    return ApiType(
        f"aws:vpc/securityGroup{side}Rule:SecurityGroup{side}Rule",
        "ec2",
        Call(
            f"AuthorizeSecurityGroup{side}",
            frozenset({"description", "securityGroupId", *places}),
            names={**places, "description": f"{permission}.IpRanges[0].Description", "securityGroupId": "GroupId"},
            finish=_describe,
        ),
        Call("DescribeSecurityGroupRules", fixed={"SecurityGroupRuleIds": ["{id}"]}),
        "SecurityGroupRules[0]",
        "SecurityGroupRules[0].SecurityGroupRuleId",
        changes=(modify,),
        deletes=(Call(f"RevokeSecurityGroup{side}", fixed=revoke),),
        reads={
            # Informational; the emulator returns it only for CIDR ranges.
            "description": "",
            "securityGroupId": "GroupId",
            "referencedSecurityGroupId": "ReferencedGroupInfo.GroupId",
            **{name: name[0].upper() + name[1:] for name in places if name != "referencedSecurityGroupId"},
        },
        outputs={"securityGroupRuleId": "SecurityGroupRuleId"},
        derived=ec2_arn("security-group-rule"),
        tags=ec2_tags("security-group-rule"),
    )


ROWS: Final[tuple[Row[Cloud], ...]] = (
    _emptied(
        row(
            GROUP,
            defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
            autoname="name",
            autoname_length=255,
            unsupported={**_APART, "namePrefix": "give it a name"},
        ),
        always=False,
    ),
    _emptied(
        row(
            DEFAULT_GROUP,
            required=("vpcId",),
            replace=frozenset({"vpcId"}),
            defaults={"revokeRulesOnDelete": False},
            unsupported=_APART,
        ),
        always=True,
    ),
    row(_rule("Ingress"), required=("ipProtocol", "securityGroupId")),
    row(_rule("Egress"), required=("ipProtocol", "securityGroupId")),
)
