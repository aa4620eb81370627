"""Rows of the aws plugin for RDS subnet groups and parameter groups."""

from dataclasses import replace
from typing import Final

from botocore.exceptions import ClientError

from local.plugins.aws.aws_api import Cloud, not_emulated
from local.plugins.aws.calls import NOT_EMULATED, ApiType, Call, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row

_ARN: Final = {"ResourceName": "{arn}"}
TAGS: Final = Tags(
    Call("AddTagsToResource", frozenset(), fixed=_ARN),
    Call("RemoveTagsFromResource", frozenset(), fixed=_ARN),
    shown="TagList",
    read=Call("ListTagsForResource", fixed=_ARN),
)

_GROUP: Final = {"DBSubnetGroupName": "{id}"}

SUBNETS: Final = ApiType(
    "aws:rds/subnetGroup:SubnetGroup",
    "rds",
    Call("CreateDBSubnetGroup", names={"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"}),
    Call("DescribeDBSubnetGroups", fixed=_GROUP),
    "DBSubnetGroups[0]",
    "{name}",
    changes=(
        Call(
            "ModifyDBSubnetGroup",
            frozenset({"description", "subnetIds"}),
            names={"description": "DBSubnetGroupDescription"},
            fixed=_GROUP,
        ),
    ),
    deletes=(Call("DeleteDBSubnetGroup", fixed=_GROUP),),
    reads={"subnetIds": "Subnets[].SubnetIdentifier"},
    outputs={"supportedNetworkTypes": "SupportedNetworkTypes", "vpcId": "VpcId"},
    derived={"arn": "arn:{partition}:rds:{region}:{account}:subgrp:{name}"},
    tags=TAGS,
)

_PARAMETERS: Final = {"DBClusterParameterGroupName": "{id}"}

PARAMETERS: Final = ApiType(
    "aws:rds/clusterParameterGroup:ClusterParameterGroup",
    "rds",
    Call(
        "CreateDBClusterParameterGroup",
        names={"name": "DBClusterParameterGroupName", "family": "DBParameterGroupFamily"},
    ),
    Call("DescribeDBClusterParameterGroups", fixed=_PARAMETERS),
    "DBClusterParameterGroups[0]",
    "{name}",
    changes=(Call("ModifyDBClusterParameterGroup", frozenset({"parameters"}), fixed=_PARAMETERS),),
    deletes=(Call("DeleteDBClusterParameterGroup", fixed=_PARAMETERS),),
    more={"Written": Call("DescribeDBClusterParameters", fixed={**_PARAMETERS, "Source": "user"})},
    reads={"parameters": "Written.Parameters"},
    words={f"parameters.{name}": f"parameter{name.capitalize()}" for name in ("name", "value")},
    derived={"arn": "arn:{partition}:rds:{region}:{account}:cluster-pg:{name}"},
    tags=TAGS,
)

_PARAMETERS_ROW: Final = row(
    PARAMETERS,
    required=("family",),
    autoname="name",
    autoname_length=255,
    defaults={"description": "Managed by Pulumi"},
    unordered=frozenset({"parameters"}),
    unsupported={"namePrefix": "give it a name"},
)


def _update_parameters(cloud: Cloud, object_id: str, old: Props, new: Props) -> Props | None:
    """Set the declared parameters, after resetting those that are no longer declared."""
    kept = {parameter["name"] for parameter in new.get("parameters") or []}
    gone = [parameter for parameter in old.get("parameters") or [] if parameter["name"] not in kept]
    outputs: Props = {}
    if gone and not new.get(NOT_EMULATED):
        reset = [{"ParameterName": each["name"], "ApplyMethod": "pending-reboot"} for each in gone]
        try:
            cloud.at(new.get("region")).rds.reset_db_cluster_parameter_group(
                DBClusterParameterGroupName=object_id, Parameters=reset
            )
        except ClientError as error:
            if not_emulated(error) is None:
                raise
            outputs = {NOT_EMULATED: True}
    if _PARAMETERS_ROW.update is not None:
        outputs |= _PARAMETERS_ROW.update(cloud, object_id, old, new) or {}
    return outputs or None


ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(
        SUBNETS,
        required=("subnetIds",),
        autoname="name",
        autoname_length=255,
        defaults={"description": "Managed by Pulumi"},
        unordered=frozenset({"subnetIds"}),
        unsupported={"namePrefix": "give it a name"},
    ),
    replace(_PARAMETERS_ROW, update=_update_parameters),
)
