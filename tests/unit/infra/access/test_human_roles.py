"""The roles that people take: short, with a second factor, and without patients' data."""

import json
import re
from typing import Any

import pytest

from infra.access.human_roles import HumanRoles, HumanRolesArgs, table
from infra.blocks.providers import aws_account
from infra.monitoring.account_monitoring import AccountMonitoring, AccountMonitoringArgs
from infra.settings import Settings, names
from infra.storage.backup_role import BackupRole
from policy_pack.facts.iam.documents import statements
from policy_pack.stack.values import View
from tests.support.stack.mocked_stack import Declared, Stack, declared, settings

READS = ("s3:GetObject", "kms:Decrypt", "secretsmanager:GetSecretValue", "rds-db:connect", "kafka-cluster:ReadData")


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings("prod", tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="module")
def people(chosen: Settings) -> Stack:
    def program() -> None:
        args = AccountMonitoringArgs(chosen, aws_account(chosen), BackupRole("backup", chosen))
        HumanRoles("people", HumanRolesArgs(chosen, AccountMonitoring("watch", args)))

    return declared(program, chosen.environment)


def _roles(stack: Stack) -> list[Declared]:
    return [role for role in stack.of("Role") if role.custom and role.name in table()]


def _policy(stack: Stack, role: str) -> Any:
    [policy] = [one for one in stack.of("RolePolicy") if one.name == role]
    return json.loads(policy.inputs["policy"])


def test_each_role_ends_within_the_hour_and_asks_for_a_second_factor(people: Stack, chosen: Settings) -> None:
    roles = _roles(people)
    assert {role.name for role in roles} == table().keys()
    for role in roles:
        assert role.inputs["maxSessionDuration"] <= 3600
        [trust] = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert trust["Principal"] == {"AWS": f"arn:aws:iam::{chosen.account}:root"}
        assert trust["Condition"]["Bool"] == {"aws:MultiFactorAuthPresent": "true"}


def test_exactly_one_role_is_for_emergencies(people: Stack) -> None:
    tag = f"{names.DOMAIN}/break-glass"
    assert [role.name for role in _roles(people) if role.inputs["tags"].get(tag) == "true"] == [names.BREAK_GLASS]


@pytest.mark.parametrize("role", sorted(table()))
def test_no_role_reads_data_and_every_word_is_filled_in(people: Stack, role: str) -> None:
    document = _policy(people, role)
    allowed = [one for one in statements(View(document)) if one.allows]
    assert allowed
    assert not [action for action in READS for one in allowed if one.covers(action)]
    assert not re.search("ACCOUNT|REGION|ENVIRONMENT|TRAIL_LOGS", json.dumps(document))


def test_the_emergency_role_changes_neither_itself_nor_the_record(people: Stack) -> None:
    denied = [one for one in statements(View(_policy(people, names.BREAK_GLASS))) if not one.allows]
    assert any(one.covers("iam:PutRolePolicy") and "break-glass" in str(one.resources) for one in denied)
    assert any(one.covers("cloudtrail:StopLogging") and one.any_resource for one in denied)


def test_the_administrator_of_keys_cannot_lend_them(people: Stack) -> None:
    allowed = [one for one in statements(View(_policy(people, "key-administrator"))) if one.allows]
    assert any(one.covers("kms:ScheduleKeyDeletion") for one in allowed)
    assert not any(one.covers(action) for one in allowed for action in ("kms:CreateGrant", "kms:GenerateDataKey"))


def test_the_auditor_reads_the_trail(people: Stack) -> None:
    allowed = [one for one in statements(View(_policy(people, "security-auditor"))) if one.allows]
    [logs] = [one for one in allowed if one.covers("logs:FilterLogEvents")]
    assert all("/trail" in resource for resource in logs.resources)
