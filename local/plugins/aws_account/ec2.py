"""Rows of the aws plugin for EC2 launch templates and default EBS encryption."""

from typing import Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call
from local.plugins.aws.ordinary import row
from local.plugins.aws_account.vpc import ec2_arn, ec2_tags
from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row

_DATA: Final = "LaunchTemplateData"
_PLACES: Final = {
    "description": "VersionDescription",
    "securityGroupNames": f"{_DATA}.SecurityGroups",
    "tagSpecifications": f"{_DATA}.TagSpecifications",
    "vpcSecurityGroupIds": f"{_DATA}.SecurityGroupIds",
}

TEMPLATE: Final = ApiType(
    "aws:ec2/launchTemplate:LaunchTemplate",
    "ec2",
    Call("CreateLaunchTemplate", names={**_PLACES, "name": "LaunchTemplateName"}, inside=_DATA),
    Call("DescribeLaunchTemplateVersions", fixed={"LaunchTemplateId": "{id}", "Versions": ["$Latest"]}),
    "LaunchTemplateVersions[0]",
    "LaunchTemplate.LaunchTemplateId",
    changes=(
        # A version contains all settings.
        Call("CreateLaunchTemplateVersion", names=_PLACES, inside=_DATA, fixed={"LaunchTemplateId": "{id}"}),
        Call(
            "ModifyLaunchTemplate",
            frozenset(),
            fixed={"LaunchTemplateId": "{id}", "DefaultVersion": "{latestVersion}"},
            asked="updateDefaultVersion",
        ),
    ),
    deletes=(Call("DeleteLaunchTemplate", fixed={"LaunchTemplateId": "{id}"}),),
    reads={"updateDefaultVersion": "", "name": "LaunchTemplateName"},
    more={"Template": Call("DescribeLaunchTemplates", fixed={"LaunchTemplateIds": ["{id}"]})},
    outputs={
        "defaultVersion": "Template.LaunchTemplates[0].DefaultVersionNumber",
        "latestVersion": "VersionNumber",
    },
    derived=ec2_arn("launch-template"),
    words={"networkInterfaces.securityGroups": "groups"},
    tags=ec2_tags("launch-template", shown="Template.LaunchTemplates[0].Tags"),
)

DEFAULT_KEY: Final = ApiType(
    "aws:ebs/defaultKmsKey:DefaultKmsKey",
    "ec2",
    Call("ModifyEbsDefaultKmsKeyId", names={"keyArn": "KmsKeyId"}),
    Call("GetEbsDefaultKmsKeyId"),
    "@",
    "{keyArn}",
    deletes=(Call("ResetEbsDefaultKmsKeyId"),),
    reads={"keyArn": "KmsKeyId"},
)


# --- encryption by default ---------------------------------------------------------------
def _put_encryption(cloud: Cloud, inputs: Props) -> str:
    ec2 = cloud.at(inputs.get("region")).ec2
    if inputs["enabled"]:
        ec2.enable_ebs_encryption_by_default()
    else:
        ec2.disable_ebs_encryption_by_default()
    return "default"


def _show_encryption(cloud: Cloud, _made: str, inputs: Props) -> Props:
    cloud = cloud.at(inputs.get("region"))
    return {"enabled": cloud.ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"], "region": cloud.region}


def _update_encryption(cloud: Cloud, _made: str, _old: Props, new: Props) -> None:
    _put_encryption(cloud, new)


ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(
        TEMPLATE,
        autoname="name",
        autoname_length=125,
        volatile=("latestVersion", "defaultVersion"),
        unsupported={
            "defaultVersion": "set updateDefaultVersion, which makes the last version the default",
            "namePrefix": "give it a name",
        },
    ),
    row(DEFAULT_KEY, required=("keyArn",)),
    Row(
        "aws:ebs/encryptionByDefault:EncryptionByDefault",
        _put_encryption,
        _show_encryption,
        _update_encryption,
        lambda cloud, _made, state: cloud.at(state.get("region")).ec2.disable_ebs_encryption_by_default(),
        replace=frozenset({"region"}),
        defaults={"enabled": True},
        computed=("region",),
    ),
)
