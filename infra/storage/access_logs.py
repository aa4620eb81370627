"""Buckets that record who asks for objects in the other buckets; one a region, as S3 delivers no farther."""

from dataclasses import dataclass

import pulumi

from infra.blocks.bucket import Bucket, BucketArgs, Keep
from infra.blocks.log_group import RECORD_DAYS
from infra.blocks.providers import Account
from infra.settings import names
from infra.settings.values import Settings

DATA = "access-logs"
_DELIVERY = "logging.s3.amazonaws.com"


@dataclass(frozen=True)
class AccessLogs:
    """Names of the buckets.

    Parameters
    ----------
    here, second
        Of the region where everything runs, and of the one that copies go to, if any do.
    """

    here: pulumi.Input[str]
    second: pulumi.Input[str] | None


def access_logs(name: str, settings: Settings, account: Account, opts: pulumi.ResourceOptions) -> AccessLogs:
    """Declare them and return their names."""
    here = _bucket(f"{name}-access-logs", "", settings, opts)
    if not settings.tier.replicate:
        return AccessLogs(here, None)
    there = pulumi.ResourceOptions(parent=opts.parent, providers={"aws": account.second})
    return AccessLogs(here, _bucket(f"{name}-access-logs-second", "-second", settings, there))


def _bucket(name: str, suffix: str, settings: Settings, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    # S3 delivers to no bucket with another key than Amazon's own, nor to one that locks what it holds.
    bucket = Bucket(
        name,
        BucketArgs(
            settings,
            f"{names.stem(settings.environment)}-{names.SHARED}-{DATA}{suffix}",
            names.tags(settings.environment, names.SHARED, phi=False, data_class=DATA),
            None,
            Keep(days=RECORD_DAYS),
            services=(_DELIVERY,),
        ),
        opts,
    )
    # S3 delivers to no bucket whose policy does not let it in yet.
    return bucket.ready
