"""Who deploys may read what a release says of itself, and nothing that patients are in."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.settings import DataClass, Settings
from tests.support.stack.mocked_stack import Stack, declare, settings


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings("prod", tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="module")
def stack(prod: Settings) -> Stack:
    return declare(prod)


def buckets_of(stack: Stack, who: str) -> set[str]:
    """Return the hospital's buckets whose policies let somebody by."""
    found = set()
    for policy in stack.of("BucketPolicy"):
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            named = statement["Condition"].get("ArnNotLike", {}).get("aws:PrincipalArn", [])
            if statement["Sid"] == "NamedOnly" and who in named:
                found.add(policy.inputs["bucket"])
    return found


def keys_of(stack: Stack, who: str) -> dict[str, list[str]]:
    """Return the actions on keys that somebody has by name."""
    found: dict[str, list[str]] = {}
    for key in stack.of("Key"):
        for statement in json.loads(key.inputs["policy"])["Statement"]:
            named: Any = statement.get("Principal", {}).get("AWS", [])
            if who in ([named] if isinstance(named, str) else named):
                found.setdefault(key.name, []).extend(statement["Action"])
    return found


def test_the_deployer_of_production_reads_models_alone(prod: Settings, stack: Stack) -> None:
    assert buckets_of(stack, prod.deployer) == {"hmlops-prod-north-models"}
    held = keys_of(stack, prod.deployer)
    assert held.keys() == {"north-models"}
    assert "kms:Decrypt" in held["north-models"]
    assert not {"kms:Encrypt", "kms:GenerateDataKey*", "kms:GenerateDataKey", "kms:*"} & set(held["north-models"])


def test_an_operator_is_named_once(tmp_path: Path) -> None:
    chosen = settings("dev", tmp_path)
    assert chosen.deployer in chosen.operators
    stack = declare(chosen)
    expected = {f"hmlops-dev-{entry.name}-{data}" for entry in chosen.hospitals for data in DataClass}
    assert expected <= buckets_of(stack, chosen.deployer)
    for policy in stack.of("BucketPolicy"):
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            named = statement["Condition"].get("ArnNotLike", {}).get("aws:PrincipalArn", [])
            assert len(named) == len(set(named))
