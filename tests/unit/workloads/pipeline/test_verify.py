"""The nightly verification as it is declared: keys of the stack, and an identity that cannot sign or write."""

import json

import pytest

from tests.support.stack.mocked_stack import Declared, Stack, declare, settings
from workloads.zones.workload_table import VERIFY, row

NAME = "audit-verifier"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


def cron_job(stack: Stack) -> Declared:
    [found] = [one for one in stack.of("CronJob") if one.name == "north-audit-verify"]
    return found


def test_it_trusts_the_keys_that_the_stack_knows(stack: Stack) -> None:
    spec = cron_job(stack).inputs["spec"]
    [container] = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert container["args"] == ["-m", "services.audit", "verify"]
    assert variables["AUDIT_TRUSTED_KEYS"] == "north-audit-signing-public"
    assert variables["AUDIT_BUCKET"] == "s3://hmlops-dev-north-audit"
    assert not spec["suspend"]


def test_it_can_neither_sign_nor_write_an_anchor(stack: Stack) -> None:
    assert [rule.path for rule in row(VERIFY).vault_rules] == ["database/creds/audit-reader"]
    [policy] = [one for one in stack.of("RolePolicy") if one.name == f"north-{NAME}"]
    allowed = [one["Action"] for one in json.loads(policy.inputs["policy"])["Statement"]]
    assert allowed == [
        ["s3:GetObject", "s3:GetObjectVersion"],
        ["s3:ListBucket", "s3:ListBucketVersions"],
        "kms:Decrypt",
    ]
