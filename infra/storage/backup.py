"""Copies of what holds patients' data: each day, locked, in a second region too, and brought back as a test."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import backup, iam

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.providers import Account
from infra.settings import names
from infra.settings.values import Settings
from infra.storage.backup_role import BackupRole

KEPT_DAYS = 35
# A lock can be taken back for three days, the least that AWS allows; after that nobody can.
REGRET_DAYS = 3
DAILY = "cron(0 5 * * ? *)"
MONTHLY = "cron(0 9 1 * ? *)"
TAG = f"{names.DOMAIN}/backup"
DAILY_TAG = "daily"
# What a restore test brings back: types of resources that carry the tag.
TESTED = ("S3", "Aurora")
_POLICIES = (
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "service-role/AWSBackupServiceRolePolicyForRestores",
    "AWSBackupServiceRolePolicyForS3Backup",
    "AWSBackupServiceRolePolicyForS3Restore",
)


@dataclass(frozen=True)
class BackupArgs:
    """What is copied, and by whom.

    Parameters
    ----------
    settings, account
        The environment, and its account in both regions.
    role
        Who AWS Backup is.
    """

    settings: Settings
    account: Account
    role: BackupRole


class Backup(pulumi.ComponentResource):
    """Vaults, the daily plan over everything with the tag ``backup: daily``, and the monthly test of a restore."""

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        here = pulumi.ResourceOptions(providers={"aws": args.account.here})
        super().__init__("healthcare-mlops:infra:Backup", name, None, pulumi.ResourceOptions.merge(opts, here))
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        may = [
            iam.RolePolicyAttachment(
                f"{name}-{policy.rpartition('/')[2]}",
                role=args.role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=child,
            )
            for policy in _POLICIES
        ]
        vault = _vault(name, _called(settings), settings, child)
        copies = []
        if settings.tier.replicate:
            there = pulumi.ResourceOptions(parent=self, providers={"aws": args.account.second})
            away = _vault(f"{name}-second", f"{_called(settings)}-second", settings, there)
            copies = [
                backup.PlanRuleCopyActionArgs(
                    destination_vault_arn=_arn(settings, settings.second_region, away),
                    lifecycle=backup.PlanRuleCopyActionLifecycleArgs(delete_after=KEPT_DAYS),
                )
            ]
        plan = backup.Plan(
            name,
            name=_called(settings),
            rules=[
                backup.PlanRuleArgs(
                    rule_name="daily",
                    target_vault_name=vault,
                    schedule=DAILY,
                    start_window=60,
                    completion_window=480,
                    lifecycle=backup.PlanRuleLifecycleArgs(delete_after=KEPT_DAYS),
                    copy_actions=copies,
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
            opts=pulumi.ResourceOptions(parent=self, depends_on=may),
        )
        self._tests(name, args, vault, may)
        self.register_outputs({})

    def _tests(
        self, name: str, args: BackupArgs, vault: pulumi.Output[str], may: list[iam.RolePolicyAttachment]
    ) -> None:
        """Declare the monthly restore of the newest copy of each kind, into resources that are gone a day later."""
        settings = args.settings
        tests = backup.RestoreTestingPlan(
            name,
            name=_called(settings).replace("-", "_"),
            schedule_expression=MONTHLY,
            start_window_hours=8,
            recovery_point_selection=backup.RestoreTestingPlanRecoveryPointSelectionArgs(
                algorithm="LATEST_WITHIN_WINDOW",
                include_vaults=[_arn(settings, settings.region, vault)],
                recovery_point_types=["SNAPSHOT", "CONTINUOUS"],
                selection_window_days=KEPT_DAYS,
            ),
            tags=names.tags(settings.environment, names.SHARED, phi=False),
            opts=pulumi.ResourceOptions(parent=self),
        )
        for kind in TESTED:
            backup.RestoreTestingSelection(
                f"{name}-{kind.lower()}",
                name=kind.lower(),
                restore_testing_plan_name=tests.name,
                protected_resource_type=kind,
                protected_resource_conditions=backup.RestoreTestingSelectionProtectedResourceConditionsArgs(
                    string_equals=[
                        backup.RestoreTestingSelectionProtectedResourceConditionsStringEqualArgs(
                            key=f"aws:ResourceTag/{TAG}", value=DAILY_TAG
                        )
                    ]
                ),
                iam_role_arn=args.role.arn,
                validation_window_hours=24,
                opts=pulumi.ResourceOptions(parent=self, depends_on=may),
            )


def _called(settings: Settings) -> str:
    return names.stem(settings.environment)


def _arn(settings: Settings, region: str, vault: pulumi.Output[str]) -> pulumi.Output[str]:
    return pulumi.Output.concat(f"arn:aws:backup:{region}:{settings.account}:backup-vault:", vault)


def _vault(name: str, called: str, settings: Settings, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Declare a vault with a key of its own, and return its name."""
    protect = settings.tier.protect_data
    key = PlatformKey(name, PlatformKeyArgs(settings, "backup", through=("backup",)), opts)
    vault = backup.Vault(
        name,
        name=called,
        kms_key_arn=key.arn,
        force_destroy=not protect,
        tags=names.tags(settings.environment, names.SHARED, phi=True),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=protect)),
    )
    if settings.tier.lock_records:
        backup.VaultLockConfiguration(
            name,
            backup_vault_name=vault.name,
            min_retention_days=KEPT_DAYS,
            changeable_for_days=REGRET_DAYS,
            opts=opts,
        )
    return vault.name
