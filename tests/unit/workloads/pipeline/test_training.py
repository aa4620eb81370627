"""Training as it is declared: where it reads features, and what its login may do."""

from typing import Any

import pytest
from typer.main import get_command

from model.cli.app import app
from model.warehouse.read import PREFIX
from tests.support.stack.mocked_stack import Declared, Stack, declare, settings, without_gateway
from workloads.zones.workload_table import TRAINING, row

LOGIN = "vault.hashicorp.com/agent-inject-secret-database-warehouse.json"


def without_databases(written: dict[str, Any]) -> None:
    without_gateway(written)
    del written["endpoints"]["postgresql"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("files"), without_databases))


def cron_job(stack: Stack, name: str = "north-train") -> Declared:
    [found] = [one for one in stack.of("CronJob") if one.name == name]
    return found


def template(stack: Stack, name: str = "north-train") -> dict[str, Any]:
    found: dict[str, Any] = cron_job(stack, name).inputs["spec"]["jobTemplate"]["spec"]["template"]
    return found


def arguments(stack: Stack, name: str = "north-train") -> list[str]:
    [train] = [one for one in template(stack, name)["spec"]["initContainers"] if one["name"] == "train"]
    found: list[str] = train["args"]
    return found


def peers(stack: Stack) -> set[str]:
    names = {one.metadata["name"] for one in stack.of("NetworkPolicy") if one.name.startswith("north-")}
    return {name.removeprefix("trainer-to-") for name in names if name.startswith("trainer-")}


def test_each_hospital_trains_from_its_own_warehouse(stack: Stack) -> None:
    group: Any = get_command(app)
    for hospital in ("north", "south"):
        given = arguments(stack, f"{hospital}-train")
        assert given[:4] == ["-m", "model", "train", f"{PREFIX}{hospital}"]
        group.commands["train"].make_context("train", given[3:])


def test_it_has_the_login_of_training_and_what_connects(stack: Stack) -> None:
    found = template(stack)
    annotations = found["metadata"]["annotations"]
    assert annotations[LOGIN] == "north/database/creds/ml-training"
    assert annotations["vault.hashicorp.com/role"] == "north-trainer"
    # The agent writes the login before the first container, which reads the features, and ends.
    assert annotations["vault.hashicorp.com/agent-init-first"] == "true"
    assert annotations["vault.hashicorp.com/agent-pre-populate-only"] == "true"
    [train] = [one for one in found["spec"]["initContainers"] if one["name"] == "train"]
    variables = {one["name"]: one["value"] for one in train["env"]}
    assert (variables["DATABASE_HOST"], variables["DATABASE_PORT"]) == ("172.31.250.1", "5432")
    assert peers(stack) == {"dns", "aws", "vault", "postgresql"}


def test_vault_gives_it_that_login_and_nothing_else(stack: Stack) -> None:
    assert [(rule.path, rule.capability) for rule in row(TRAINING).vault_rules] == [
        ("database/creds/ml-training", "read")
    ]
    [policy] = [one for one in stack.of("Policy") if one.name == "north-trainer"]
    assert policy.inputs["policy"].count("path ") == 1
    assert 'path "north/database/creds/ml-training"' in policy.inputs["policy"]


def test_without_postgresql_it_reads_the_features_file_and_has_no_login(files: Stack) -> None:
    assert arguments(files)[3] == "s3://hmlops-dev-north-curated/features/features.parquet"
    found = template(files)
    assert not found["metadata"].get("annotations")
    assert not any("vault" in volume["name"] for volume in found["spec"]["volumes"])
    assert not [one for one in files.of("Policy") if one.name == "north-trainer"]
    assert peers(files) == {"dns", "aws"}
