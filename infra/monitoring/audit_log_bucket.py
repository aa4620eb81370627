"""Where the account's own records lie: a locked bucket for the trail, with a copy in the second region."""

from dataclasses import dataclass

import pulumi

from infra.blocks.bucket import Bucket, BucketArgs, Keep, Lock, Stored
from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.providers import Account
from infra.settings import names
from infra.settings.values import DataClass, Settings
from infra.storage.access_logs import AccessLogs
from infra.storage.backup_role import BackupRole
from infra.storage.hospital_buckets import AUDIT_DAYS
from infra.storage.replication import Replication, ReplicationArgs, ReplicationRole

_TRAIL = "cloudtrail.amazonaws.com"


@dataclass(frozen=True)
class RecordsArgs:
    """Who keeps and copies them.

    Parameters
    ----------
    settings, account
        The environment, and its account in both regions.
    backup
        Who takes copies for AWS Backup.
    access_logs
        Where access to them is recorded.
    """

    settings: Settings
    account: Account
    backup: BackupRole
    access_logs: AccessLogs


class Records(pulumi.ComponentResource):
    """The bucket that the trail writes to; nobody but who copies it may touch what is in it."""

    stored: Stored

    def __init__(self, name: str, args: RecordsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Records", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        keeper = pulumi.Output.concat(f"arn:aws:iam::{settings.account}:role/", args.backup.name)
        if not settings.tier.replicate:
            self.stored = _bucket(name, "", args, args.access_logs.here, (keeper,), (args.backup.arn,), child)
        else:
            there = pulumi.ResourceOptions(parent=self, providers={"aws": args.account.second})
            copier = ReplicationRole(f"{name}-replication", settings, names.SHARED, child)
            users = (keeper, copier.role.arn)
            touching = (args.backup.arn, copier.arn)
            self.stored = _bucket(name, "", args, args.access_logs.here, users, touching, child)
            copy = _bucket(name, "-replica", args, args.access_logs.second, users, touching, there)
            Replication(
                name,
                ReplicationArgs(
                    copier,
                    (settings.region, settings.second_region),
                    {DataClass.AUDIT: self.stored},
                    {DataClass.AUDIT: copy},
                ),
                child,
            )
        self.register_outputs({"bucket": self.stored.bucket})


def _bucket(
    name: str,
    suffix: str,
    args: RecordsArgs,
    access_logs: pulumi.Input[str] | None,
    users: tuple[pulumi.Input[str], ...],
    touching: tuple[str, ...],
    opts: pulumi.ResourceOptions,
) -> Stored:
    settings = args.settings
    # Only the original is written by the trail.
    services = () if suffix else (_TRAIL,)
    key = PlatformKey(
        f"{name}{suffix}",
        PlatformKeyArgs(settings, str(DataClass.AUDIT), services=services, roles=users, data=DataClass.AUDIT),
        opts,
    )
    lock = Lock("COMPLIANCE", AUDIT_DAYS) if settings.tier.lock_records else None
    bucket = Bucket(
        f"{name}{suffix}",
        BucketArgs(
            settings,
            names.bucket(settings.environment, names.SHARED, DataClass.AUDIT) + suffix,
            names.tags(settings.environment, names.SHARED, DataClass.AUDIT, backup="daily"),
            key.arn,
            Keep(AUDIT_DAYS, AUDIT_DAYS, lock),
            principals=touching,
            services=services,
            access_logs=access_logs,
        ),
        opts,
    )
    return Stored(bucket.bucket, bucket.arn, key.arn, bucket.ready)
