"""IAM policies of workloads' roles: trust in a service account's token, buckets, and database secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import iam

from infra.blocks.bucket import BucketRef
from infra.blocks.bucket_grants import BucketGrant
from infra.blocks.iam_policy import Statement, policy_document
from infra.settings import DataClass, Settings

TOKEN_AUDIENCE = "sts.amazonaws.com"


def bucket_role_policy(
    name: str,
    role: pulumi.Input[str],
    grants: Sequence[BucketGrant],
    buckets: Mapping[DataClass, BucketRef],
    region: str,
    opts: pulumi.ResourceOptions,
) -> iam.RolePolicy:
    """Declare a role's inline policy over the hospital's buckets and their keys.

    Parameters
    ----------
    name, role
        Logical name of the policy, and name of the IAM role.
    grants
        The permissions.
    buckets
        The hospital's buckets.
    region
        The region of the buckets and keys.
    opts
        Resource options.
    """
    classes = sorted({grant.data for grant in grants})
    arns = [pulumi.Output.all(buckets[data].arn, buckets[data].key_arn) for data in classes]
    return iam.RolePolicy(
        name,
        name="data",
        role=role,
        policy=pulumi.Output.all(*arns).apply(
            lambda resolved: bucket_access_policy(
                grants, {data: (pair[0], pair[1]) for data, pair in zip(classes, resolved, strict=True)}, region
            )
        ),
        opts=opts,
    )


def secret_arn(settings: Settings, secret: str) -> str:
    """Return the ARN pattern of a secret by its name: Secrets Manager appends six characters."""
    return f"arn:aws:secretsmanager:{settings.region}:{settings.account}:secret:{secret}-??????"


@dataclass(frozen=True)
class SecretAccess:
    """Read access to one secret of Secrets Manager.

    Parameters
    ----------
    name
        Name or ARN by which a program asks for it.
    arn
        Its ARN, or the pattern of it.
    key_arn
        The KMS key of the stack that encrypts it; None for the key that AWS manages.
    """

    name: pulumi.Input[str]
    arn: pulumi.Input[str]
    key_arn: pulumi.Input[str] | None = None


def secret_role_policy(
    name: str, role: pulumi.Input[str], secret: SecretAccess, region: str, opts: pulumi.ResourceOptions
) -> iam.RolePolicy:
    """Declare a role's inline policy that reads one secret of Secrets Manager, and decrypts it through that alone."""
    policy = pulumi.Output.all(secret.arn, secret.key_arn).apply(
        lambda arns: secret_access_policy(arns[0], arns[1], region)
    )
    return iam.RolePolicy(f"{name}-secret", name="secret", role=role, policy=policy, opts=opts)


def secret_access_policy(secret: str, key: str | None, region: str) -> str:
    """Return an identity policy that reads one secret, encrypted by a KMS key of the stack or by one of AWS."""
    statements: list[Statement] = [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret},
    ]
    if key:
        via: Statement = {"StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}}
        statements.append({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": via})
    return policy_document(*statements)


def web_identity_trust_policy(provider_arn: str, issuer: str, subject: str) -> str:
    """Return a trust policy by which one ServiceAccount may assume the role with a token for the AWS audience."""
    claims = issuer.removeprefix("https://")
    return policy_document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{claims}:aud": TOKEN_AUDIENCE, f"{claims}:sub": subject}},
        }
    )


def bucket_access_policy(grants: Sequence[BucketGrant], arns: Mapping[DataClass, tuple[str, str]], region: str) -> str:
    """Return an identity policy over prefixes of buckets and the keys of these buckets.

    Parameters
    ----------
    grants
        The permissions.
    arns
        ARNs of the bucket and its key for each data class.
    region
        The region in which S3 may use the keys for the role.
    """
    statements: list[Statement] = []
    for grant in grants:
        bucket, _ = arns[grant.data]
        actions = [*grant.access.actions, *(["s3:GetObjectVersion"] if grant.versions else [])]
        statements.append({"Effect": "Allow", "Action": actions, "Resource": f"{bucket}/{grant.prefix}*"})
        lists = ["s3:ListBucket", "s3:ListBucketVersions"] if grant.versions else "s3:ListBucket"
        listing: Statement = {"Effect": "Allow", "Action": lists, "Resource": bucket}
        if grant.prefix:
            # Clients list a folder with or without its slash.
            operator = "StringLikeIfExists" if grant.head_bucket else "StringLike"
            listing["Condition"] = {operator: {"s3:prefix": [f"{grant.prefix}*", grant.prefix.rstrip("/")]}}
        statements.append(listing)
        if grant.object_lock:
            lock = "s3:GetBucketObjectLockConfiguration"
            statements.append({"Effect": "Allow", "Action": lock, "Resource": bucket})
    for data, (_, key) in arns.items():
        writes = any(grant.access.writes for grant in grants if grant.data is data)
        statements.append(
            {
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"] if writes else "kms:Decrypt",
                "Resource": key,
                "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
            }
        )
    return policy_document(*statements)
