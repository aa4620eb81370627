"""Backups: everything that is tagged, each day, kept and locked, copied away where the tier says, and tested."""

import json
from pathlib import Path

import pytest

from tests.support.stack.mocked_stack import Stack, declare, settings


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod")))


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


def test_copies_are_daily_kept_and_copied_to_the_second_region(prod: Stack) -> None:
    [plan] = prod.of("Plan")
    [rule] = plan.inputs["rules"]
    assert rule["schedule"] == "cron(0 5 * * ? *)"
    assert rule["lifecycle"]["deleteAfter"] == 35
    [copy] = rule["copyActions"]
    assert copy["destinationVaultArn"] == "arn:aws:backup:us-west-2:123456789012:backup-vault:hmlops-prod-second"


def vaults(stack: Stack) -> list[str]:
    return [vault.name for vault in stack.of("Vault") if vault.type == "aws:backup/vault:Vault"]


def test_each_vault_has_a_key_of_its_own_and_a_lock(prod: Stack) -> None:
    found = [vault for vault in prod.of("Vault") if vault.type == "aws:backup/vault:Vault"]
    assert {vault.inputs["name"] for vault in found} == {"hmlops-prod", "hmlops-prod-second"}
    assert len({vault.inputs["kmsKeyArn"] for vault in found}) == 2
    locks = prod.of("VaultLockConfiguration")
    assert {lock.inputs["backupVaultName"] for lock in locks} == {vault.inputs["name"] for vault in found}
    assert {lock.inputs["minRetentionDays"] for lock in locks} == {35}


def test_a_developer_s_copies_can_be_torn_down(dev: Stack) -> None:
    assert vaults(dev) == ["backup"]
    [plan] = dev.of("Plan")
    assert not plan.inputs["rules"][0].get("copyActions")
    with pytest.raises(LookupError):
        dev.of("VaultLockConfiguration")


def test_what_holds_patients_data_carries_the_tag_that_the_plan_selects(prod: Stack) -> None:
    [selection] = prod.of("Selection")
    [tag] = selection.inputs["selectionTags"]
    assert tag == {"type": "STRINGEQUALS", "key": "healthcare-mlops/backup", "value": "daily"}
    tagged = {
        bucket.inputs["tags"]["healthcare-mlops/data-class"]
        for bucket in prod.of("Bucket")
        if bucket.inputs["tags"].get(tag["key"]) == tag["value"]
    }
    assert {"raw", "curated", "identity", "audit"} <= tagged


def test_a_restore_is_tested_each_month_from_the_vault_itself(prod: Stack) -> None:
    [plan] = prod.of("RestoreTestingPlan")
    assert plan.inputs["scheduleExpression"] == "cron(0 9 1 * ? *)"
    points = plan.inputs["recoveryPointSelection"]
    assert points["includeVaults"] == ["arn:aws:backup:us-east-1:123456789012:backup-vault:hmlops-prod"]
    kinds = {one.inputs["protectedResourceType"] for one in prod.of("RestoreTestingSelection")}
    assert kinds == {"S3", "Aurora"}


def test_the_role_of_backups_is_let_into_keys_and_buckets(prod: Stack) -> None:
    role = "arn:aws:iam::123456789012:role/hmlops-prod-shared-backup"
    [raw] = [policy for policy in prod.of("BucketPolicy") if policy.name == "north-raw"]
    denials = [entry for entry in json.loads(raw.inputs["policy"])["Statement"] if entry["Sid"] == "NamedOnly"]
    assert role in denials[0]["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    [key] = [key for key in prod.of("Key") if key.name == "north-raw"]
    assert role in key.inputs["policy"]


def test_nothing_of_backups_names_a_hospital(prod: Stack, tmp_path: Path) -> None:
    own = [one for one in prod.resources if one.type.startswith("aws:backup/")]
    assert len(own) >= 8
    assert "north" not in json.dumps([dict(one.inputs) for one in own])
