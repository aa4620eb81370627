"""Keys that hospitals share: who administers one cannot use it, and who uses it cannot administer it."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pulumi
import pytest

from infra.blocks import kms_key_policy
from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from local.aws_emulator.access.policies import Ask, Principal, Verdict, judge
from tests.support.stack.mocked_stack import Mocks, Stack, run, settings

ACCOUNT = "123456789012"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/administrator"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
USES = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant")
CARES = ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:EnableKeyRotation")


def says(
    policy: str, who: str, action: str, context: Mapping[str, str] = MappingProxyType({}), *, delegate: bool = True
) -> bool:
    principal = Principal(who, ACCOUNT, frozenset({who}))
    seen = {name: (value,) for name, value in context.items()}
    return judge(policy, Ask(action, "arn:key", seen), principal, delegate) is Verdict.ALLOW


def declared(stack: str, root: Path, *, roles: tuple[str, ...] = (), via: tuple[str, ...] = ()) -> Stack:
    made, chosen = Stack(), settings(stack, root)
    pulumi.runtime.set_mocks(Mocks(made), project="healthcare-mlops", stack=stack)
    run(lambda: PlatformKey("logs-key", PlatformKeyArgs(chosen, "logs", roles=roles, via=via)))
    return made


def policy_of(stack: Stack) -> str:
    [key] = stack.of("Key")
    return str(key.inputs["policy"])


@pytest.mark.parametrize("action", CARES)
def test_administrators_are_whoever_iam_says(tmp_path: Path, action: str) -> None:
    policy = policy_of(declared("prod", tmp_path, roles=(ROLE,)))
    assert says(policy, ADMINISTRATOR, action)
    assert not says(policy, ROLE, action, delegate=False)


@pytest.mark.parametrize("action", USES)
def test_administrators_cannot_use_a_key(tmp_path: Path, action: str) -> None:
    policy = policy_of(declared("prod", tmp_path, roles=(ROLE,)))
    assert not says(policy, ADMINISTRATOR, action)
    assert says(policy, ROLE, action, delegate=False) is (action != "kms:CreateGrant")


def test_services_use_a_key_on_behalf_of_this_account_alone(tmp_path: Path) -> None:
    policy = policy_of(declared("prod", tmp_path, via=("rds",)))
    here = {"kms:calleraccount": ACCOUNT, "kms:viaservice": "rds.us-east-1.amazonaws.com"}
    assert says(policy, ADMINISTRATOR, "kms:CreateGrant", here)
    assert not says(policy, ADMINISTRATOR, "kms:CreateGrant", {**here, "kms:calleraccount": "210987654321"})
    assert not says(policy, ADMINISTRATOR, "kms:Decrypt", {**here, "kms:viaservice": "s3.us-east-1.amazonaws.com"})
    assert not says(policy, ADMINISTRATOR, "kms:Decrypt")


@pytest.mark.parametrize(
    ("service", "operator", "key"),
    [
        ("sns.amazonaws.com", "StringEquals", "aws:SourceAccount"),
        ("cloudtrail.amazonaws.com", "ArnLike", "aws:SourceArn"),
        ("logs.us-east-1.amazonaws.com", "ArnLike", "kms:EncryptionContext:aws:logs:arn"),
    ],
)
def test_a_service_acts_for_this_account_alone(service: str, operator: str, key: str) -> None:
    statement = kms_key_policy.service(service, ACCOUNT)
    assert statement["Principal"] == {"Service": service}
    assert str(statement["Sid"]).isalnum()
    condition = statement["Condition"]
    assert isinstance(condition, dict)
    assert ACCOUNT in condition[operator][key]


def test_nobody_is_named_who_is_not_there(tmp_path: Path) -> None:
    [statement] = json.loads(policy_of(declared("prod", tmp_path)))["Statement"]
    assert statement["Sid"] == "Administration"


@pytest.mark.parametrize(("stack", "days"), [("dev", 7), ("prod", 30)])
def test_a_key_rotates_waits_and_says_whose_it_is(tmp_path: Path, stack: str, days: int) -> None:
    made = declared(stack, tmp_path)
    [key] = made.of("Key")
    [alias] = made.of("Alias")
    assert (key.inputs["enableKeyRotation"], key.inputs["deletionWindowInDays"]) == (True, days)
    assert key.inputs["tags"]["healthcare-mlops/phi"] == "true"
    assert alias.inputs["name"] == f"alias/hmlops-{stack}-logs"
