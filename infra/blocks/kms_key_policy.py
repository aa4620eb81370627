"""Key policies: who administers a key cannot use it, and who uses it cannot administer it."""

import json
import re
from collections.abc import Sequence

from infra.settings import names

# Everything that keeps a key in order; nothing that encrypts, decrypts or lends it to somebody else (CreateGrant).
_ADMINISTER = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListAliases",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
READ = ("kms:Decrypt", "kms:DescribeKey")
WRITE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
_USE = (*WRITE, "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo")

Statement = dict[str, object]
Condition = dict[str, dict[str, str]]


def document(statements: Sequence[Statement]) -> str:
    """Return a policy as text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def administration(account: str) -> Statement:
    """Let IAM say who administers a key, and nobody by this statement use it."""
    return {
        "Sid": "Administration",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": list(_ADMINISTER),
        "Resource": "*",
    }


def use(
    sid: str, principals: Sequence[str], actions: Sequence[str] = _USE, condition: Condition | None = None
) -> list[Statement]:
    """Let roles and users use a key; without any of them there is nothing to say."""
    if not principals:
        return []
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": sorted(principals)},
        "Action": list(actions),
        "Resource": "*",
    }
    return [{**statement, "Condition": condition} if condition else statement]


def through_s3(region: str) -> Condition:
    """Return that S3 alone uses a key on somebody's behalf, so that nobody decrypts by asking KMS."""
    return {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}


def service(principal: str, account: str) -> Statement:
    """Let an AWS service use a key for this account and no other."""
    return {
        "Sid": re.sub("[^A-Za-z0-9]", "", principal.removesuffix(".amazonaws.com")),
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": list(_USE),
        "Resource": "*",
        "Condition": _for_account(principal, account),
    }


def _for_account(principal: str, account: str) -> Condition:
    # Two services say for whom they act in their own way.
    match principal.partition(".")[0]:
        case "logs":
            return {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:*:{account}:*"}}
        case "cloudtrail":
            return {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudtrail:*:{account}:trail/*"}}
        case _:
            return {"StringEquals": {"aws:SourceAccount": account}}


def through(services: Sequence[str], account: str) -> list[Statement]:
    """Let AWS services use a key for whoever of the platform asks them, as Amazon's own keys do for a whole account.

    Roles of hospitals' workloads, which carry their hospital's name as a tag, are not of the platform.

    Parameters
    ----------
    services
        Names such as ``rds``; a service that works on after the request does so by a grant.
    account
        The account.
    """
    if not services:
        return []
    return [
        {
            "Sid": "OnBehalf",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [*_USE, "kms:CreateGrant"],
            "Resource": "*",
            "Condition": {
                "StringEquals": {"kms:CallerAccount": account},
                "StringLike": {"kms:ViaService": [f"{name}.*.amazonaws.com" for name in services]},
                "StringEqualsIfExists": {f"aws:PrincipalTag/{names.DOMAIN}/hospital": names.SHARED},
            },
        }
    ]
