"""The Job that removes the databases of a hospital that left: it exists while its entry approves it, and no longer."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from infra.settings.hospital import Hospital
from policy_pack.engine.evaluate import Evaluator, Status
from policy_pack.settings import load
from policy_pack.stack.external_endpoints import read
from tests.policy import recorded
from tests.support.stack.mocked_stack import Stack, configuration, declare, like, settings, zone_quotas

pytestmark = pytest.mark.process

APPROVAL = {"approvedBy": "privacy-officer:jane.doe", "reason": "BAA-2026-014 ended"}


def with_lake(written: dict[str, Any]) -> None:
    released = {"leaving": "released", "databaseRemoval": APPROVAL}
    written["hospitals"].append(like(written["hospitals"][0], "lake", network="10.50.9.0/24", **released))


@pytest.fixture(scope="module", params=["dev", "prod"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings(request.param, tmp_path_factory.mktemp(request.param), with_lake))


def test_the_job_waits_for_a_person_and_has_the_approval(stack: Stack) -> None:
    [log] = [one.inputs["bucket"] for one in stack.of("Bucket") if one.name == "lake-audit"]
    [job] = [one for one in stack.of("CronJob") if one.name.startswith("lake")]
    assert job.metadata["name"] == "database-removal"
    assert job.inputs["spec"]["suspend"] is True
    pod = job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["args"][2:5] == ["remove", "--hospital", "lake"]
    assert container["args"][5:] == [
        *("--log", f"s3://{log}/database-removal/"),
        *("--approved-by", APPROVAL["approvedBy"], "--reason", APPROVAL["reason"]),
    ]
    assert [account.metadata["name"] for account in stack.of("ServiceAccount") if account.name.startswith("lake")] == [
        "database-removal"
    ]


def test_it_reaches_the_server_and_aws_and_nothing_in_vault(stack: Stack) -> None:
    own = {policy.metadata["name"] for policy in stack.of("NetworkPolicy") if policy.name.startswith("lake")}
    assert {name for name in own if name != "default-deny"} == {
        f"database-removal-to-{target}" for target in ("dns", "aws", "postgresql")
    }
    for kind in ("AuthBackendRole", "SecretBackendRole"):
        assert not [one for one in stack.of(kind) if one.name.startswith("lake")]
    pods = {name: hard["pods"] for name, hard in zone_quotas(stack).items() if name.startswith("lake")}
    assert pods.pop("lake-phi") == "2"
    assert set(pods.values()) == {"0"}


def test_it_writes_its_record_and_reads_no_bucket(stack: Stack) -> None:
    role = next(one for one in stack.of("RolePolicy") if one.name == "lake-database-removal")
    actions = {
        action
        for statement in json.loads(role.inputs["policy"])["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert "s3:PutObject" in actions
    assert not {action for action in actions if action.startswith(("s3:Get", "s3:Delete"))}


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_pack_takes_it(name: str, tmp_path: Path) -> None:
    config = configuration(name)
    with_lake(config)
    graph = recorded.graph(name, tmp_path, with_lake)
    refused = [row for row in Evaluator(load(), read(config)).evaluate_stack(graph) if row.status is Status.REFUSED]
    # INT-03 wants the exemption of a release (docs/production.md).
    assert {row.control for row in refused} - {"INT-03"} == set()


@pytest.mark.parametrize("leaving", [None, "closed"])
def test_databases_of_a_hospital_that_is_not_released_stay(leaving: str | None) -> None:
    entry = {"name": "lake", "fhir": {"path": "build"}, "leaving": leaving, "databaseRemoval": APPROVAL}
    with pytest.raises(ValidationError, match="needs leaving: released"):
        Hospital.model_validate(entry)
