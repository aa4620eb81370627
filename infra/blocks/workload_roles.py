"""IAM roles for service accounts: one role a workload, assumed with its pod's web identity token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pulumi
import pulumi_aws as aws
from pulumi_aws import iam
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as validated

from infra.blocks.bucket import BucketRef
from infra.blocks.iam_policy import Statement, policy_document
from infra.settings import DataClass, Settings, names

TOKEN_AUDIENCE = "sts.amazonaws.com"
SESSION_SECONDS = 3600
# Tag `administers` of the roles that read the login of the database's administrator.
ADMINISTERS_DATABASE = "database"


class Access(StrEnum):
    """Permitted S3 actions on objects; nothing but ``replace`` deletes."""

    READ = "read"
    WRITE = "write"
    APPEND = "append"
    REPLACE = "replace"

    @property
    def actions(self) -> tuple[str, ...]:
        """The IAM actions."""
        return _ACTIONS[self]

    @property
    def writes(self) -> bool:
        """Whether objects can be created."""
        return "s3:PutObject" in self.actions


_READ = ("s3:GetObject",)
_WRITE = (*_READ, "s3:PutObject", "s3:AbortMultipartUpload")
_ACTIONS = {
    Access.READ: _READ,
    Access.WRITE: _WRITE,
    Access.APPEND: ("s3:PutObject",),
    Access.REPLACE: (*_WRITE, "s3:DeleteObject"),
}


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class BucketGrant:
    """S3 permissions on the objects below a prefix of one bucket.

    Parameters
    ----------
    data, prefix
        The bucket, by its data class, and the key prefix.
    access
        The permitted actions.
    head_bucket
        Whether the client sends HeadBucket first, a request without a prefix.
    object_lock
        Whether the client reads how long objects of the bucket are locked.
    versions
        Whether the client reads every version of an object, those behind a delete marker included.
    """

    data: DataClass
    prefix: str
    access: Access
    head_bucket: bool = False
    object_lock: bool = False
    versions: bool = False


@dataclass(frozen=True)
class OidcProvider:
    """The cluster's OpenID Connect provider in IAM.

    Parameters
    ----------
    arn
        The provider's ARN.
    issuer
        The issuer URL, which prefixes the condition keys of trust policies.
    """

    arn: pulumi.Output[str]
    issuer: pulumi.Output[str]


def oidc_provider(environment: str, provider: aws.Provider, issuer: pulumi.Input[str]) -> OidcProvider:
    """Declare the IAM OpenID Connect provider, by which IAM accepts the cluster's ServiceAccount tokens."""
    oidc = iam.OpenIdConnectProvider(
        "cluster",
        url=issuer,
        client_id_lists=[TOKEN_AUDIENCE],
        tags=names.tags(environment),
        opts=pulumi.ResourceOptions(provider=provider),
    )
    return OidcProvider(oidc.arn, pulumi.Output.from_input(issuer))


def role_arn(settings: Settings, hospital: str, workload: str) -> str:
    """Return the ARN of a workload's role, which follows from its name before the role exists."""
    return f"arn:aws:iam::{settings.account}:role/{names.role(settings.environment, hospital, workload)}"


def readers_and_writers(grants: Mapping[str, Sequence[BucketGrant]], data: DataClass) -> tuple[list[str], list[str]]:
    """Return the workloads that only read data of a class, and those that write it."""
    writes = {
        workload: any(grant.access.writes for grant in granted if grant.data is data)
        for workload, granted in grants.items()
        if any(grant.data is data for grant in granted)
    }
    readers = [workload for workload, writer in writes.items() if not writer]
    return readers, [workload for workload, writer in writes.items() if writer]


@dataclass(frozen=True)
class WorkloadRoleArgs:
    """Arguments of a workload's role.

    Parameters
    ----------
    environment, hospital
        The stack and the hospital, which the role's name and tags carry.
    namespace, service_account
        The ServiceAccount that may assume the role.
    oidc
        The OpenID Connect provider that issues its tokens.
    phi
        Whether the role's permissions reach PHI.
    administers
        Tag by which the policies of shared keys know the role; empty for none.
    """

    environment: str
    hospital: str
    namespace: str
    service_account: str
    oidc: OidcProvider
    phi: bool
    administers: str = ""


class WorkloadRole(pulumi.ComponentResource):
    """IAM role of one workload of one hospital.

    It has no permissions yet: KMS keys name the role, and its permissions name the keys.
    """

    arn: pulumi.Output[str]
    role: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:WorkloadRole", name, None, opts)
        subject = f"system:serviceaccount:{args.namespace}:{args.service_account}"
        role = iam.Role(
            name,
            name=names.role(args.environment, args.hospital, args.service_account),
            assume_role_policy=pulumi.Output.all(args.oidc.arn, args.oidc.issuer).apply(
                lambda oidc: web_identity_trust_policy(oidc[0], oidc[1], subject)
            ),
            max_session_duration=SESSION_SECONDS,
            tags=names.tags(args.environment, args.hospital, phi=args.phi, administers=args.administers),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = role.arn
        self.role = role.name
        self.register_outputs({"arn": self.arn})


def reaches_phi(grants: Sequence[BucketGrant]) -> bool:
    """Return whether any of the permissions reaches PHI."""
    return any(names.holds_phi(grant.data) for grant in grants)


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
