"""Buckets of S3 server access logs: one a region, as S3 delivers within a region only."""

from dataclasses import dataclass

import pulumi

from infra.blocks.bucket import Bucket, BucketArgs, Retention
from infra.blocks.log_group import AUDIT_LOG_DAYS
from infra.blocks.providers import AwsAccount
from infra.settings import Settings, names

DATA = "access-logs"
_LOG_DELIVERY = "logging.s3.amazonaws.com"


@dataclass(frozen=True)
class AccessLogs:
    """Names of the access-log buckets.

    Parameters
    ----------
    primary, secondary
        The bucket of the primary region, and of the second region; None without replication.
    """

    primary: pulumi.Input[str]
    secondary: pulumi.Input[str] | None


def access_logs(name: str, settings: Settings, aws: AwsAccount, opts: pulumi.ResourceOptions) -> AccessLogs:
    """Declare the access-log buckets and return their names."""
    primary = _bucket(f"{name}-access-logs", "", settings, opts)
    if not settings.tier.replicate:
        return AccessLogs(primary, None)
    secondary = pulumi.ResourceOptions(parent=opts.parent, providers={"aws": aws.secondary})
    return AccessLogs(primary, _bucket(f"{name}-access-logs-second", "-second", settings, secondary))


def _bucket(name: str, suffix: str, settings: Settings, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    # S3 does not deliver access logs to buckets with SSE-KMS under a customer-managed key, or with object lock.
    bucket = Bucket(
        name,
        BucketArgs(
            settings,
            f"{names.stem(settings.environment)}-{names.SHARED}-{DATA}{suffix}",
            names.tags(settings.environment, names.SHARED, phi=False, data_class=DATA),
            None,
            Retention(AUDIT_LOG_DAYS, AUDIT_LOG_DAYS),
            services=(_LOG_DELIVERY,),
        ),
        opts,
    )
    # BucketLogging of other buckets fails until this bucket's policy allows delivery.
    return bucket.ready
