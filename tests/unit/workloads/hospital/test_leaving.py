"""A hospital that leaves: nobody reaches its data but who hands it over, and what goes is what may go."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy_pack.engine.evaluate import Evaluator, Status
from policy_pack.settings import load
from policy_pack.stack.external_endpoints import read
from tests.policy import recorded
from tests.support.stack.mocked_stack import Declared, Stack, configuration, declare, like, settings

pytestmark = pytest.mark.process

Change = Callable[[dict[str, Any]], None]


def with_lake(leaving: str) -> Change:
    """Return a change by which a second hospital is leaving."""

    def change(written: dict[str, Any]) -> None:
        lake = like(written["hospitals"][0], "lake", network="10.50.9.0/24", leaving=leaving)
        written["hospitals"].append(lake)

    return change


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("closed"), with_lake("closed")))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("released"), with_lake("released")))


def own(stack: Stack, kind: str) -> list[Declared]:
    return [one for one in stack.of(kind) if one.name.startswith("lake")]


def test_a_closed_hospital_has_no_workload_no_login_and_no_way_in(closed: Stack) -> None:
    for kind in ("CronJob", "ServiceAccount", "AuthBackendRole", "SecretBackendRole", "Gateway"):
        assert {one.name.partition("-")[0] for one in closed.of(kind)} - {"platform", "shared"} >= {"north"}
        assert own(closed, kind) == []
    assert {policy.name.removeprefix("lake-") for policy in own(closed, "NetworkPolicy")} == {
        f"{zone}-default-deny" for zone in ("phi", "serving", "data", "platform")
    }
    assert {quota.inputs["spec"]["hard"]["pods"] for quota in own(closed, "ResourceQuota")} == {"0"}
    assert not [rule for rule in closed.of("SecurityGroupEgressRule") if rule.name.startswith("lake")]


def test_who_hands_the_data_over_is_all_that_reads_it(closed: Stack) -> None:
    export = "arn:aws:iam::123456789012:role/hmlops-prod-lake-export"
    [raw] = [policy for policy in own(closed, "BucketPolicy") if policy.name == "lake-raw"]
    [denied] = [entry for entry in json.loads(raw.inputs["policy"])["Statement"] if entry["Sid"] == "NamedOnly"]
    named = denied["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    assert {arn.rpartition("/")[2] for arn in named} == {
        "hmlops-prod-lake-export",
        "hmlops-prod-lake-replication",
        "hmlops-prod-shared-backup",
    }
    [key] = [key for key in own(closed, "Key") if key.name == "lake-raw"]
    uses = {entry["Sid"]: entry for entry in json.loads(key.inputs["policy"])["Statement"]}
    assert export in uses["Readers"]["Principal"]["AWS"]
    assert not [role for role in uses["Writers"]["Principal"]["AWS"] if "lake" in role]
    [role] = [role for role in own(closed, "Role") if role.name == "lake-export"]
    assert "MultiFactorAuthPresent" in role.inputs["assumeRolePolicy"]
    [rights] = [policy for policy in own(closed, "RolePolicy") if policy.name == "lake-export"]
    actions = json.dumps([entry["Action"] for entry in json.loads(rights.inputs["policy"])["Statement"]])
    assert not any(verb in actions for verb in ("Put", "Delete", "Encrypt", "*"))


def test_a_closed_hospital_loses_nothing(closed: Stack) -> None:
    assert {key.inputs["deletionWindowInDays"] for key in own(closed, "Key")} == {30}
    assert not any(bucket.inputs["forceDestroy"] for bucket in own(closed, "Bucket"))


def test_other_hospitals_stay_as_they_were(closed: Stack, tmp_path: Path) -> None:
    before = declare(settings("prod", tmp_path)).by_key()
    after = closed.by_key()
    assert {key for key, one in before.items() if after[key].inputs != one.inputs} == set()
    assert all("lake" in name for _, name in after.keys() - before.keys())


def test_of_a_released_hospital_what_is_locked_stays_and_the_rest_may_go(released: Stack) -> None:
    goes = {bucket.name for bucket in own(released, "Bucket") if bucket.inputs["forceDestroy"]}
    assert goes == {f"lake-{data}{where}" for data in ("raw", "curated", "identity") for where in ("", "-replica")}
    assert not [role for role in own(released, "Role") if role.name == "lake-export"]


@pytest.mark.parametrize(("leaving", "asked"), [("closed", set()), ("released", {"INT-03"})])
def test_the_pack_takes_a_closing_and_wants_an_exemption_to_release(
    tmp_path: Path, leaving: str, asked: set[str]
) -> None:
    graph = recorded.graph("prod", tmp_path, with_lake(leaving))
    config = configuration("prod")
    with_lake(leaving)(config)
    rows = [row for row in Evaluator(load(), read(config)).evaluate_stack(graph) if row.status is Status.REFUSED]
    assert {row.control for row in rows} == asked
    assert all(row.name.startswith("lake") for row in rows)
