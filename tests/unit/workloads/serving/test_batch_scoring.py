"""The nightly scoring: a Job of the batch pool with the active release, in every hospital that has one."""

from pathlib import Path
from typing import Any

import pytest

from services.batch_scoring.settings import Settings
from tests.support.stack.mocked_stack import RELEASE, Stack, declare, settings


def released(written: dict[str, Any]) -> None:
    for hospital in written["hospitals"]:
        hospital["release"] = RELEASE


@pytest.fixture(scope="module", params=["dev", "prod"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings(request.param, tmp_path_factory.mktemp("stack"), released))


def scoring(stack: Stack) -> list[dict[str, Any]]:
    return [dict(one.inputs["spec"]) for one in stack.of("CronJob") if one.metadata["name"] == "score"]


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["jobTemplate"]["spec"]["template"]["spec"]
    return found


def test_every_hospital_with_a_release_is_scored_at_night(stack: Stack) -> None:
    jobs = scoring(stack)
    assert len(jobs) == len(stack.of("Hospital"))
    assert {(job["suspend"], job["concurrencyPolicy"]) for job in jobs} == {(False, "Forbid")}


def test_it_gives_way_to_what_clinicians_wait_for(stack: Stack) -> None:
    classes = {one.metadata["name"]: one.inputs for one in stack.of("PriorityClass")}
    for job in scoring(stack):
        own = classes[pod_of(job)["priorityClassName"]]
        assert own["preemptionPolicy"] == "Never"
        assert own["value"] < classes["healthcare-mlops-clinical"]["value"]


def test_its_program_reads_what_it_is_given(stack: Stack, tmp_path: Path) -> None:
    for job in scoring(stack):
        [container] = pod_of(job)["containers"]
        given = {one["name"]: one["value"] for one in container["env"] if isinstance(one.get("value"), str)}
        read = Settings.from_environment({**given, "DATABASE_CA": str(tmp_path)})
        assert read.release == RELEASE
        assert read.stays.endswith("/features/stays.parquet")
        assert read.release_files.endswith(f"/readmission/{RELEASE.replace('@', '/')}")


def test_the_features_of_the_night_come_before(stack: Stack) -> None:
    written = [one for one in stack.of("CronJob") if one.metadata["name"] == "features"]
    places = set()
    for job in written:
        args = pod_of(dict(job.inputs["spec"]))["containers"][0]["args"]
        places.add(args[args.index("--stays") + 1])
    read = {
        one["value"] for job in scoring(stack) for one in pod_of(job)["containers"][0]["env"] if one["name"] == "STAYS"
    }
    assert read == places


def test_without_a_release_nothing_is_scored(tmp_path: Path) -> None:
    assert scoring(declare(settings("dev", tmp_path))) == []
