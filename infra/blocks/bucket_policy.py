"""Bucket policies: what a bucket refuses whoever asks, and which AWS services deliver to it."""

import json
from collections.abc import Sequence

Statement = dict[str, object]

OLDEST_TLS = "1.2"
# Whatever reads, writes, deletes or unlocks an object, or lists its versions. Listing current objects is not among
# them: the same permission answers whether the bucket is there, which who administers it must be able to ask.
_DATA = (
    "s3:AbortMultipartUpload",
    "s3:BypassGovernanceRetention",
    "s3:DeleteObject*",
    "s3:GetObject*",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:ListMultipartUploadParts",
    "s3:PutObject*",
    "s3:ReplicateDelete",
    "s3:ReplicateObject",
    "s3:ReplicateTags",
    "s3:RestoreObject",
)


def bucket_policy(
    arn: str, key_arn: str | None, account: str, principals: Sequence[str] | None, services: Sequence[str]
) -> str:
    """Return a policy that narrows what IAM allows, and admits AWS services that deliver.

    Parameters
    ----------
    arn
        The bucket.
    key_arn
        The only key that may encrypt its objects; None for Amazon's own.
    account
        The account for which services deliver.
    principals
        ARNs of all who may touch objects; None leaves that to IAM.
    services
        AWS services that write objects, such as ``logging.s3.amazonaws.com``.
    """
    objects = f"{arn}/*"
    both = [arn, objects]
    statements = [
        _deny("TlsOnly", "s3:*", both, {"Bool": {"aws:SecureTransport": "false"}}),
        _deny("NoOldTls", "s3:*", both, {"NumericLessThan": {"s3:TlsVersion": OLDEST_TLS}}),
        *(_own_key(objects, key_arn) if key_arn else []),
    ]
    if principals is not None:
        statements.append(_deny("NamedOnly", list(_DATA), both, _all_but(principals)))
        statements.append(
            _deny("ThisAccountOnly", "s3:*", both, {"StringNotEquals": {"aws:PrincipalAccount": account}, **_PEOPLE})
        )
    for service in services:
        statements += _deliveries(service, arn, account)
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


# AWS services that act for themselves carry no account or role of ours; what admits them names this account.
_PEOPLE = {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}


def _all_but(principals: Sequence[str]) -> dict[str, object]:
    return {"ArnNotLike": {"aws:PrincipalArn": sorted(principals)}, **_PEOPLE} if principals else dict(_PEOPLE)


def _deny(sid: str, action: str | list[str], resources: list[str], condition: dict[str, object]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": condition,
    }


def _own_key(objects: str, key_arn: str) -> list[Statement]:
    # A request that names no encryption gets the bucket's own; only one that names another is refused. Negated
    # conditions hold for absent keys too, hence the test that the key is there.
    sse = "s3:x-amz-server-side-encryption"
    key = f"{sse}-aws-kms-key-id"
    return [
        _deny("KmsOnly", "s3:PutObject", [objects], {"Null": {sse: "false"}, "StringNotEquals": {sse: "aws:kms"}}),
        _deny("OwnKeyOnly", "s3:PutObject", [objects], {"Null": {key: "false"}, "StringNotEquals": {key: key_arn}}),
    ]


def _deliveries(service: str, arn: str, account: str) -> list[Statement]:
    sid = "".join(part.capitalize() for part in service.removesuffix(".amazonaws.com").split("."))
    for_account = {"StringEquals": {"aws:SourceAccount": account}}
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Condition": for_account}
    return [
        {"Sid": f"{sid}Looks", **allow, "Action": ["s3:GetBucketAcl", "s3:ListBucket"], "Resource": arn},
        {"Sid": f"{sid}Delivers", **allow, "Action": "s3:PutObject", "Resource": f"{arn}/*"},
    ]
