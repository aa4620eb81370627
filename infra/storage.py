"""Buckets: encrypted by their own key, versioned, reachable over TLS only, never public, emptied by retention."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import s3

from infra import names
from infra.encryption import DataKey, DataKeyArgs
from infra.settings import DataClass, Hospital

AUDIT_DAYS = 7 * 365
NONCURRENT_DAYS = 30


@dataclass(frozen=True)
class DataBucketArgs:
    """What a bucket holds and how it is kept.

    Parameters
    ----------
    environment, hospital, data
        Whose data of which class it holds.
    key_arn
        The only key that may encrypt its objects.
    keep_days
        Days after which an object expires; None keeps it.
    replaced_days
        Days after which what was replaced or deleted goes for good; None keeps it.
    protect
        Refuse deletion, also of a bucket that still holds objects.
    """

    environment: str
    hospital: str
    data: DataClass
    key_arn: pulumi.Input[str]
    keep_days: int | None
    replaced_days: int | None
    protect: bool


class DataBucket(pulumi.ComponentResource):
    """A bucket with every safeguard as a resource of its own."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: DataBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:DataBucket", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        bucket = s3.Bucket(
            name,
            bucket=names.bucket(args.environment, args.hospital, args.data),
            force_destroy=not args.protect,
            tags=names.tags(args.environment, args.hospital, args.data),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        s3.BucketOwnershipControls(
            name,
            bucket=bucket.bucket,
            rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=child,
        )
        s3.BucketVersioning(
            name,
            bucket=bucket.bucket,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[
                s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="aws:kms", kms_master_key_id=args.key_arn
                    ),
                    bucket_key_enabled=True,
                )
            ],
            opts=child,
        )
        closed = s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        s3.BucketLifecycleConfiguration(
            name, bucket=bucket.bucket, rules=_lifecycle(args.keep_days, args.replaced_days), opts=child
        )
        # S3 refuses two changes of a bucket's access at once, so one waits for the other.
        s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=pulumi.Output.all(bucket.arn, args.key_arn).apply(lambda known: _policy(known[0], known[1])),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )
        self.bucket = bucket.bucket
        self.arn = bucket.arn
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})


def _lifecycle(keep_days: int | None, replaced_days: int | None) -> list[s3.BucketLifecycleConfigurationRuleArgs]:
    replaced = None
    if replaced_days is not None:
        replaced = s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(noncurrent_days=replaced_days)
    rules = [
        s3.BucketLifecycleConfigurationRuleArgs(
            id="tidy",
            status="Enabled",
            filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            abort_incomplete_multipart_upload=s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=1
            ),
            noncurrent_version_expiration=replaced,
        )
    ]
    if keep_days is not None:
        rules.append(
            s3.BucketLifecycleConfigurationRuleArgs(
                id="retention",
                status="Enabled",
                filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(days=keep_days),
            )
        )
    return rules


def _policy(bucket_arn: str, key_arn: str) -> str:
    """Return a policy that refuses plain HTTP, and any encryption but by the bucket's own key."""
    objects = f"{bucket_arn}/*"

    def deny(sid: str, action: str, resources: list[str], condition: dict[str, dict[str, str]]) -> dict[str, object]:
        return {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": resources,
            "Condition": condition,
        }

    # A request that names no encryption gets the bucket's own; only one that names another is refused. Negated
    # conditions hold for absent keys too, hence the test that the key is there.
    sse = "s3:x-amz-server-side-encryption"
    other_way = {"Null": {sse: "false"}, "StringNotEquals": {sse: "aws:kms"}}
    key = f"{sse}-aws-kms-key-id"
    other_key = {"Null": {key: "false"}, "StringNotEquals": {key: key_arn}}
    statements = [
        deny("TlsOnly", "s3:*", [bucket_arn, objects], {"Bool": {"aws:SecureTransport": "false"}}),
        deny("KmsOnly", "s3:PutObject", [objects], other_way),
        deny("OwnKeyOnly", "s3:PutObject", [objects], other_key),
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@dataclass(frozen=True)
class Stored:
    """A bucket and the key of its objects, as other resources name them."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    key_arn: pulumi.Output[str]


class HospitalStorage(pulumi.ComponentResource):
    """A hospital's buckets, each with its own key."""

    stored: dict[DataClass, Stored]

    def __init__(
        self,
        name: str,
        hospital: Hospital,
        environment: str,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("healthcare-mlops:infra:HospitalStorage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # A release is evidence of what scored a patient, so models do not expire.
        keep = {
            DataClass.RAW: hospital.raw_days,
            DataClass.CURATED: hospital.curated_days,
            DataClass.IDENTITY: hospital.curated_days,
            DataClass.AUDIT: AUDIT_DAYS,
        }
        # What was replaced in these two is evidence as well.
        kept_replaced: dict[DataClass, int | None] = {DataClass.AUDIT: AUDIT_DAYS, DataClass.MODELS: None}
        self.stored = {}
        for data in DataClass:
            replaced = kept_replaced.get(data, NONCURRENT_DAYS)
            key = DataKey(f"{name}-{data}", DataKeyArgs(environment, hospital.name, data, protect), child)
            bucket = DataBucket(
                f"{name}-{data}",
                DataBucketArgs(environment, hospital.name, data, key.arn, keep.get(data), replaced, protect),
                child,
            )
            self.stored[data] = Stored(bucket.bucket, bucket.arn, key.arn)
        self.register_outputs({str(data): stored.bucket for data, stored in self.stored.items()})
