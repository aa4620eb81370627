"""CloudTrail log bucket, with object lock and a replica in the second region."""

from dataclasses import dataclass

import pulumi

from infra.blocks.bucket import Bucket, BucketArgs, BucketRef, ObjectLock, Retention
from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.providers import AwsAccount
from infra.settings import DataClass, Settings, names
from infra.storage.access_logs import AccessLogs
from infra.storage.backup_role import BackupRole
from infra.storage.hospital_buckets import AUDIT_DAYS
from infra.storage.replication import Replication, ReplicationArgs, ReplicationRole

_CLOUDTRAIL = "cloudtrail.amazonaws.com"


@dataclass(frozen=True)
class AuditLogBucketArgs:
    """Arguments of the audit-log bucket.

    Parameters
    ----------
    settings, aws
        The stack's settings and the AWS providers.
    backup_role
        The role of AWS Backup.
    access_logs
        Buckets that receive its server access logs.
    """

    settings: Settings
    aws: AwsAccount
    backup_role: BackupRole
    access_logs: AccessLogs


class AuditLogBucket(pulumi.ComponentResource):
    """Bucket of CloudTrail's log files; the roles of AWS Backup and of replication alone access its objects."""

    bucket: BucketRef

    def __init__(self, name: str, args: AuditLogBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Records", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        # Built from the role's name, so that the key depends on the role.
        backup_arn = pulumi.Output.concat(f"arn:aws:iam::{settings.account}:role/", args.backup_role.name)
        access_logs = args.access_logs
        if not settings.tier.replicate:
            self.bucket = _bucket(name, "", args, access_logs.primary, (backup_arn,), (args.backup_role.arn,), child)
        else:
            secondary = pulumi.ResourceOptions(parent=self, providers={"aws": args.aws.secondary})
            replication_role = ReplicationRole(f"{name}-replication", settings, names.SHARED, child)
            key_users = (backup_arn, replication_role.role.arn)
            principals = (args.backup_role.arn, replication_role.arn)
            self.bucket = _bucket(name, "", args, access_logs.primary, key_users, principals, child)
            replica = _bucket(name, "-replica", args, access_logs.secondary, key_users, principals, secondary)
            Replication(
                name,
                ReplicationArgs(
                    replication_role,
                    (settings.region, settings.second_region),
                    {DataClass.AUDIT: self.bucket},
                    {DataClass.AUDIT: replica},
                ),
                child,
            )
        self.register_outputs({"bucket": self.bucket.bucket})


def _bucket(
    name: str,
    suffix: str,
    args: AuditLogBucketArgs,
    access_logs: pulumi.Input[str] | None,
    key_users: tuple[pulumi.Input[str], ...],
    principals: tuple[str, ...],
    opts: pulumi.ResourceOptions,
) -> BucketRef:
    settings = args.settings
    # CloudTrail delivers to the source bucket, and S3 to the replica.
    services = () if suffix else (_CLOUDTRAIL,)
    key = PlatformKey(
        f"{name}{suffix}",
        PlatformKeyArgs(settings, str(DataClass.AUDIT), services=services, roles=key_users, data=DataClass.AUDIT),
        opts,
    )
    lock = ObjectLock("COMPLIANCE", AUDIT_DAYS) if settings.tier.lock_records else None
    bucket = Bucket(
        f"{name}{suffix}",
        BucketArgs(
            settings,
            names.bucket(settings.environment, names.SHARED, DataClass.AUDIT) + suffix,
            names.tags(settings.environment, names.SHARED, DataClass.AUDIT, backup="daily"),
            key.arn,
            Retention(AUDIT_DAYS, AUDIT_DAYS, lock),
            principals=principals,
            services=services,
            access_logs=access_logs,
        ),
        opts,
    )
    return BucketRef(bucket.bucket, bucket.arn, key.arn, bucket.ready)
