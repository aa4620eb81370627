"""A hospital's buckets: each with its own key, for those who work on it, and a copy in the second region."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from infra.blocks.bucket import NONCURRENT_DAYS, Bucket, BucketArgs, Keep, Lock, Stored
from infra.blocks.kms_key import DataKey, DataKeyArgs
from infra.blocks.providers import Account
from infra.blocks.workload_roles import WorkloadRole, role_arn, users
from infra.settings import names
from infra.settings.values import DataClass, Hospital, Leaving, Settings
from infra.storage.access_logs import AccessLogs
from infra.storage.backup_role import BackupRole
from infra.storage.data_export_role import ExportRole
from infra.storage.replication import Replication, ReplicationArgs, ReplicationRole

AUDIT_DAYS = 7 * 365
# Six years (45 CFR 164.316(b)(2)): so long a release proves what scored a patient.
RELEASE_DAYS = 6 * 365


@dataclass(frozen=True)
class HospitalStorageArgs:
    """Whose buckets they are, and who works on them.

    Parameters
    ----------
    settings, hospital
        The environment and the hospital's entry.
    account
        The account in both regions.
    roles
        The roles of who works on its data, which keys and buckets name; of a leaving hospital, of who hands it over.
    backup
        Who takes copies for AWS Backup, and brings them back.
    access_logs
        Where access is recorded.
    """

    settings: Settings
    hospital: Hospital
    account: Account
    roles: Sequence[WorkloadRole | ExportRole]
    backup: BackupRole
    access_logs: AccessLogs


class HospitalStorage(pulumi.ComponentResource):
    """A hospital's buckets, each with its own key."""

    stored: dict[DataClass, Stored]

    def __init__(self, name: str, args: HospitalStorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:HospitalStorage", name, None, opts)
        settings, hospital = args.settings, args.hospital
        child = pulumi.ResourceOptions(parent=self)
        copier = None
        if settings.tier.replicate:
            copier = ReplicationRole(f"{name}-replication", settings, hospital.name, child)
        here = _Place("", settings.region, args.access_logs.here, "daily", child)
        ready = [*args.roles, args.backup, *([copier] if copier else [])]
        self.stored = {data: _store(name, args, data, here, _workers(args, data, copier), ready) for data in DataClass}
        if copier:
            away = pulumi.ResourceOptions(parent=self, providers={"aws": args.account.second})
            there = _Place("-replica", settings.second_region, args.access_logs.second, "", away)
            # Nobody but S3 itself reaches a copy, until a disaster makes somebody change this.
            alone = _Users((), (copier.arn,))
            copies = {data: _store(name, args, data, there, alone, [copier]) for data in DataClass}
            regions = (settings.region, settings.second_region)
            Replication(f"{name}-replication", ReplicationArgs(copier, regions, self.stored, copies), child)
        self.register_outputs({str(data): stored.bucket for data, stored in self.stored.items()})


@dataclass(frozen=True)
class _Place:
    """Where buckets are, and what differs there."""

    suffix: str
    region: str
    access_logs: pulumi.Input[str] | None
    backup: str
    opts: pulumi.ResourceOptions


@dataclass(frozen=True)
class _Users:
    """ARNs of who reads objects of a class, and of who writes them."""

    readers: tuple[str, ...]
    writers: tuple[str, ...]


def _workers(args: HospitalStorageArgs, data: DataClass, copier: ReplicationRole | None) -> _Users:
    settings = args.settings
    copiers = (copier.arn,) if copier else ()
    if args.hospital.leaving:
        return _Users(
            (*(role.arn for role in args.roles if isinstance(role, ExportRole)), *copiers), (args.backup.arn,)
        )
    operators = settings.operators if settings.tier.operators_read_data else ()
    readers, writers = ([role_arn(settings, args.hospital.name, name) for name in found] for found in users(data))
    # Who deploys a release reads what it says of itself; a model holds no patient's data.
    deployer = [settings.deployer] if data is DataClass.MODELS and settings.deployer not in operators else []
    return _Users((*readers, *copiers, *deployer), (*writers, args.backup.arn, *operators))


def _store(
    name: str,
    args: HospitalStorageArgs,
    data: DataClass,
    place: _Place,
    who: _Users,
    ready: Sequence[pulumi.Resource],
) -> Stored:
    settings, hospital = args.settings, args.hospital
    resource = f"{name}-{data}{place.suffix}"
    keep, released = _keep(settings, hospital, data), hospital.leaving is Leaving.RELEASED
    key = DataKey(
        resource,
        DataKeyArgs(
            settings=settings,
            hospital=hospital,
            data=data,
            region=place.region,
            readers=who.readers,
            writers=who.writers,
            after=ready,
            protect=settings.tier.protect_data and not released,
            retain=released and keep.lock is not None,
        ),
        place.opts,
    )
    bucket = Bucket(
        resource,
        BucketArgs(
            settings=settings,
            bucket=names.bucket(settings.environment, hospital.name, data) + place.suffix,
            tags=names.tags(settings.environment, hospital.name, data, backup=place.backup),
            key_arn=key.arn,
            keep=keep,
            principals=(*who.readers, *who.writers),
            released=released,
            access_logs=place.access_logs,
        ),
        place.opts,
    )
    return Stored(bucket.bucket, bucket.arn, key.arn, bucket.ready)


def _keep(settings: Settings, hospital: Hospital, data: DataClass) -> Keep:
    locked = settings.tier.lock_records
    match data:
        case DataClass.RAW:
            return Keep(hospital.raw_days, NONCURRENT_DAYS)
        case DataClass.CURATED | DataClass.IDENTITY:
            return Keep(hospital.curated_days, NONCURRENT_DAYS)
        case DataClass.AUDIT:
            # What was replaced here is evidence as well.
            return Keep(AUDIT_DAYS, AUDIT_DAYS, Lock("COMPLIANCE", AUDIT_DAYS) if locked else None)
        case DataClass.MODELS:
            # A release is evidence of what scored a patient, so models do not expire.
            return Keep(None, None, Lock("GOVERNANCE", RELEASE_DAYS) if locked else None)
