"""Weak conditions, strangers and Deny statements: every way to write one that does not limit, and the right ones."""

from typing import Any

import pytest

from policy_pack.facts.iam.documents import Statement, statements
from policy_pack.facts.iam.weaknesses import (
    changes_everywhere,
    denies_everybody,
    foreign_resources,
    services_without_source,
    strangers,
    weak_conditions,
)
from policy_pack.stack.values import View

OWN, OTHER = "123456789012", "999999999999"
PLAIN = {"aws:securetransport": "false"}


def _one(**parts: Any) -> Statement:
    entry = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::x/*"} | parts
    return statements(View({"Statement": [entry]}))[0]


def _deny(**parts: Any) -> Statement:
    tls = {"Bool": {"aws:SecureTransport": "false"}}
    return _one(**{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Condition": tls} | parts)


@pytest.mark.parametrize(
    ("condition", "weak"),
    [
        ({"StringEquals": {"aws:SourceAccount": OWN}}, False),
        ({"StringEqualsIfExists": {"aws:PrincipalTag/hospital": "north"}}, False),
        ({"StringLike": {"aws:ResourceTag/pool": "*"}}, False),
        ({"StringEqualsIfExists": {"aws:SourceAccount": OWN}}, True),
        ({"ForAllValues:StringEquals": {"aws:SourceAccount": OWN}}, True),
        ({"StringNotEquals": {"aws:SourceAccount": "nothing"}}, True),
        ({"StringLike": {"aws:SourceAccount": [OWN, "*"]}}, True),
        ({"ArnLike": {"aws:SourceArn": "*:*"}}, True),
    ],
)
def test_a_condition_that_is_always_met_is_weak(condition: dict[str, Any], weak: bool) -> None:
    assert bool(list(weak_conditions(_one(Condition=condition)))) is weak
    assert not list(weak_conditions(_one(Effect="Deny", Condition=condition)))


def test_a_service_names_the_account_for_which_it_acts() -> None:
    trusted = {"Principal": {"Service": ["backup.amazonaws.com", "ec2.amazonaws.com"]}}
    assert services_without_source(_one(**trusted)) == ["backup.amazonaws.com"]
    assert not services_without_source(_one(**trusted, Condition={"StringEquals": {"aws:SourceAccount": OWN}}))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (_one(Principal={"AWS": [OWN, f"arn:aws:iam::{OTHER}:root"]}), [OTHER]),
        (_one(Principal={"AWS": OTHER}), [OTHER]),
        (_one(Condition={"StringEquals": {"aws:SourceAccount": OTHER}}), [OTHER]),
        (_deny(Condition={"StringNotEquals": {"aws:PrincipalAccount": [OWN, OTHER]}}), [OTHER]),
        (_deny(Condition={"StringEquals": {"aws:PrincipalAccount": OTHER}}), []),
        (_deny(Principal={"AWS": OTHER}), []),
        (_one(Principal={"AWS": f"arn:aws:iam::{OWN}:role/x"}), []),
    ],
)
def test_another_account_is_a_stranger_where_it_is_let_in(statement: Statement, found: list[str]) -> None:
    assert strangers(statement, OWN) == found


def test_an_identity_uses_resources_of_its_account() -> None:
    there = f"arn:aws:logs:us-east-1:{OTHER}:log-group:x"
    assert foreign_resources(_one(Resource=[there, "arn:aws:ssm:us-east-1::parameter/aws/x"]), OWN) == [OTHER]


@pytest.mark.parametrize(
    ("action", "changes"),
    [
        ("secretsmanager:CreateSecret", True),
        ("ssm:ResetServiceSetting", True),
        ("ssm:GetParameter", True),
        ("ssm:Get*", True),
        ("logs:GetLogEvents", True),
        ("iam:CreateServiceLinkedRole", True),
        ("ec2:Describe*", False),
        ("kms:ListKeys", False),
        ("ecr:GetAuthorizationToken", False),
    ],
)
def test_only_reads_of_configuration_are_of_every_resource(action: str, changes: bool) -> None:
    assert bool(changes_everywhere(_one(Action=action, Resource="*"))) is changes
    assert not changes_everywhere(_one(Action=action))


@pytest.mark.parametrize(
    ("statement", "denied"),
    [
        (_deny(), True),
        (_deny(Principal={"AWS": f"arn:aws:iam::{OWN}:user/nobody"}), False),
        (_deny(Resource="arn:aws:s3:::elsewhere/*"), False),
        (_deny(Action="s3:GetBucketTagging"), False),
        (_deny(Condition={"Bool": {"aws:SecureTransport": "true"}}), False),
        (
            _deny(Condition={"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:RequestedRegion": "x"}}),
            False,
        ),
        (_deny(Condition={"Null": {"aws:SecureTransport": "nothing"}}), False),
    ],
)
def test_a_deny_counts_where_it_applies_to_every_request(statement: Statement, denied: bool) -> None:
    assert denies_everybody([statement], ("s3:GetObject",), PLAIN, ("arn:aws:s3:::x/*",)) is denied
