"""The anchor as it is declared: what it signs with, where it writes, and that nobody reaches it."""

import json
from typing import Any

import pytest

from services.audit.__main__ import KEY_NAME
from services.audit.anchors import PREFIX
from tests.support.stack.mocked_stack import Declared, Stack, declare, settings
from workloads.zones.workload_table import table

NAME, NAMESPACE = "audit-anchor", "north-data"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


def of(stack: Stack, kind: str, namespace: str = NAMESPACE) -> Declared:
    [found] = [one for one in stack.of(kind) if (one.metadata["namespace"], one.metadata["name"]) == (namespace, NAME)]
    return found


def container(stack: Stack) -> dict[str, Any]:
    [found] = of(stack, "Deployment").inputs["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_it_anchors_to_its_hospital_s_audit_bucket(stack: Stack) -> None:
    variables = {one["name"]: one["value"] for one in container(stack)["env"]}
    assert (variables["HOSPITAL"], variables["VAULT_ROLE"]) == ("north", f"north-{NAME}")
    assert variables["AUDIT_BUCKET"] == "s3://hmlops-dev-north-audit"
    assert variables["DATABASE_HOST"] == "172.31.250.1"
    assert container(stack)["args"] == ["-m", "services.audit", "anchor", "--marks", "/tmp", "--unlocked"]
    assert table().locations["chain"].prefix == PREFIX


def test_it_reads_the_chain_and_signs_with_a_key_that_stays_in_vault(stack: Stack) -> None:
    annotations = of(stack, "Deployment").inputs["spec"]["template"]["metadata"]["annotations"]
    secret = "vault.hashicorp.com/agent-inject-secret-"
    found = {name.removeprefix(secret): path for name, path in annotations.items() if name.startswith(secret)}
    assert found == {"database-audit.json": "north/database/creds/audit-reader"}
    [policy] = [one.inputs["policy"] for one in stack.of("Policy") if one.name == f"north-{NAME}"]
    assert policy.count("capabilities") == 3
    assert f'path "north/transit/sign/{KEY_NAME}" {{\n  capabilities = ["update"]' in policy
    assert f'path "north/transit/keys/{KEY_NAME}" {{\n  capabilities = ["read"]' in policy
    [key] = [one for one in stack.of("SecretBackendKey") if one.name == f"north-{KEY_NAME}"]
    assert key.inputs["type"] == "ed25519"


def test_it_cannot_delete_what_it_wrote(stack: Stack) -> None:
    [policy] = [one for one in stack.of("RolePolicy") if one.name == f"north-{NAME}"]
    statements = json.loads(policy.inputs["policy"])["Statement"]
    actions = {
        action
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert actions == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListBucket",
        "s3:GetBucketObjectLockConfiguration",
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }
    [written] = [one["Resource"] for one in statements if "s3:PutObject" in one["Action"]]
    assert written.endswith("north-audit/chain/*")
    [bucket] = [one for one in stack.of("BucketPolicy") if one.name == "north-audit"]
    once = {one["Sid"]: one for one in json.loads(bucket.inputs["policy"])["Statement"]}
    assert "ChainWrittenOnce" in once
    writers = once["ChainWritersOnly"]["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    assert [one for one in writers if one.endswith(NAME)]


def test_nobody_connects_to_it(stack: Stack) -> None:
    names = {one.metadata["name"] for one in stack.of("NetworkPolicy") if one.metadata["namespace"] == NAMESPACE}
    own = {name for name in names if name.startswith(f"{NAME}-")}
    assert own == {f"{NAME}-to-{peer}" for peer in ("dns", "vault", "aws", "postgresql")}
    assert "ports" not in container(stack)
    assert not [one for one in stack.of("Service") if one.metadata["name"] == NAME]


def test_probes_read_when_it_last_anchored(stack: Stack) -> None:
    commands = {name: container(stack)[f"{name}Probe"]["exec"]["command"][-1] for name in ("readiness", "liveness")}
    assert commands == {
        "readiness": "file:///tmp/anchored?seconds=60",
        "liveness": "file:///tmp/tried?seconds=300",
    }


def test_production_accepts_no_bucket_without_lock(tmp_path_factory: pytest.TempPathFactory) -> None:
    prod = declare(settings("prod", tmp_path_factory.mktemp("prod")))
    assert container(prod)["args"] == ["-m", "services.audit", "anchor", "--marks", "/tmp"]
    [bucket] = [one for one in prod.of("Bucket") if one.name == "north-audit"]
    assert bucket.inputs["objectLockEnabled"] is True
