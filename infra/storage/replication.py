"""Replication: S3 copies a hospital's objects to buckets of the second region, under keys of that region."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import iam, s3

from infra.blocks.bucket import Stored
from infra.blocks.kms_key_policy import through_s3
from infra.blocks.service_trust import service_trust
from infra.blocks.workload_roles import role_arn
from infra.settings import names
from infra.settings.values import DataClass, Settings

_READ = ("s3:GetReplicationConfiguration", "s3:ListBucket")
_READ_OBJECTS = (
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectVersionTagging",
)
_WRITE_OBJECTS = ("s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags")


class ReplicationRole(pulumi.ComponentResource):
    """The role that S3 takes to copy a hospital's objects; keys and buckets name it, so it stands before them."""

    arn: str
    role: iam.Role

    def __init__(
        self, name: str, settings: Settings, hospital: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("healthcare-mlops:infra:ReplicationRole", name, None, opts)
        # Where S3 says for whom it copies, it must be for this account.
        here = {"StringEqualsIfExists": {"aws:SourceAccount": settings.account}}
        self.role = iam.Role(
            name,
            name=names.role(settings.environment, hospital, "replication"),
            assume_role_policy=service_trust("s3", here),
            tags=names.tags(settings.environment, hospital, phi=True),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = role_arn(settings, hospital, "replication")
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True)
class ReplicationArgs:
    """What is copied where.

    Parameters
    ----------
    copier
        The role that S3 takes.
    regions
        Where the originals and the copies are.
    originals, copies
        The buckets of each class.
    """

    copier: ReplicationRole
    regions: tuple[str, str]
    originals: Mapping[DataClass, Stored]
    copies: Mapping[DataClass, Stored]


class Replication(pulumi.ComponentResource):
    """What the role may do, and the rule of each bucket."""

    def __init__(self, name: str, args: ReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Replication", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        pairs = [(args.originals[data], args.copies[data]) for data in args.originals]
        known = [(one.arn, one.key_arn, two.arn, two.key_arn) for one, two in pairs]
        allowed = iam.RolePolicy(
            name,
            name="replication",
            role=args.copier.role.name,
            policy=pulumi.Output.all(*(pulumi.Output.all(*arns) for arns in known)).apply(
                lambda rows: replication_policy(rows, *args.regions)
            ),
            opts=child,
        )
        for data, original in args.originals.items():
            s3.BucketReplicationConfig(
                f"{name}-{data}",
                # S3 copies from and to buckets that keep versions alone.
                bucket=original.ready,
                role=args.copier.role.arn,
                rules=[_rule(args.copies[data])],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),
            )
        self.register_outputs({})


def _rule(copy: Stored) -> s3.BucketReplicationConfigRuleArgs:
    return s3.BucketReplicationConfigRuleArgs(
        id="second-region",
        status="Enabled",
        priority=1,
        filter=s3.BucketReplicationConfigRuleFilterArgs(prefix=""),
        delete_marker_replication=s3.BucketReplicationConfigRuleDeleteMarkerReplicationArgs(status="Enabled"),
        source_selection_criteria=s3.BucketReplicationConfigRuleSourceSelectionCriteriaArgs(
            sse_kms_encrypted_objects=s3.BucketReplicationConfigRuleSourceSelectionCriteriaSseKmsEncryptedObjectsArgs(
                status="Enabled"
            )
        ),
        destination=s3.BucketReplicationConfigRuleDestinationArgs(
            bucket=pulumi.Output.concat("arn:aws:s3:::", copy.ready),
            encryption_configuration=s3.BucketReplicationConfigRuleDestinationEncryptionConfigurationArgs(
                replica_kms_key_id=copy.key_arn
            ),
        ),
    )


def replication_policy(rows: Sequence[Sequence[str]], region: str, second_region: str) -> str:
    """Return a policy that reads versions of originals and writes copies, and no more.

    Parameters
    ----------
    rows
        Of each class the original's bucket and key, and the copy's.
    region, second_region
        Where S3 may use the keys on the role's behalf.
    """

    def allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, object]:
        return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}

    originals, keys, copies, copy_keys = zip(*rows, strict=True)
    statements = [
        allow(_READ, originals),
        allow(_READ_OBJECTS, [f"{arn}/*" for arn in originals]),
        allow(_WRITE_OBJECTS, [f"{arn}/*" for arn in copies]),
        {**allow(["kms:Decrypt"], keys), "Condition": through_s3(region)},
        {**allow(["kms:Encrypt", "kms:GenerateDataKey"], copy_keys), "Condition": through_s3(second_region)},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
