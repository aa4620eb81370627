"""Reader of the permissions that an AWS account has: IAM, and the policies of the stack's buckets and keys."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.exceptions

from policy_pack.errors import PackError
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, KEY
from policy_pack.stack.live import AWS, Permission, document
from policy_pack.stack.text import known_text

_new_client: Callable[..., Any] = boto3.client
_GONE = {"NoSuchBucket", "NoSuchBucketPolicy", "NotFoundException"}
_HOLDERS = (
    ("role", "RoleDetailList", "RoleName", "RolePolicyList"),
    ("user", "UserDetailList", "UserName", "UserPolicyList"),
    ("group", "GroupDetailList", "GroupName", "GroupPolicyList"),
)
_BY_SERVICES = ".amazonaws.com"


def read(graph: Graph) -> tuple[Permission, ...]:
    """Return the permissions of the account of the environment's credentials.

    Raises
    ------
    PackError
        When the account cannot be read.
    """
    try:
        return tuple(sorted({*_iam(), *_buckets(graph), *_keys(graph)}))
    except botocore.exceptions.ClientError as error:
        raise PackError(
            f"AWS refuses to describe the account's permissions ({error.response['Error']['Code']}); the audit needs "
            "iam:GetAccountAuthorizationDetails, s3:GetBucketPolicy, kms:GetKeyPolicy and kms:ListGrants."
        ) from None
    except botocore.exceptions.BotoCoreError as error:
        raise PackError(
            f"The AWS account cannot be reached ({type(error).__name__}); set credentials and region, or omit --live "
            "aws."
        ) from None


def _iam() -> Iterator[Permission]:
    pages = _new_client("iam").get_paginator("get_account_authorization_details")
    for page in pages.paginate(Filter=["User", "Role", "Group", "LocalManagedPolicy"]):
        for kind, list_name, name_field, policies in _HOLDERS:
            for holder in page.get(list_name, ()):
                name = holder[name_field]
                trust = document(holder["AssumeRolePolicyDocument"]) if kind == "role" else ""
                yield Permission(AWS, kind, name, trust)
                for inline in holder.get(policies) or ():
                    yield Permission(
                        AWS,
                        "inline policy",
                        f"{kind}/{name}/{inline['PolicyName']}",
                        document(inline["PolicyDocument"]),
                    )
                for attached in holder.get("AttachedManagedPolicies") or ():
                    yield Permission(AWS, "attached policy", f"{kind}/{name}/{attached['PolicyArn']}")
        for policy in page.get("Policies", ()):
            if ":aws:policy/" not in policy["Arn"]:
                current = [one for one in policy["PolicyVersionList"] if one["IsDefaultVersion"]]
                yield Permission(AWS, "managed policy", policy["Arn"], document(current[0]["Document"]))


def _buckets(graph: Graph) -> Iterator[Permission]:
    for bucket in graph.of(BUCKET):
        name = known_text(bucket.at("bucket"))
        answer = _answer(_client("s3", bucket).get_bucket_policy, Bucket=name)
        if answer:
            yield Permission(AWS, "bucket policy", name, document(answer["Policy"]))


def _keys(graph: Graph) -> Iterator[Permission]:
    for key in graph.of(KEY):
        arn, kms = known_text(key.at("arn")), _client("kms", key)
        answer = _answer(kms.get_key_policy, KeyId=arn, PolicyName="default")
        if answer is None:
            continue
        yield Permission(AWS, "key policy", arn, document(answer["Policy"]))
        for grant in kms.list_grants(KeyId=arn)["Grants"]:
            if not str(grant.get("GranteePrincipal", "")).endswith(_BY_SERVICES):
                yield Permission(AWS, "key grant", f"{arn}/{grant['GrantId']}")


def _client(service: str, resource: Resource) -> Any:
    """Return a client of the region of a resource."""
    arn_region = known_text(resource.at("arn")).split(":")[3:4]
    region = known_text(resource.at("region")) or "".join(arn_region)
    return _new_client(service, region_name=region or None)


def _answer(request: Callable[..., Any], **parameters: str) -> Any:
    """Return the answer of a request; None where the object does not exist."""
    try:
        return request(**parameters)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise
