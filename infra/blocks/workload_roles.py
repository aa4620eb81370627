"""Who a pod is for AWS: a role that only its ServiceAccount can take, over the objects that it works on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi_aws import iam

from infra.blocks.bucket import Stored
from infra.settings import names
from infra.settings.values import DataClass, Settings

TOKEN_AUDIENCE = "sts.amazonaws.com"
SESSION_SECONDS = 3600
READ = ("s3:GetObject",)
WRITE = (*READ, "s3:PutObject", "s3:AbortMultipartUpload")
RECORD = ("s3:PutObject",)
REPLACE = (*WRITE, "s3:DeleteObject")


@dataclass(frozen=True)
class Grant:
    """Leave to act on the objects below a prefix of one bucket.

    Parameters
    ----------
    data, prefix
        Which objects.
    actions
        What may be done with them.
    asks_for_bucket
        Whether the workload first asks if the bucket is there, a request that names no prefix.
    """

    data: DataClass
    prefix: str
    actions: tuple[str, ...]
    asks_for_bucket: bool = False


# Who works on which objects. A release is never replaced, so nobody may delete a model.
GRANTS: dict[str, tuple[Grant, ...]] = {
    "ingestor": (
        Grant(DataClass.RAW, "", REPLACE),
        Grant(DataClass.CURATED, "tables/", REPLACE),
        Grant(DataClass.IDENTITY, "store/", REPLACE),
    ),
    "reidentifier": (
        Grant(DataClass.IDENTITY, "store/", READ),
        Grant(DataClass.IDENTITY, "answers/", WRITE),
        Grant(DataClass.AUDIT, "reidentification/", RECORD),
    ),
    "features": (Grant(DataClass.CURATED, "tables/", READ), Grant(DataClass.CURATED, "features/", REPLACE)),
    "trainer": (
        Grant(DataClass.CURATED, "features/", READ),
        Grant(DataClass.MODELS, "readmission/", WRITE),
        Grant(DataClass.MODELS, "reports/", WRITE),
    ),
    "model-server": (Grant(DataClass.MODELS, "readmission/", READ, asks_for_bucket=True),),
    "planner": (Grant(DataClass.CURATED, "features/", READ),),
}


@dataclass(frozen=True)
class Trust:
    """The cluster as AWS knows it.

    Parameters
    ----------
    provider_arn
        The OpenID Connect provider in IAM.
    issuer
        Its address, which names the claims in trust policies.
    """

    provider_arn: pulumi.Output[str]
    issuer: pulumi.Output[str]


def trust_cluster(environment: str, account: aws.Provider, issuer: pulumi.Input[str]) -> Trust:
    """Let AWS accept the cluster's ServiceAccount tokens."""
    provider = iam.OpenIdConnectProvider(
        "cluster",
        url=issuer,
        client_id_lists=[TOKEN_AUDIENCE],
        tags=names.tags(environment),
        opts=pulumi.ResourceOptions(provider=account),
    )
    return Trust(provider.arn, pulumi.Output.from_input(issuer))


def role_arn(settings: Settings, hospital: str, workload: str) -> str:
    """Return the ARN of a workload's role, which is known before the role is there."""
    return f"arn:aws:iam::{settings.account}:role/{names.role(settings.environment, hospital, workload)}"


def users(data: DataClass) -> tuple[list[str], list[str]]:
    """Return the workloads that only read data of a class, and those that write it."""
    writes = {
        name: any("s3:PutObject" in grant.actions for grant in grants if grant.data is data)
        for name, grants in GRANTS.items()
        if any(grant.data is data for grant in grants)
    }
    return [name for name, writer in writes.items() if not writer], [name for name, writer in writes.items() if writer]


@dataclass(frozen=True)
class WorkloadRoleArgs:
    """Whose role it is.

    Parameters
    ----------
    environment, hospital, workload, zone
        The ServiceAccount that may take it.
    trust
        The cluster that vouches for the ServiceAccount.
    """

    environment: str
    hospital: str
    workload: str
    zone: str
    trust: Trust


class WorkloadRole(pulumi.ComponentResource):
    """A role of one workload of one hospital, which may do nothing yet: keys that name it come first."""

    arn: pulumi.Output[str]
    role: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:WorkloadRole", name, None, opts)
        subject = f"system:serviceaccount:{names.namespace(args.hospital, args.zone)}:{args.workload}"
        role = iam.Role(
            name,
            name=names.role(args.environment, args.hospital, args.workload),
            assume_role_policy=pulumi.Output.all(args.trust.provider_arn, args.trust.issuer).apply(
                lambda known: trust_policy(known[0], known[1], subject)
            ),
            max_session_duration=SESSION_SECONDS,
            tags=names.tags(args.environment, args.hospital, phi=reaches_phi(GRANTS[args.workload])),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = role.arn
        self.role = role.name
        self.register_outputs({"arn": self.arn})


def reaches_phi(grants: Sequence[Grant]) -> bool:
    """Return whether who has these grants reaches data about patients."""
    return any(names.holds_phi(grant.data) for grant in grants)


def grant_access(
    name: str,
    role: pulumi.Input[str],
    grants: Sequence[Grant],
    stored: Mapping[DataClass, Stored],
    region: str,
    opts: pulumi.ResourceOptions,
) -> iam.RolePolicy:
    """Let a workload's role do what it is granted.

    Parameters
    ----------
    name, role
        The policy's name in the stack, and the role's in AWS.
    grants
        What it may do with which objects.
    stored
        The hospital's buckets.
    region
        Where its keys are used.
    opts
        Whose part the policy is.
    """
    classes = sorted({grant.data for grant in grants})
    arns = [pulumi.Output.all(stored[data].arn, stored[data].key_arn) for data in classes]
    return iam.RolePolicy(
        name,
        name="data",
        role=role,
        policy=pulumi.Output.all(*arns).apply(
            lambda known: access_policy(
                grants, {data: (pair[0], pair[1]) for data, pair in zip(classes, known, strict=True)}, region
            )
        ),
        opts=opts,
    )


def trust_policy(provider_arn: str, issuer: str, subject: str) -> str:
    """Return a policy by which one ServiceAccount may take the role, with a token meant for AWS."""
    claims = issuer.removeprefix("https://")
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{claims}:aud": TOKEN_AUDIENCE, f"{claims}:sub": subject}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def access_policy(grants: Sequence[Grant], arns: dict[DataClass, tuple[str, str]], region: str) -> str:
    """Return a policy over named prefixes of named buckets, and the keys of these buckets.

    Parameters
    ----------
    grants
        What is allowed.
    arns
        For each data class the bucket and its key.
    region
        Where S3 may use the key on the role's behalf.
    """
    statements: list[dict[str, object]] = []
    for grant in grants:
        bucket, _ = arns[grant.data]
        statements.append({"Effect": "Allow", "Action": list(grant.actions), "Resource": f"{bucket}/{grant.prefix}*"})
        listing: dict[str, object] = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket}
        if grant.prefix:
            # A client asks for the folder with or without its slash.
            operator = "StringLikeIfExists" if grant.asks_for_bucket else "StringLike"
            listing["Condition"] = {operator: {"s3:prefix": [f"{grant.prefix}*", grant.prefix.rstrip("/")]}}
        statements.append(listing)
    for data, (_, key) in arns.items():
        writes = any("s3:PutObject" in grant.actions for grant in grants if grant.data is data)
        statements.append(
            {
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"] if writes else "kms:Decrypt",
                "Resource": key,
                "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
            }
        )
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
