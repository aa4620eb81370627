"""Who has access to buckets and keys by IAM: cases worked out by hand, and grants at random."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_pack.facts.access import Access
from policy_pack.facts.iam.matrix import IamAccess
from policy_pack.facts.principals import AWS_PRINCIPAL
from policy_pack.stack.graph import Graph, Resource
from tests.policy.access_resources import ACCOUNT, arn, role
from tests.policy.builders import STACK, build, document

BUCKET = "arn:aws:s3:::records"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/records"
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
OPEN = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}


def bucket(*policy: dict[str, Any], key_policy: dict[str, Any] | None = None) -> list[Resource]:
    rule = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}}
    key = {"arn": KEY, "keyId": "records"} | ({"policy": document(key_policy)} if key_policy else {})
    return [
        build("aws:s3/bucket:Bucket", "records", {"bucket": "records", "arn": BUCKET}),
        build(
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "records",
            {"bucket": "records", "rules": [rule]},
        ),
        build("aws:kms/key:Key", "records", key),
        build("aws:s3/bucketPolicy:BucketPolicy", "records", {"bucket": "records", "policy": document(*policy)}),
    ]


def cloud(*resources: Resource) -> list[Access]:
    return IamAccess(Graph(resources, STACK)).access()


def readers(found: list[Access], verb: str = "read") -> list[str]:
    # Principals that a policy names and the stack does not declare may have any permission of their own.
    return [one.principal.label for one in found if one.verb == verb and one.principal.kind != AWS_PRINCIPAL]


def test_a_reader_needs_the_bucket_and_its_key() -> None:
    [one] = [access for access in cloud(*role("ingestor", READ, OPEN), *bucket()) if access.verb == "read"]
    assert one.principal.label == "ServiceAccount north-phi/ingestor"
    assert one.through == ("policy ingestor-rights", "role ingestor")
    assert (one.parts, one.conditions) == ((), ())
    assert readers(cloud(*role("ingestor", READ), *bucket())) == []
    assert readers(cloud(*role("ingestor", OPEN), *bucket())) == []


def test_a_key_policy_without_the_role_denies_the_bucket() -> None:
    other = {"Effect": "Allow", "Principal": {"AWS": arn("somebody")}, "Action": "kms:Decrypt", "Resource": "*"}
    assert readers(cloud(*role("ingestor", READ, OPEN), *bucket(key_policy=other))) == []
    named = other | {"Principal": {"AWS": arn("ingestor")}}
    assert readers(cloud(*role("ingestor", READ), *bucket(key_policy=named))) == ["ServiceAccount north-phi/ingestor"]
    deferred = other | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*"}
    found = cloud(*role("ingestor", READ, OPEN), *bucket(key_policy=deferred))
    assert readers(found) == ["ServiceAccount north-phi/ingestor"]
    assert "people of account 123456789012: its root user" in readers(found, "decrypt")


@pytest.mark.parametrize(
    ("denial", "left"),
    [
        ({"Action": "s3:*", "Resource": f"{BUCKET}/*"}, 0),
        ({"Action": "s3:GetObject", "Resource": f"{BUCKET}/a/*"}, 1),
        ({"Action": "s3:PutObject", "Resource": "*"}, 1),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, 1),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": arn("x")}}}, 0),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": arn("*")}}}, 1),
        ({"NotAction": ["s3:GetObject", "kms:Decrypt"], "Resource": "*"}, 1),
        ({"NotAction": "s3:PutObject", "Resource": "*"}, 0),
        ({"Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}, 0),
    ],
)
def test_a_deny_that_applies_to_every_request_wins(denial: dict[str, Any], left: int) -> None:
    stated = {"Effect": "Deny", "Principal": "*", **denial}
    assert len(readers(cloud(*role("ingestor", READ, OPEN), *bucket(stated)))) == left
    own = {"Effect": "Deny", **denial}
    assert len(readers(cloud(*role("ingestor", READ, OPEN, own), *bucket()))) == left


def test_a_bucket_policy_allows_other_principals() -> None:
    given = {"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "s3:PutObject"}
    found = cloud(*bucket(given | {"Resource": f"{BUCKET}/logs/*"}))
    assert [(one.principal.label, one.verb, one.parts) for one in found] == [
        ("AWS service logs.amazonaws.com", "overwrite", ("logs/*",)),
        ("AWS service logs.amazonaws.com", "write", ("logs/*",)),
    ]
    public = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    assert "anyone (Principal: *)" in readers(cloud(*bucket(public)), "list")
    # Nobody else may decrypt with its key.
    assert readers(cloud(*bucket(public))) == []


def test_a_permissions_boundary_limits_a_role() -> None:
    [one, rights] = role("ingestor", READ, OPEN)
    bound = build("aws:iam/policy:Policy", "bound", {"arn": "arn:bound", "policy": document(OPEN)})
    held = build(one.type, one.name, {**one.props, "permissionsBoundary": "arn:bound"})
    assert readers(cloud(held, rights, bound, *bucket())) == []
    wide = build("aws:iam/policy:Policy", "bound", {"arn": "arn:bound", "policy": document(OPEN, READ)})
    assert len(readers(cloud(held, rights, wide, *bucket()))) == 1


def test_role_chaining_is_resolved() -> None:
    pods = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    paired = build(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "features",
        {"roleArn": arn("features"), "namespace": "north-data", "serviceAccount": "features"},
    )
    chained = {"Effect": "Allow", "Principal": {"AWS": arn("features")}, "Action": "sts:AssumeRole"}
    found = cloud(*role("features", trust=pods), paired, *role("reader", READ, OPEN, trust=chained), *bucket())
    assert readers(found) == ["ServiceAccount north-data/features"]
    unpaired = cloud(*role("features", READ, OPEN, trust=pods), *bucket())
    assert readers(unpaired) == ["no principal of this stack"]


def test_policies_without_a_document_are_listed() -> None:
    attached = build(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "managed",
        {"role": "ingestor", "policyArn": "arn:aws:iam::aws:policy/Unknown"},
    )
    found = IamAccess(Graph([*role("ingestor"), attached], STACK)).unresolved_policies()
    assert found == [("ingestor", "arn:aws:iam::aws:policy/Unknown")]


NAMES = ("ingestor", "features", "trainer", "planner")


@given(st.sets(st.sampled_from(NAMES)))
def test_a_principal_without_grant_never_appears(granted: set[str]) -> None:
    roles = [one for name in NAMES for one in role(name, *((READ, OPEN) if name in granted else ()))]
    found = cloud(*roles, *bucket())
    assert {one.principal.name for one in found} == {f"north-phi/{name}" for name in granted}
