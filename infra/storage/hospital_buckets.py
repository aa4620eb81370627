"""Buckets of a hospital: one a data class, each with its KMS key and, in production, a replica."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from infra.blocks.bucket import NONCURRENT_DAYS, Bucket, BucketArgs, BucketRef, ObjectLock, Retention
from infra.blocks.bucket_grants import BucketGrant, readers_and_writers
from infra.blocks.bucket_policy import WriteOnce
from infra.blocks.kms_key import DataKey, DataKeyArgs
from infra.blocks.providers import AwsAccount
from infra.blocks.workload_roles import WorkloadRole, role_arn
from infra.settings import DataClass, Hospital, Leaving, Settings, names
from infra.storage.access_logs import AccessLogs
from infra.storage.backup_role import BackupRole
from infra.storage.data_export_role import DataExportRole
from infra.storage.replication import Replication, ReplicationArgs, ReplicationRole

AUDIT_DAYS = 7 * 365
# Six years (45 CFR 164.316(b)(2)): a release is evidence of what scored a patient.
RELEASE_DAYS = 6 * 365


@dataclass(frozen=True)
class HospitalStorageArgs:
    """Arguments of a hospital's buckets.

    Parameters
    ----------
    settings, hospital
        The stack's settings and the hospital's entry.
    aws
        The AWS providers.
    roles
        The roles of its workloads, which key and bucket policies name; of a leaving hospital, the
        data-export role, or that of the Job that removes its databases.
    grants
        S3 permissions of its workloads, by ServiceAccount.
    backup_role
        The role of AWS Backup.
    access_logs
        Buckets that receive server access logs.
    write_once
        Key prefixes whose objects are written once, by the workloads that may write there.
    """

    settings: Settings
    hospital: Hospital
    aws: AwsAccount
    roles: Sequence[WorkloadRole | DataExportRole]
    grants: Mapping[str, Sequence[BucketGrant]]
    backup_role: BackupRole
    access_logs: AccessLogs
    write_once: Mapping[DataClass, Sequence[str]] = field(default_factory=dict)


class HospitalStorage(pulumi.ComponentResource):
    """Buckets of a hospital with their keys and replication; ``buckets`` by data class."""

    buckets: dict[DataClass, BucketRef]

    def __init__(self, name: str, args: HospitalStorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:HospitalStorage", name, None, opts)
        settings, hospital = args.settings, args.hospital
        child = pulumi.ResourceOptions(parent=self)
        replication_role = None
        if settings.tier.replicate:
            replication_role = ReplicationRole(f"{name}-replication", settings, hospital.name, child)
        primary = _Region("", settings.region, args.access_logs.primary, "daily", child)
        depends_on = [*args.roles, args.backup_role, *([replication_role] if replication_role else [])]
        self.buckets = {
            data: _bucket(
                name,
                args,
                data,
                primary,
                _principals(args, data, replication_role),
                depends_on,
                _write_once(args, data),
            )
            for data in DataClass
        }
        if replication_role:
            opts_secondary = pulumi.ResourceOptions(parent=self, providers={"aws": args.aws.secondary})
            secondary = _Region("-replica", settings.second_region, args.access_logs.secondary, "", opts_secondary)
            # S3 replication alone accesses replicas, until disaster recovery changes their policies.
            principals = _Principals((), (replication_role.arn,))
            replicas = {
                data: _bucket(name, args, data, secondary, principals, [replication_role]) for data in DataClass
            }
            regions = (settings.region, settings.second_region)
            Replication(
                f"{name}-replication", ReplicationArgs(replication_role, regions, self.buckets, replicas), child
            )
        self.register_outputs({str(data): bucket.bucket for data, bucket in self.buckets.items()})


@dataclass(frozen=True)
class _Region:
    """Properties that differ between the buckets of the primary and of the second region."""

    suffix: str
    region: str
    access_logs: pulumi.Input[str] | None
    backup: str
    opts: pulumi.ResourceOptions


@dataclass(frozen=True)
class _Principals:
    """ARNs of the principals that read objects of a data class, and of those that write them."""

    readers: tuple[str, ...]
    writers: tuple[str, ...]


def _principals(args: HospitalStorageArgs, data: DataClass, replication_role: ReplicationRole | None) -> _Principals:
    settings = args.settings
    replication = (replication_role.arn,) if replication_role else ()
    readers, writers = (
        [role_arn(settings, args.hospital.name, workload) for workload in workloads]
        for workloads in readers_and_writers(args.grants, data)
    )
    if args.hospital.leaving:
        export = tuple(role.arn for role in args.roles if isinstance(role, DataExportRole))
        return _Principals((*export, *readers, *replication), (*writers, args.backup_role.arn))
    operators = settings.operators if settings.tier.operators_read_data else ()
    # The deployer reads release metadata; models contain no PHI.
    deployer = [settings.deployer] if data is DataClass.MODELS and settings.deployer not in operators else []
    return _Principals((*readers, *replication, *deployer), (*writers, args.backup_role.arn, *operators))


def _write_once(args: HospitalStorageArgs, data: DataClass) -> tuple[WriteOnce, ...]:
    return tuple(
        WriteOnce(
            prefix,
            tuple(
                role_arn(args.settings, args.hospital.name, workload)
                for workload, grants in args.grants.items()
                if any(grant.data is data and grant.prefix == prefix and grant.access.writes for grant in grants)
            ),
            (args.backup_role.arn,),
        )
        for prefix in args.write_once.get(data, ())
    )


def _bucket(
    name: str,
    args: HospitalStorageArgs,
    data: DataClass,
    region: _Region,
    principals: _Principals,
    depends_on: Sequence[pulumi.Resource],
    write_once: tuple[WriteOnce, ...] = (),
) -> BucketRef:
    settings, hospital = args.settings, args.hospital
    resource_name = f"{name}-{data}{region.suffix}"
    retention, deletable = _retention(settings, hospital, data), hospital.leaving is Leaving.RELEASED
    key = DataKey(
        resource_name,
        DataKeyArgs(
            settings=settings,
            hospital=hospital,
            data=data,
            region=region.region,
            readers=principals.readers,
            writers=principals.writers,
            depends_on=depends_on,
            protect=settings.tier.protect_data and not deletable,
            retain=deletable and retention.lock is not None,
        ),
        region.opts,
    )
    bucket = Bucket(
        resource_name,
        BucketArgs(
            settings=settings,
            bucket=names.bucket(settings.environment, hospital.name, data) + region.suffix,
            tags=names.tags(settings.environment, hospital.name, data, backup=region.backup),
            key_arn=key.arn,
            retention=retention,
            principals=(*principals.readers, *principals.writers),
            deletable=deletable,
            access_logs=region.access_logs,
            write_once=write_once,
        ),
        region.opts,
    )
    return BucketRef(bucket.bucket, bucket.arn, key.arn, bucket.ready)


def _retention(settings: Settings, hospital: Hospital, data: DataClass) -> Retention:
    object_lock = settings.tier.lock_records
    match data:
        case DataClass.RAW:
            return Retention(hospital.retention.raw_days, NONCURRENT_DAYS)
        case DataClass.CURATED | DataClass.IDENTITY:
            return Retention(hospital.retention.curated_days, NONCURRENT_DAYS)
        case DataClass.AUDIT:
            # Noncurrent versions of audit logs are evidence too.
            return Retention(AUDIT_DAYS, AUDIT_DAYS, ObjectLock("COMPLIANCE", AUDIT_DAYS) if object_lock else None)
        case DataClass.MODELS:
            # A release is evidence of what scored a patient, so models do not expire.
            return Retention(None, None, ObjectLock("GOVERNANCE", RELEASE_DAYS) if object_lock else None)
