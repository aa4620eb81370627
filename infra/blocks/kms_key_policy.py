"""KMS key policies: administrators cannot use a key, and its users cannot administer it."""

import re
from collections.abc import Sequence

from infra.blocks.iam_policy import Statement, policy_document
from infra.settings import names

# Administration without cryptographic operations and without kms:CreateGrant, which delegates them.
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

Condition = dict[str, dict[str, str]]


def document(statements: Sequence[Statement]) -> str:
    """Return a key policy as JSON text."""
    return policy_document(*statements)


def administration(account: str) -> Statement:
    """Return the statement that delegates administration of a key, and no use of it, to the account's IAM policies."""
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
    """Return the statement that allows principals to use a key; none without principals."""
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


def via_s3(region: str) -> Condition:
    """Return the condition that a key is used through S3 only, not by calling KMS."""
    return {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}


def service(principal: str, account: str) -> Statement:
    """Return the statement that allows an AWS service to use a key on behalf of this account only."""
    return {
        "Sid": re.sub("[^A-Za-z0-9]", "", principal.removesuffix(".amazonaws.com")),
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": list(_USE),
        "Resource": "*",
        "Condition": _source_account(principal, account),
    }


def _source_account(principal: str, account: str) -> Condition:
    # CloudWatch Logs and CloudTrail do not set aws:SourceAccount.
    match principal.partition(".")[0]:
        case "logs":
            return {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:*:{account}:*"}}
        case "cloudtrail":
            return {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudtrail:*:{account}:trail/*"}}
        case _:
            return {"StringEquals": {"aws:SourceAccount": account}}


def via_services(services: Sequence[str], account: str) -> list[Statement]:
    """Return the statement that allows use of a key through AWS services, as AWS managed keys do for an account.

    Roles of hospitals' workloads are excluded by their tag ``hospital``.

    Parameters
    ----------
    services
        Service names such as ``rds``; services that continue after the request use grants.
    account
        The AWS account.
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


def secret_readers(administers: str, account: str, region: str) -> list[Statement]:
    """Return the statement that allows hospitals' roles to decrypt secrets, through Secrets Manager only.

    The roles are named by their tag: they exist after the key, and a hospital more does not change the policy.

    Parameters
    ----------
    administers
        Value of the roles' tag ``administers``; empty for no statement.
    account, region
        The AWS account and the region of the secrets.
    """
    if not administers:
        return []
    return [
        {
            "Sid": "SecretReaders",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {
                "StringEquals": {
                    "kms:CallerAccount": account,
                    "kms:ViaService": f"secretsmanager.{region}.amazonaws.com",
                    f"aws:PrincipalTag/{names.DOMAIN}/administers": administers,
                }
            },
        }
    ]
