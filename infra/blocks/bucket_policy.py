"""S3 bucket policies: denied requests, and AWS services that deliver objects."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from infra.blocks.iam_policy import Statement, policy_document

MINIMUM_TLS = "1.2"
# Actions on objects and their versions; without s3:ListBucket, which administrators need for HeadBucket.
_OBJECT_ACTIONS = (
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


@dataclass(frozen=True)
class WriteOnce:
    """Objects below a key prefix that are written once.

    Parameters
    ----------
    prefix
        The key prefix.
    writers
        ARNs of the only principals that create them.
    restorers
        ARNs of principals that write copies of them, such as AWS Backup and replication, without a condition.
    """

    prefix: str
    writers: tuple[str, ...]
    restorers: tuple[str, ...] = ()


def bucket_policy(
    arn: str,
    key_arn: str | None,
    account: str,
    principals: Sequence[str] | None,
    services: Sequence[str],
    write_once: Sequence[WriteOnce] = (),
) -> str:
    """Return a bucket policy that restricts what IAM allows, and allows delivery by AWS services.

    Parameters
    ----------
    arn
        The bucket.
    key_arn
        The only KMS key that may encrypt its objects; None for SSE-S3.
    account
        The account on whose behalf services deliver.
    principals
        ARNs of all principals that may access objects; None leaves access to IAM.
    services
        AWS services that deliver objects, such as ``logging.s3.amazonaws.com``.
    write_once
        Objects that are written once, by named principals.
    """
    objects = f"{arn}/*"
    both = [arn, objects]
    statements = [
        _deny("TlsOnly", "s3:*", both, {"Bool": {"aws:SecureTransport": "false"}}),
        _deny("NoOldTls", "s3:*", both, {"NumericLessThan": {"s3:TlsVersion": MINIMUM_TLS}}),
        *(_key_only(objects, key_arn) if key_arn else []),
    ]
    if principals is not None:
        statements.append(_deny("NamedOnly", list(_OBJECT_ACTIONS), both, _all_but(principals)))
        other_account: dict[str, object] = {"StringNotEquals": {"aws:PrincipalAccount": account}, **_NOT_A_SERVICE}
        statements.append(_deny("ThisAccountOnly", "s3:*", both, other_account))
    for once in write_once:
        statements += _written_once(arn, once)
    for service in services:
        statements += _delivery(service, arn, account)
    return policy_document(*statements)


# Service principals have no account; the statements that allow them name this one as aws:SourceAccount.
_NOT_A_SERVICE = {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}


def _all_but(principals: Sequence[str]) -> dict[str, object]:
    if not principals:
        return dict(_NOT_A_SERVICE)
    return {"ArnNotLike": {"aws:PrincipalArn": sorted(principals)}, **_NOT_A_SERVICE}


def _deny(sid: str, action: str | list[str], resources: list[str], condition: dict[str, object]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": condition,
    }


def _key_only(objects: str, key_arn: str) -> list[Statement]:
    # A request without encryption headers gets the bucket's default encryption, so only other values are denied.
    # Negated operators also match when the key is absent, hence the Null conditions.
    sse = "s3:x-amz-server-side-encryption"
    key = f"{sse}-aws-kms-key-id"
    return [
        _deny("KmsOnly", "s3:PutObject", [objects], {"Null": {sse: "false"}, "StringNotEquals": {sse: "aws:kms"}}),
        _deny("OwnKeyOnly", "s3:PutObject", [objects], {"Null": {key: "false"}, "StringNotEquals": {key: key_arn}}),
    ]


def _written_once(arn: str, once: WriteOnce) -> list[Statement]:
    """Return the statements that refuse other writers, and writes without ``If-None-Match``.

    Source: Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets". Parts of a multipart upload have
    no such header, which its completion needs.
    """
    objects, name = [f"{arn}/{once.prefix}*"], "".join(part.capitalize() for part in re.split(r"\W", once.prefix))
    conditional: dict[str, object] = {
        "Null": {"s3:if-none-match": "true"},
        "Bool": {"s3:ObjectCreationOperation": "true"},
        **_all_but(once.restorers),
    }
    return [
        _deny(f"{name}WritersOnly", "s3:PutObject", objects, _all_but((*once.writers, *once.restorers))),
        _deny(f"{name}WrittenOnce", "s3:PutObject", objects, conditional),
    ]


def _delivery(service: str, arn: str, account: str) -> list[Statement]:
    sid = "".join(part.capitalize() for part in service.removesuffix(".amazonaws.com").split("."))
    source_account = {"StringEquals": {"aws:SourceAccount": account}}
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Condition": source_account}
    return [
        {"Sid": f"{sid}Looks", **allow, "Action": ["s3:GetBucketAcl", "s3:ListBucket"], "Resource": arn},
        {"Sid": f"{sid}Delivers", **allow, "Action": "s3:PutObject", "Resource": f"{arn}/*"},
    ]
