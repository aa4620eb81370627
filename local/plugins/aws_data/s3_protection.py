"""Rows of the aws plugin for S3 access logging, object lock, replication and account public access block."""

from collections.abc import Mapping
from typing import Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call
from local.plugins.aws.ordinary import row
from local.plugins.provider.rows import Row

_BUCKET: Final = {"Bucket": "{id}"}
_NAMED: Final = {"bucket": "Bucket"}


def _setting(
    token: str,
    name: str,
    inside: str,
    shown: str,
    inputs: frozenset[str],
    remove: Call,
    always: Mapping[str, str] | None = None,
) -> ApiType:
    """Return the type of a bucket setting, which is replaced as a whole."""
    return ApiType(
        token,
        "s3",
        Call(f"Put{name}", names=_NAMED, inside=inside),
        Call(f"Get{name}", fixed=_BUCKET),
        shown,
        "{bucket}",
        changes=(Call(f"Put{name}", inputs, inside=inside, fixed={**_BUCKET, **(always or {})}),),
        deletes=(remove,),
        reads={"bucket": ""},
    )


LOGGING: Final = _setting(
    "aws:s3/bucketLogging:BucketLogging",
    "BucketLogging",
    "BucketLoggingStatus.LoggingEnabled",
    "LoggingEnabled",
    frozenset({"targetBucket", "targetObjectKeyFormat", "targetPrefix"}),
    Call("PutBucketLogging", fixed={**_BUCKET, "BucketLoggingStatus": {}}),
)
LOCK: Final = _setting(
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    "ObjectLockConfiguration",
    "ObjectLockConfiguration",
    "ObjectLockConfiguration",
    frozenset({"rule"}),
    # Object lock cannot be disabled: only the default retention is removed.
    Call("PutObjectLockConfiguration", fixed={**_BUCKET, "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}),
    {"ObjectLockConfiguration.ObjectLockEnabled": "Enabled"},
)
REPLICATION: Final = _setting(
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
    "BucketReplication",
    "ReplicationConfiguration",
    "ReplicationConfiguration",
    frozenset({"role", "rules"}),
    Call("DeleteBucketReplication", fixed=_BUCKET),
)

_FLAGS: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
ACCOUNT: Final = ApiType(
    "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",
    "s3control",
    Call("PutPublicAccessBlock", inside="PublicAccessBlockConfiguration", fixed={"AccountId": "{account}"}),
    Call("GetPublicAccessBlock", fixed={"AccountId": "{account}"}),
    "PublicAccessBlockConfiguration",
    "{account}",
    changes=(
        Call(
            "PutPublicAccessBlock",
            frozenset(_FLAGS),
            inside="PublicAccessBlockConfiguration",
            fixed={"AccountId": "{account}"},
        ),
    ),
    deletes=(Call("DeletePublicAccessBlock", fixed={"AccountId": "{account}"}),),
    reads={"accountId": ""},
    regional=False,
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(LOGGING, required=("bucket", "targetBucket", "targetPrefix")),
    row(LOCK, required=("bucket",), defaults={"objectLockEnabled": "Enabled"}),
    row(REPLICATION, required=("bucket", "role", "rules")),
    row(ACCOUNT, defaults=dict.fromkeys(_FLAGS, False)),
)
