"""Other ways to grant AWS permissions, boundaries, and policies that nobody can read."""

from dataclasses import replace

import pytest

from policy_pack.stack.graph import Resource
from policy_pack.stack.values import UNKNOWN
from tests.policy.aws_documents import (
    ACCOUNT,
    KEY,
    OTHER,
    PLANNER,
    RAW,
    RAW_KEY,
    ROLE,
    ROLE_POLICY,
    SOMEONE,
    STACK,
    adding,
    beyond_table,
    with_change,
)
from tests.policy.builders import build, document

READ_RAW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{RAW}/*"}


def _user() -> Resource:
    return build("aws:iam/user:User", "someone", {"name": "someone", "arn": SOMEONE})


ANY = document({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"})
ADDED = {
    "a managed policy of AWS": [
        build(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "x",
            {"role": "hmlops-dev-north-planner", "policyArn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
        )
    ],
    "a managed policy that nobody knows": [
        build(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "x",
            {"role": "hmlops-dev-north-planner", "policyArn": "arn:aws:iam::aws:policy/Unknown"},
        )
    ],
    "an exclusive attachment": [
        build(
            "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",
            "x",
            {"roleName": "hmlops-dev-north-planner", "policyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]},
        )
    ],
    "a user": [_user(), build("aws:iam/userPolicy:UserPolicy", "x", {"user": "someone", "policy": ANY})],
    "a group": [
        _user(),
        build("aws:iam/group:Group", "staff", {"name": "staff"}),
        build("aws:iam/groupPolicy:GroupPolicy", "x", {"group": "staff", "policy": ANY}),
        build("aws:iam/userGroupMembership:UserGroupMembership", "x", {"user": "someone", "groups": ["staff"]}),
    ],
    "a KMS grant": [
        build("aws:kms/grant:Grant", "x", {"keyId": RAW_KEY, "granteePrincipal": PLANNER, "operations": ["Decrypt"]})
    ],
    "a KMS grant to another account": [
        build(
            "aws:kms/grant:Grant",
            "x",
            {"keyId": RAW_KEY, "granteePrincipal": f"arn:aws:iam::{OTHER}:root", "operations": ["Decrypt"]},
        )
    ],
    "an access point": [
        build(
            "aws:s3/accessPoint:AccessPoint",
            "x",
            {
                "bucket": "hmlops-dev-north-models",
                "policy": document(
                    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Principal": {"AWS": PLANNER}}
                ),
            },
        )
    ],
    "a pod identity": [
        build(
            "aws:eks/podIdentityAssociation:PodIdentityAssociation",
            "x",
            {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/pods", "namespace": "south-serving", "serviceAccount": "planner"},
        ),
        build(
            ROLE,
            "pods",
            {
                "name": "pods",
                "arn": f"arn:aws:iam::{ACCOUNT}:role/pods",
                "assumeRolePolicy": document(
                    {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ),
                "inlinePolicies": [{"name": "x", "policy": ANY}],
            },
        ),
    ],
    "a resource policy of an undescribed kind": [
        build(
            "aws:glue/resourcePolicy:ResourcePolicy",
            "x",
            {"policy": document({"Effect": "Allow", "Principal": "*", "Action": "glue:*", "Resource": "*"})},
        )
    ],
    "a share": [build("aws:ram/resourceShare:ResourceShare", "x", {"name": "x"})],
    "a snapshot": [build("aws:rds/clusterSnapshot:ClusterSnapshot", "x", {"sharedAccounts": [OTHER]})],
    "a bucket that is not described": [
        build("aws:s3/bucket:Bucket", "north-copy", {"bucket": "copy", "arn": "arn:aws:s3:::copy"})
    ],
}


@pytest.mark.parametrize("added", ADDED.values(), ids=ADDED.keys())
def test_another_way_to_grant_is_refused(added: list[Resource]) -> None:
    assert beyond_table([*STACK, *added])


@pytest.mark.parametrize("acl", ["public-read", "public-read-write", "authenticated-read", "aws-exec-read"])
def test_an_acl_counts_where_acls_are_not_disabled(acl: str) -> None:
    public = build("aws:s3/bucketAcl:BucketAcl", "x", {"bucket": "hmlops-dev-north-raw", "acl": acl})
    assert not beyond_table([*STACK, public])
    guards = ("BucketOwnershipControls", "BucketPublicAccessBlock", "AccountPublicAccessBlock")
    enabled = [one for one in STACK if not one.kind.endswith(guards)]
    assert beyond_table([*enabled, public])


def test_a_boundary_limits_what_identity_policies_grant() -> None:
    wide = with_change(ROLE_POLICY, "south-planner", "policy", adding(Action="s3:ListBucket", Resource="*"))
    assert beyond_table(wide)
    bound = build("aws:iam/policy:Policy", "bound", {"arn": "arn:bound", "policy": document(READ_RAW)})
    held = [
        replace(one, props={**one.props, "permissionsBoundary": "arn:bound"})
        if (one.kind, one.name) == (ROLE, "south-planner")
        else one
        for one in wide
    ]
    assert not [one for one in beyond_table([*held, bound]) if "south-planner" in one.message]


def with_value(kind: str, name: str, path: str, value: object) -> list[Resource]:
    def changed(one: Resource) -> Resource:
        return replace(one, props={**one.props, path: value}) if (one.kind, one.name) == (kind, name) else one

    return [changed(one) for one in STACK]


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        (ROLE_POLICY, "north-planner", "policy"),
        (ROLE, "north-planner", "assumeRolePolicy"),
        (KEY, "north-raw", "policy"),
    ],
)
def test_an_unknown_policy_counts_as_granted_and_is_not_yet_known(kind: str, name: str, path: str) -> None:
    assert {one.certain for one in beyond_table(with_value(kind, name, path, UNKNOWN))} == {False}


def test_an_unreadable_policy_counts_as_granted() -> None:
    (one,) = beyond_table(with_value(ROLE_POLICY, "north-planner", "policy", "{"))
    assert "policy north-planner cannot be read" in one.message
    assert one.certain
