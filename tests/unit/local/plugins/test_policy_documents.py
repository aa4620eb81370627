"""IAM policy documents are compared as IAM does, and nothing that IAM tells apart is taken for the same."""

import json
from typing import Any

import pytest

from local.plugins import aws_provider as aws
from local.plugins.provider import rows
from local.plugins.provider.common import EngineLog, Request

ROW = aws.AwsProvider.rows["aws:iam/rolePolicy:RolePolicy"]
STATEMENT: dict[str, Any] = {
    "Sid": "Read",
    "Effect": "Allow",
    "Action": ["s3:GetObject", "s3:ListBucket"],
    "Resource": "arn:aws:s3:::north/*",
    "Condition": {"Bool": {"aws:SecureTransport": "true"}},
}


def alike(old: Any, new: Any) -> bool:
    texts = [json.dumps({"Version": "2012-10-17", "Statement": part}) for part in (old, new)]
    return rows.same(ROW, "policy", *texts)


@pytest.mark.parametrize(
    "change",
    [
        {"Action": ["s3:ListBucket", "s3:GetObject"]},
        {"Action": ["S3:getobject", "s3:ListBucket"]},
        {"Resource": ["arn:aws:s3:::north/*"]},
        {"Condition": {"Bool": {"aws:SecureTransport": True}}},
        {"Condition": {"Bool": {"aws:SecureTransport": ["true"]}}},
        {"Principal": "*"},
        {"Principal": {"AWS": "123456789012"}},
    ],
)
def test_what_means_the_same_is_no_change(change: dict[str, Any]) -> None:
    old = dict(STATEMENT)
    if "Principal" in change:
        old["Principal"] = {"AWS": ["*"] if change["Principal"] == "*" else "arn:aws:iam::123456789012:root"}
    new = {name: {**STATEMENT, **change}[name] for name in reversed([*STATEMENT, *(change.keys() - STATEMENT.keys())])}
    assert alike([old], [new])
    assert alike([old], new)


@pytest.mark.parametrize(
    "change",
    [
        {"Sid": "Write"},
        {"Effect": "Deny"},
        {"Action": ["s3:GetObject"]},
        {"Resource": "arn:aws:s3:::North/*"},
        {"Resource": []},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Condition": {"BoolIfExists": {"aws:SecureTransport": "true"}}},
        {"Condition": {}},
        {"Principal": "*"},
        {"NotAction": "iam:*"},
    ],
)
def test_what_means_something_else_is_a_change(change: dict[str, Any]) -> None:
    assert not alike([STATEMENT], [{**STATEMENT, **change}])


def test_statements_have_no_order_and_two_are_not_one() -> None:
    denial = {**STATEMENT, "Effect": "Deny"}
    assert alike([STATEMENT, denial], [denial, STATEMENT])
    assert not alike([STATEMENT, denial], [STATEMENT])


@pytest.mark.parametrize("text", ["[]", "3", '{"Statement": 3}', '{"Statement": [3]}', "no JSON", '{"a": [1, 2]}'])
def test_what_is_no_policy_is_compared_as_it_is(text: str) -> None:
    assert rows.same(ROW, "policy", text, text)
    assert not rows.same(ROW, "policy", text, '{"a": [2, 1]}')


KEY = "aws:kms/key:Key"


def tagged(default: str, had: dict[str, str], **inputs: Any) -> Any:
    provider = aws.AwsProvider({})
    provider.configure({"region": "us-east-1", "defaultTags": json.dumps({"tags": {"project": default}})})
    urn = f"urn:pulumi:dev::p::{KEY}::x"
    made = {"description": "d", "tags": {"a": "b"}, "__defaults": []}
    log = EngineLog("").about(urn)
    return provider.diff(Request(urn, log, "id", {**made, **inputs}, made, {**made, "tagsAll": had}))


def test_a_change_of_the_default_tags_reaches_the_resources() -> None:
    assert not tagged("old", {"project": "old", "a": "b"}).changes
    changed = tagged("new", {"project": "old", "a": "b"})
    assert set(changed.changes) == {("tagsAll", "project")}
    assert not changed.replaces
    # A change of the resource's own tags says enough.
    assert set(tagged("new", {"project": "old", "a": "b"}, tags={"a": "c"}).changes) == {("tags", "a")}
