"""AWS Backup: vaults with lock, daily plan with copies in the second region, monthly restore test."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import backup, iam

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.providers import AwsAccount
from infra.settings import Settings, names
from infra.storage.backup_role import BackupRole

RETENTION_DAYS = 35
# Grace time of a compliance-mode vault lock, the minimum; afterwards the lock is immutable.
LOCK_GRACE_DAYS = 3
DAILY = "cron(0 5 * * ? *)"
MONTHLY = "cron(0 9 1 * ? *)"
TAG = f"{names.DOMAIN}/backup"
DAILY_TAG = "daily"
RESTORE_TESTED_TYPES = ("S3", "Aurora")
_MANAGED_POLICIES = (
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "service-role/AWSBackupServiceRolePolicyForRestores",
    "AWSBackupServiceRolePolicyForS3Backup",
    "AWSBackupServiceRolePolicyForS3Restore",
)


@dataclass(frozen=True)
class BackupArgs:
    """Arguments of the backups.

    Parameters
    ----------
    settings, aws
        The stack's settings and the AWS providers.
    role
        The role of AWS Backup.
    """

    settings: Settings
    aws: AwsAccount
    role: BackupRole


class Backup(pulumi.ComponentResource):
    """Backup vaults, the plan of resources with the tag ``backup: daily``, and the restore testing plan."""

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        primary = pulumi.ResourceOptions(providers={"aws": args.aws.primary})
        super().__init__("healthcare-mlops:infra:Backup", name, None, pulumi.ResourceOptions.merge(opts, primary))
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        role_policies = [
            iam.RolePolicyAttachment(
                f"{name}-{policy.rpartition('/')[2]}",
                role=args.role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=child,
            )
            for policy in _MANAGED_POLICIES
        ]
        full_name = names.stem(settings.environment)
        vault = _vault(name, full_name, settings, child)
        copy_actions = []
        if settings.tier.replicate:
            secondary = pulumi.ResourceOptions(parent=self, providers={"aws": args.aws.secondary})
            second_vault = _vault(f"{name}-second", f"{full_name}-second", settings, secondary)
            copy_actions = [
                backup.PlanRuleCopyActionArgs(
                    destination_vault_arn=_vault_arn(settings, settings.second_region, second_vault),
                    lifecycle=backup.PlanRuleCopyActionLifecycleArgs(delete_after=RETENTION_DAYS),
                )
            ]
        plan = backup.Plan(
            name,
            name=full_name,
            rules=[
                backup.PlanRuleArgs(
                    rule_name="daily",
                    target_vault_name=vault,
                    schedule=DAILY,
                    start_window=60,
                    completion_window=480,
                    lifecycle=backup.PlanRuleLifecycleArgs(delete_after=RETENTION_DAYS),
                    copy_actions=copy_actions,
                )
            ],
            tags=names.tags(settings.environment, names.SHARED, phi=False),
            opts=child,
        )
        backup.Selection(
            name,
            name="tagged-daily",
            plan_id=plan.id,
            iam_role_arn=args.role.arn,
            selection_tags=[backup.SelectionSelectionTagArgs(type="STRINGEQUALS", key=TAG, value=DAILY_TAG)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=role_policies),
        )
        self._restore_testing(name, args, vault, role_policies)
        self.register_outputs({})

    def _restore_testing(
        self, name: str, args: BackupArgs, vault: pulumi.Output[str], role_policies: list[iam.RolePolicyAttachment]
    ) -> None:
        """Declare the monthly restore of the latest recovery point of each type; AWS deletes the result after a day."""
        settings = args.settings
        plan = backup.RestoreTestingPlan(
            name,
            name=names.stem(settings.environment).replace("-", "_"),
            schedule_expression=MONTHLY,
            start_window_hours=8,
            recovery_point_selection=backup.RestoreTestingPlanRecoveryPointSelectionArgs(
                algorithm="LATEST_WITHIN_WINDOW",
                include_vaults=[_vault_arn(settings, settings.region, vault)],
                recovery_point_types=["SNAPSHOT", "CONTINUOUS"],
                selection_window_days=RETENTION_DAYS,
            ),
            tags=names.tags(settings.environment, names.SHARED, phi=False),
            opts=pulumi.ResourceOptions(parent=self),
        )
        for resource_type in RESTORE_TESTED_TYPES:
            backup.RestoreTestingSelection(
                f"{name}-{resource_type.lower()}",
                name=resource_type.lower(),
                restore_testing_plan_name=plan.name,
                protected_resource_type=resource_type,
                protected_resource_conditions=backup.RestoreTestingSelectionProtectedResourceConditionsArgs(
                    string_equals=[
                        backup.RestoreTestingSelectionProtectedResourceConditionsStringEqualArgs(
                            key=f"aws:ResourceTag/{TAG}", value=DAILY_TAG
                        )
                    ]
                ),
                iam_role_arn=args.role.arn,
                validation_window_hours=24,
                opts=pulumi.ResourceOptions(parent=self, depends_on=role_policies),
            )


def _vault_arn(settings: Settings, region: str, vault: pulumi.Output[str]) -> pulumi.Output[str]:
    return pulumi.Output.concat(f"arn:aws:backup:{region}:{settings.account}:backup-vault:", vault)


def _vault(name: str, full_name: str, settings: Settings, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Declare a backup vault with its KMS key, and return its name."""
    protect = settings.tier.protect_data
    key = PlatformKey(name, PlatformKeyArgs(settings, "backup", via=("backup",)), opts)
    vault = backup.Vault(
        name,
        name=full_name,
        kms_key_arn=key.arn,
        force_destroy=not protect,
        tags=names.tags(settings.environment, names.SHARED, phi=True),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=protect)),
    )
    if settings.tier.lock_records:
        backup.VaultLockConfiguration(
            name,
            backup_vault_name=vault.name,
            min_retention_days=RETENTION_DAYS,
            changeable_for_days=LOCK_GRACE_DAYS,
            opts=opts,
        )
    return vault.name
