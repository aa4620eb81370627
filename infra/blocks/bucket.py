"""A bucket: encrypted by its own key, versioned, reachable over TLS only, never public, emptied by retention."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
from pulumi_aws import s3

from infra.blocks.bucket_policy import bucket_policy
from infra.settings.values import Settings

NONCURRENT_DAYS = 30


@dataclass(frozen=True)
class Lock:
    """How long nobody deletes or replaces an object.

    Parameters
    ----------
    mode
        COMPLIANCE binds everybody, GOVERNANCE all but those with a permission of their own.
    days
        From its writing.
    """

    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    days: int


@dataclass(frozen=True)
class Keep:
    """How long objects are kept.

    Parameters
    ----------
    days
        Days after which an object expires; None keeps it.
    replaced_days
        Days after which what was replaced or deleted goes for good; None keeps it.
    lock
        What holds even against deletion by hand.
    """

    days: int | None = None
    replaced_days: int | None = NONCURRENT_DAYS
    lock: Lock | None = None


@dataclass(frozen=True)
class BucketArgs:
    """What a bucket holds, for whom, and how it is kept.

    Parameters
    ----------
    settings
        The environment.
    bucket, tags
        What it is called and what it holds.
    key_arn
        The only key that may encrypt its objects; None takes Amazon's own, which S3 asks of its access logs.
    keep
        How long objects are kept.
    principals
        ARNs of all who may touch objects; None leaves that to IAM.
    services
        AWS services that deliver objects, such as ``logging.s3.amazonaws.com``.
    released
        Whether it may go: with its objects where nothing locks them, else out of the stack's hands, as it is.
    access_logs
        The bucket of the same region that records who asks for objects; None for that bucket itself.
    """

    settings: Settings
    bucket: str
    tags: Mapping[str, str]
    key_arn: pulumi.Input[str] | None
    keep: Keep
    principals: tuple[str, ...] | None = None
    services: tuple[str, ...] = ()
    released: bool = False
    access_logs: pulumi.Input[str] | None = None


@dataclass(frozen=True)
class Stored:
    """A bucket and the key of its objects, as other resources name them; ``ready`` is its name once it can be used."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    key_arn: pulumi.Output[str]
    ready: pulumi.Output[str]


class Bucket(pulumi.ComponentResource):
    """A bucket with every safeguard as a resource of its own."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    ready: pulumi.Output[str]

    def __init__(self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:DataBucket", name, None, opts)
        protect = args.settings.tier.protect_data and not args.released
        retain = args.released and args.keep.lock is not None
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=retain)
        bucket = s3.Bucket(
            name,
            bucket=args.bucket,
            force_destroy=not (protect or args.keep.lock),
            object_lock_enabled=args.keep.lock is not None,
            tags=args.tags,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protect)),
        )
        s3.BucketOwnershipControls(
            name,
            bucket=bucket.bucket,
            rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=child,
        )
        versioned = s3.BucketVersioning(
            name,
            bucket=bucket.bucket,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        s3.BucketServerSideEncryptionConfiguration(
            name, bucket=bucket.bucket, rules=[_encryption(args.key_arn)], opts=child
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
        after_versions = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[versioned]))
        s3.BucketLifecycleConfiguration(name, bucket=bucket.bucket, rules=_lifecycle(args.keep), opts=after_versions)
        if args.keep.lock:
            s3.BucketObjectLockConfiguration(
                name, bucket=bucket.bucket, rule=_lock(args.keep.lock), opts=after_versions
            )
        if args.access_logs is not None:
            s3.BucketLogging(
                name,
                bucket=bucket.bucket,
                target_bucket=args.access_logs,
                target_prefix=f"{args.bucket}/",
                opts=child,
            )
        # S3 refuses two changes of a bucket's access at once, so one waits for the other.
        policy = s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=pulumi.Output.all(bucket.arn, args.key_arn).apply(
                lambda known: bucket_policy(known[0], known[1], args.settings.account, args.principals, args.services)
            ),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[closed])),
        )
        self.bucket = bucket.bucket
        self.arn = bucket.arn
        # Others may use it once it keeps versions and its policy lets them in.
        self.ready = pulumi.Output.all(bucket.bucket, policy.id, versioned.id).apply(lambda known: str(known[0]))
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})


def _encryption(key_arn: pulumi.Input[str] | None) -> s3.BucketServerSideEncryptionConfigurationRuleArgs:
    return s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="AES256" if key_arn is None else "aws:kms", kms_master_key_id=key_arn
        ),
        bucket_key_enabled=key_arn is not None,
    )


def _lock(lock: Lock) -> s3.BucketObjectLockConfigurationRuleArgs:
    return s3.BucketObjectLockConfigurationRuleArgs(
        default_retention=s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(mode=lock.mode, days=lock.days)
    )


def _lifecycle(keep: Keep) -> list[s3.BucketLifecycleConfigurationRuleArgs]:
    replaced = None
    if keep.replaced_days is not None:
        replaced = s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=keep.replaced_days
        )
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
    if keep.days is not None:
        rules.append(
            s3.BucketLifecycleConfigurationRuleArgs(
                id="retention",
                status="Enabled",
                filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(days=keep.days),
            )
        )
    return rules
