"""Rows of the aws plugin for AWS Backup vaults, plans, selections and restore tests."""

from dataclasses import replace
from typing import Any, Final

from botocore.exceptions import ClientError

from local.plugins.aws.aws_api import Cloud, not_emulated
from local.plugins.aws.calls import ApiType, Call, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row


def _tags(sent: str) -> Tags:
    arn = {"ResourceArn": "{arn}"}
    return Tags(
        Call("TagResource", frozenset(), fixed=arn),
        Call("UntagResource", frozenset(), fixed=arn),
        sent=sent,
        out="TagKeyList",
        read=Call("ListTags", fixed=arn),
    )


_VAULT: Final = {"BackupVaultName": "{id}"}

VAULT: Final = ApiType(
    "aws:backup/vault:Vault",
    "backup",
    Call("CreateBackupVault", names={"name": "BackupVaultName", "kmsKeyArn": "EncryptionKeyArn"}),
    Call("DescribeBackupVault", fixed=_VAULT),
    "@",
    "{name}",
    deletes=(Call("DeleteBackupVault", fixed=_VAULT),),
    reads={"forceDestroy": ""},
    filled=frozenset({"kmsKeyArn"}),
    outputs={"recoveryPoints": "NumberOfRecoveryPoints"},
    derived={"arn": "arn:{partition}:backup:{region}:{account}:backup-vault:{name}"},
    tags=_tags("BackupVaultTags"),
)

_VAULT_ROW: Final = row(VAULT, autoname="name", autoname_length=50, defaults={"forceDestroy": False})


def _delete_vault(cloud: Cloud, object_id: str, state: Props) -> None:
    """Delete a vault, with its recovery points if ``forceDestroy`` is set."""
    if state.get("forceDestroy"):
        _empty_vault(cloud.at(state.get("region")), object_id)
    if _VAULT_ROW.delete is not None:
        _VAULT_ROW.delete(cloud, object_id, state)


def _empty_vault(cloud: Cloud, name: str) -> None:
    pages = cloud.backup.get_paginator("list_recovery_points_by_backup_vault")
    try:
        points = pages.paginate(BackupVaultName=name).search("RecoveryPoints[].RecoveryPointArn")
        for point in points:
            cloud.backup.delete_recovery_point(BackupVaultName=name, RecoveryPointArn=point)
    except ClientError as error:
        # The emulator creates no recovery points, so there are none to delete.
        if not_emulated(error) is None:
            raise


LOCK: Final = ApiType(
    "aws:backup/vaultLockConfiguration:VaultLockConfiguration",
    "backup",
    Call("PutBackupVaultLockConfiguration"),
    Call("DescribeBackupVault", fixed=_VAULT),
    "[@][?Locked] | [0]",
    "{backupVaultName}",
    changes=(
        Call(
            "PutBackupVaultLockConfiguration",
            frozenset({"changeableForDays", "maxRetentionDays", "minRetentionDays"}),
            fixed=_VAULT,
        ),
    ),
    deletes=(Call("DeleteBackupVaultLockConfiguration", fixed=_VAULT),),
    # Returned as the date on which the period ends.
    reads={"changeableForDays": ""},
    outputs={"backupVaultArn": "BackupVaultArn"},
)

_RULES: Final = {
    "targetVaultName": "targetBackupVaultName",
    "schedule": "scheduleExpression",
    "startWindow": "startWindowMinutes",
    "completionWindow": "completionWindowMinutes",
    "copyActions.destinationVaultArn": "destinationBackupVaultArn",
    **{
        f"{where}lifecycle.{name}": word
        for where in ("", "copyActions.")
        for name, word in (("coldStorageAfter", "moveToColdStorageAfterDays"), ("deleteAfter", "deleteAfterDays"))
    },
}

PLAN: Final = ApiType(
    "aws:backup/plan:Plan",
    "backup",
    Call("CreateBackupPlan", names={"name": "BackupPlan.BackupPlanName"}, inside="BackupPlan"),
    Call("GetBackupPlan", fixed={"BackupPlanId": "{id}"}),
    "@",
    "BackupPlanId",
    changes=(
        # A version contains the whole plan.
        Call(
            "UpdateBackupPlan",
            names={"name": "BackupPlan.BackupPlanName"},
            inside="BackupPlan",
            fixed={"BackupPlanId": "{id}"},
        ),
    ),
    deletes=(Call("DeleteBackupPlan", fixed={"BackupPlanId": "{id}"}),),
    outputs={"version": "VersionId"},
    derived={"arn": "arn:{partition}:backup:{region}:{account}:backup-plan:{id}"},
    words={f"rules.{name}": word for name, word in _RULES.items()},
    tags=_tags("BackupPlanTags"),
)

_CHOSEN: Final = "BackupSelection"
_CONDITIONS: Final = ("stringEquals", "stringNotEquals", "stringLikes", "stringNotLikes")

SELECTION: Final = ApiType(
    "aws:backup/selection:Selection",
    "backup",
    Call(
        "CreateBackupSelection",
        names={
            "planId": "BackupPlanId",
            "name": f"{_CHOSEN}.SelectionName",
            "selectionTags": f"{_CHOSEN}.ListOfTags",
        },
        inside=_CHOSEN,
    ),
    Call("GetBackupSelection", fixed={"BackupPlanId": "{planId}", "SelectionId": "{id}"}),
    "@",
    "SelectionId",
    deletes=(Call("DeleteBackupSelection", fixed={"BackupPlanId": "{planId}", "SelectionId": "{id}"}),),
    words={
        **{f"selectionTags.{name}": f"condition{name.capitalize()}" for name in ("type", "key", "value")},
        **{
            f"conditions.{kind}.{name}": f"condition{name.capitalize()}"
            for kind in _CONDITIONS
            for name in ("key", "value")
        },
    },
)

_TESTED: Final = "RestoreTestingPlan"
_PLAN_NAME: Final = {"RestoreTestingPlanName": "{id}"}

RESTORE_PLAN: Final = ApiType(
    "aws:backup/restoreTestingPlan:RestoreTestingPlan",
    "backup",
    Call("CreateRestoreTestingPlan", names={"name": f"{_TESTED}.RestoreTestingPlanName"}, inside=_TESTED),
    Call("GetRestoreTestingPlan", fixed=_PLAN_NAME),
    _TESTED,
    "{name}",
    changes=(
        Call(
            "UpdateRestoreTestingPlan",
            frozenset(
                {"recoveryPointSelection", "scheduleExpression", "scheduleExpressionTimezone", "startWindowHours"}
            ),
            inside=_TESTED,
            fixed=_PLAN_NAME,
        ),
    ),
    deletes=(Call("DeleteRestoreTestingPlan", fixed=_PLAN_NAME),),
    reads={"name": "RestoreTestingPlanName"},
    filled=frozenset({"scheduleExpressionTimezone", "startWindowHours"}),
    outputs={"arn": "RestoreTestingPlanArn"},
    tags=_tags("Tags"),
)

_RESTORED: Final = "RestoreTestingSelection"
_SELECTED: Final = {
    "RestoreTestingPlanName": "{restoreTestingPlanName}",
    "RestoreTestingSelectionName": "{name}",
}

RESTORE_SELECTION: Final = ApiType(
    "aws:backup/restoreTestingSelection:RestoreTestingSelection",
    "backup",
    Call("CreateRestoreTestingSelection", names={"name": f"{_RESTORED}.RestoreTestingSelectionName"}, inside=_RESTORED),
    Call("GetRestoreTestingSelection", fixed=_SELECTED),
    _RESTORED,
    "{name}:{restoreTestingPlanName}",
    changes=(
        Call(
            "UpdateRestoreTestingSelection",
            frozenset(
                {
                    "iamRoleArn",
                    "protectedResourceArns",
                    "protectedResourceConditions",
                    "restoreMetadataOverrides",
                    "validationWindowHours",
                }
            ),
            inside=_RESTORED,
            fixed=_SELECTED,
        ),
    ),
    deletes=(Call("DeleteRestoreTestingSelection", fixed=_SELECTED),),
    reads={"name": "RestoreTestingSelectionName"},
    filled=frozenset({"validationWindowHours"}),
)

_OFTEN: Final[dict[str, Any]] = {"unordered": frozenset({"notResources", "resources"})}

ROWS: Final[tuple[Row[Cloud], ...]] = (
    replace(_VAULT_ROW, delete=_delete_vault),
    row(LOCK, required=("backupVaultName",)),
    row(PLAN, required=("rules",), autoname="name", autoname_length=50, volatile=("version",)),
    row(SELECTION, required=("iamRoleArn", "planId"), autoname="name", autoname_length=50, **_OFTEN),
    row(RESTORE_PLAN, required=("name", "recoveryPointSelection", "scheduleExpression")),
    row(
        RESTORE_SELECTION,
        required=("iamRoleArn", "name", "protectedResourceType", "restoreTestingPlanName"),
        unordered=frozenset({"protectedResourceArns"}),
        delete_before_replace=True,
    ),
)
