"""S3 replication to buckets of the second region, encrypted with keys of that region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import iam, s3

from infra.blocks.bucket import BucketRef
from infra.blocks.iam_policy import Statement, policy_document
from infra.blocks.kms_key_policy import via_s3
from infra.blocks.trust_policy import service_trust
from infra.blocks.workload_roles import role_arn
from infra.settings import DataClass, Settings, names

_SOURCE_BUCKET_ACTIONS = ("s3:GetReplicationConfiguration", "s3:ListBucket")
_SOURCE_OBJECT_ACTIONS = (
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectVersionTagging",
)
_DESTINATION_OBJECT_ACTIONS = ("s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags")


class ReplicationRole(pulumi.ComponentResource):
    """IAM role that S3 assumes for replication; declared before keys and buckets, whose policies name it."""

    arn: str
    role: iam.Role

    def __init__(
        self, name: str, settings: Settings, hospital: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("healthcare-mlops:infra:ReplicationRole", name, None, opts)
        # S3 does not always set aws:SourceAccount.
        source_account = {"StringEqualsIfExists": {"aws:SourceAccount": settings.account}}
        self.role = iam.Role(
            name,
            name=names.role(settings.environment, hospital, "replication"),
            assume_role_policy=service_trust("s3", source_account),
            tags=names.tags(settings.environment, hospital, phi=True),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = role_arn(settings, hospital, "replication")
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True)
class ReplicationArgs:
    """Arguments of the replication.

    Parameters
    ----------
    role
        The role that S3 assumes.
    regions
        Regions of the source and of the destination buckets.
    sources, destinations
        The buckets by data class.
    """

    role: ReplicationRole
    regions: tuple[str, str]
    sources: Mapping[DataClass, BucketRef]
    destinations: Mapping[DataClass, BucketRef]


class Replication(pulumi.ComponentResource):
    """Replication configuration of each source bucket, and the policy of the replication role."""

    def __init__(self, name: str, args: ReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Replication", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        pairs = [(source, args.destinations[data]) for data, source in args.sources.items()]
        arns = [(source.arn, source.key_arn, target.arn, target.key_arn) for source, target in pairs]
        role_policy = iam.RolePolicy(
            name,
            name="replication",
            role=args.role.role.name,
            policy=pulumi.Output.all(*(pulumi.Output.all(*pair) for pair in arns)).apply(
                lambda resolved: replication_policy(resolved, *args.regions)
            ),
            opts=child,
        )
        for data, source in args.sources.items():
            s3.BucketReplicationConfig(
                f"{name}-{data}",
                # Replication requires versioning of both buckets.
                bucket=source.ready,
                role=args.role.role.arn,
                rules=[_rule(args.destinations[data])],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[role_policy]),
            )
        self.register_outputs({})


def _rule(destination: BucketRef) -> s3.BucketReplicationConfigRuleArgs:
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
            bucket=pulumi.Output.concat("arn:aws:s3:::", destination.ready),
            encryption_configuration=s3.BucketReplicationConfigRuleDestinationEncryptionConfigurationArgs(
                replica_kms_key_id=destination.key_arn
            ),
        ),
    )


def replication_policy(arns: Sequence[Sequence[str]], region: str, second_region: str) -> str:
    """Return the policy of the replication role.

    Parameters
    ----------
    arns
        ARNs of source bucket, its key, destination bucket and its key, for each data class.
    region, second_region
        The regions in which S3 may use the keys for the role.
    """

    def allow(actions: Sequence[str], resources: Sequence[str]) -> Statement:
        return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}

    sources, source_keys, destinations, destination_keys = zip(*arns, strict=True)
    encrypt = ["kms:Encrypt", "kms:GenerateDataKey"]
    return policy_document(
        allow(_SOURCE_BUCKET_ACTIONS, sources),
        allow(_SOURCE_OBJECT_ACTIONS, [f"{arn}/*" for arn in sources]),
        allow(_DESTINATION_OBJECT_ACTIONS, [f"{arn}/*" for arn in destinations]),
        {**allow(["kms:Decrypt"], source_keys), "Condition": via_s3(region)},
        {**allow(encrypt, destination_keys), "Condition": via_s3(second_region)},
    )
