"""S3 bucket with its security settings: SSE-KMS, versioning, TLS only, no public access, lifecycle, object lock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
from pulumi_aws import s3

from infra.blocks.bucket_policy import WriteOnce, bucket_policy
from infra.settings import Settings

NONCURRENT_DAYS = 30


@dataclass(frozen=True)
class ObjectLock:
    """Default retention of S3 Object Lock.

    Parameters
    ----------
    mode
        COMPLIANCE binds every principal, GOVERNANCE all without ``s3:BypassGovernanceRetention``.
    days
        Retention period from the object's creation.
    """

    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    days: int


@dataclass(frozen=True)
class Retention:
    """Retention of a bucket's objects.

    Parameters
    ----------
    days
        Days until an object expires; None keeps it.
    noncurrent_days
        Days until a noncurrent version is deleted permanently; None keeps it.
    lock
        Object Lock, which no deletion overrides.
    """

    days: int | None = None
    noncurrent_days: int | None = NONCURRENT_DAYS
    lock: ObjectLock | None = None


@dataclass(frozen=True)
class BucketArgs:
    """Arguments of a bucket.

    Parameters
    ----------
    settings
        The stack's settings.
    bucket, tags
        Name and tags of the bucket.
    key_arn
        The only KMS key that may encrypt its objects; None selects SSE-S3, the one that S3 access logs support.
    retention
        Retention of its objects.
    principals
        ARNs of all principals that may access objects; None leaves access to IAM.
    services
        AWS services that deliver objects, such as ``logging.s3.amazonaws.com``.
    deletable
        Whether the bucket may be deleted: with its objects, or, where object lock forbids that, from the state alone.
    access_logs
        The bucket of the same region that receives its server access logs; None for that bucket itself.
    write_once
        Objects that are written once, by named principals.
    """

    settings: Settings
    bucket: str
    tags: Mapping[str, str]
    key_arn: pulumi.Input[str] | None
    retention: Retention
    principals: tuple[str, ...] | None = None
    services: tuple[str, ...] = ()
    deletable: bool = False
    access_logs: pulumi.Input[str] | None = None
    write_once: tuple[WriteOnce, ...] = ()


@dataclass(frozen=True)
class BucketRef:
    """Reference to a bucket and its KMS key; ``ready`` is the bucket's name once versioning and policy are in place."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    key_arn: pulumi.Output[str]
    ready: pulumi.Output[str]


class Bucket(pulumi.ComponentResource):
    """S3 bucket and the resources that configure it."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    ready: pulumi.Output[str]

    def __init__(self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:DataBucket", name, None, opts)
        lock = args.retention.lock
        protect = args.settings.tier.protect_data and not args.deletable
        retain = args.deletable and lock is not None
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=retain)
        bucket = s3.Bucket(
            name,
            bucket=args.bucket,
            force_destroy=not (protect or lock),
            object_lock_enabled=lock is not None,
            tags=args.tags,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protect)),
        )
        s3.BucketOwnershipControls(
            name,
            bucket=bucket.bucket,
            rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=child,
        )
        versioning = s3.BucketVersioning(
            name,
            bucket=bucket.bucket,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        s3.BucketServerSideEncryptionConfiguration(
            name, bucket=bucket.bucket, rules=[_encryption(args.key_arn)], opts=child
        )
        public_access_block = s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        after_versioning = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[versioning]))
        s3.BucketLifecycleConfiguration(
            name, bucket=bucket.bucket, rules=_lifecycle(args.retention), opts=after_versioning
        )
        if lock:
            s3.BucketObjectLockConfiguration(name, bucket=bucket.bucket, rule=_object_lock(lock), opts=after_versioning)
        if args.access_logs is not None:
            s3.BucketLogging(
                name,
                bucket=bucket.bucket,
                target_bucket=args.access_logs,
                target_prefix=f"{args.bucket}/",
                opts=child,
            )
        # S3 rejects concurrent changes of a bucket's access (409), so the policy follows the public access block.
        policy = s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=pulumi.Output.all(bucket.arn, args.key_arn).apply(
                lambda arns: bucket_policy(
                    arns[0], arns[1], args.settings.account, args.principals, args.services, args.write_once
                )
            ),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[public_access_block])),
        )
        self.bucket = bucket.bucket
        self.arn = bucket.arn
        self.ready = pulumi.Output.all(bucket.bucket, policy.id, versioning.id).apply(lambda outputs: str(outputs[0]))
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})


def _encryption(key_arn: pulumi.Input[str] | None) -> s3.BucketServerSideEncryptionConfigurationRuleArgs:
    return s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="AES256" if key_arn is None else "aws:kms", kms_master_key_id=key_arn
        ),
        bucket_key_enabled=key_arn is not None,
    )


def _object_lock(lock: ObjectLock) -> s3.BucketObjectLockConfigurationRuleArgs:
    return s3.BucketObjectLockConfigurationRuleArgs(
        default_retention=s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(mode=lock.mode, days=lock.days)
    )


def _lifecycle(retention: Retention) -> list[s3.BucketLifecycleConfigurationRuleArgs]:
    noncurrent = None
    if retention.noncurrent_days is not None:
        noncurrent = s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=retention.noncurrent_days
        )
    rules = [
        s3.BucketLifecycleConfigurationRuleArgs(
            id="tidy",
            status="Enabled",
            filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            abort_incomplete_multipart_upload=s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=1
            ),
            noncurrent_version_expiration=noncurrent,
        )
    ]
    if retention.days is not None:
        rules.append(
            s3.BucketLifecycleConfigurationRuleArgs(
                id="retention",
                status="Enabled",
                filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(days=retention.days),
            )
        )
    return rules
