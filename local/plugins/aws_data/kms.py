"""Rows of the aws plugin for KMS keys and aliases."""

from typing import Any, Final

from local.plugins.aws.aws_api import Cloud, found, given, mapping, pairs, retag
from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row


def _kms_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return pairs(tags, "TagKey", "TagValue")


def _create_key(cloud: Cloud, inputs: Props) -> str:
    answer = cloud.kms.create_key(
        **given(
            Description=inputs.get("description", ""),
            KeyUsage=inputs.get("keyUsage"),
            KeySpec=inputs.get("customerMasterKeySpec"),
            MultiRegion=inputs.get("multiRegion"),
            Policy=inputs.get("policy"),
            BypassPolicyLockoutSafetyCheck=inputs.get("bypassPolicyLockoutSafetyCheck"),
            Tags=_kms_tags(cloud.all_tags(inputs)) or None,
        )
    )["KeyMetadata"]["KeyId"]
    _set_rotation(cloud, answer, inputs)
    if inputs.get("isEnabled") is False:
        cloud.kms.disable_key(KeyId=answer)
    return str(answer)


def _set_rotation(cloud: Cloud, key: str, inputs: Props) -> None:
    if inputs.get("enableKeyRotation"):
        cloud.kms.enable_key_rotation(KeyId=key, **given(RotationPeriodInDays=inputs.get("rotationPeriodInDays")))


def _read_key(cloud: Cloud, key: str, inputs: Props) -> Props | None:
    answer = found(cloud.kms.describe_key, KeyId=key)
    if answer is None or answer["KeyMetadata"]["KeyState"] == "PendingDeletion":
        return None
    live: dict[str, Any] = answer["KeyMetadata"]
    rotation = cloud.kms.get_key_rotation_status(KeyId=key)
    tags = mapping(cloud.kms.list_resource_tags(KeyId=key).get("Tags"), "TagKey", "TagValue")
    return {
        "arn": live["Arn"],
        "bypassPolicyLockoutSafetyCheck": inputs.get("bypassPolicyLockoutSafetyCheck", False),
        "customKeyStoreId": live.get("CustomKeyStoreId", ""),
        "customerMasterKeySpec": live.get("KeySpec") or live.get("CustomerMasterKeySpec"),
        "description": live.get("Description", ""),
        "enableKeyRotation": rotation["KeyRotationEnabled"],
        "isEnabled": live["Enabled"],
        "keyId": live["KeyId"],
        "keyUsage": live["KeyUsage"],
        "multiRegion": live.get("MultiRegion", False),
        "policy": cloud.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
        "region": cloud.region,
        "rotationPeriodInDays": rotation.get("RotationPeriodInDays") if rotation["KeyRotationEnabled"] else None,
        "xksKeyId": "",
        **cloud.show_tags(tags, inputs),
    }


def _update_key(cloud: Cloud, key: str, old: Props, new: Props) -> None:
    if new.get("isEnabled", True) and not old.get("isEnabled", True):
        cloud.kms.enable_key(KeyId=key)
    if old.get("description", "") != new.get("description", ""):
        cloud.kms.update_key_description(KeyId=key, Description=new.get("description", ""))
    if "policy" in new and old.get("policy") != new["policy"]:
        cloud.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=new["policy"])
    if new.get("enableKeyRotation"):
        _set_rotation(cloud, key, new)
    elif old.get("enableKeyRotation"):
        cloud.kms.disable_key_rotation(KeyId=key)
    retag(
        cloud.all_tags(old),
        cloud.all_tags(new),
        lambda tags: cloud.kms.tag_resource(KeyId=key, Tags=_kms_tags(tags)),
        lambda names: cloud.kms.untag_resource(KeyId=key, TagKeys=names),
    )
    if new.get("isEnabled", True) is False and old.get("isEnabled", True):
        cloud.kms.disable_key(KeyId=key)


def _delete_key(cloud: Cloud, key: str, state: Props) -> None:
    answer = found(cloud.kms.describe_key, KeyId=key)
    if answer is not None and answer["KeyMetadata"]["KeyState"] != "PendingDeletion":
        cloud.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=int(state.get("deletionWindowInDays") or 30))


def _key_id(name: Any) -> Any:
    return str(name).rpartition(":key/")[2]


def _create_alias(cloud: Cloud, inputs: Props) -> str:
    cloud.kms.create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
    return str(inputs["name"])


def _read_alias(cloud: Cloud, name: str, _inputs: Props) -> Props | None:
    for page in cloud.kms.get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == name:
                target = alias.get("TargetKeyId", "")
                return {
                    "arn": alias["AliasArn"],
                    "name": name,
                    "region": cloud.region,
                    "targetKeyArn": f"{alias['AliasArn'].rpartition(':')[0]}:key/{target}",
                    "targetKeyId": target,
                }
    return None


def _update_alias(cloud: Cloud, name: str, _old: Props, new: Props) -> None:
    cloud.kms.update_alias(AliasName=name, TargetKeyId=new["targetKeyId"])


def _delete_alias(cloud: Cloud, name: str, _state: Props) -> None:
    found(cloud.kms.delete_alias, AliasName=name)


ROWS: Final[tuple[Row[Cloud], ...]] = (
    Row(
        "aws:kms/key:Key",
        _create_key,
        _read_key,
        _update_key,
        _delete_key,
        replace=frozenset(
            {"customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "region", "xksKeyId"}
        ),
        defaults={
            "bypassPolicyLockoutSafetyCheck": False,
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "isEnabled": True,
            "keyUsage": "ENCRYPT_DECRYPT",
        },
        computed=("arn", "keyId", "region", "tagsAll"),
        volatile=("tagsAll",),
        json=frozenset({"policy"}),
    ),
    Row(
        "aws:kms/alias:Alias",
        _create_alias,
        _read_alias,
        _update_alias,
        _delete_alias,
        required=("targetKeyId",),
        replace=frozenset({"name", "namePrefix", "region"}),
        autoname="name",
        autoname_prefix="alias/",
        computed=("arn", "region", "targetKeyArn"),
        volatile=("targetKeyArn",),
        normalisers={"targetKeyId": _key_id},
    ),
)
