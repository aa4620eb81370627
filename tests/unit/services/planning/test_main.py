"""``python -m services.planning delivery``: the state of releases, for a person and for a program."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from services.database.schemas import Schema
from services.planning.__main__ import app
from services.planning.delivery.releases import Assigned, AssignedCanary, Releases
from services.planning.tables import CALLS, STOPS
from tests.support.databases.postgres import server_environment
from tests.support.serving.planning_world import PlanningWorld

pytestmark = pytest.mark.process

DIGEST = "ab" * 32
CANARY = AssignedCanary(
    release=f"v2@{DIGEST[:12]}", model="readmission-risk-v2", url="https://model", files="s3://models/v2", percent=10
)

OTHER = Assigned(release=f"v3@{'cd' * 6}", model="readmission-risk-v3", url="https://other", files="s3://v3")


def environment(hospital: PlanningWorld, **variables: str) -> dict[str, str]:
    settings = hospital.settings
    releases = Releases(active=settings.releases.active, canary=CANARY)
    return {
        "HOSPITAL": settings.hospital,
        "RELEASES": releases.model_dump_json(exclude_none=True),
        "ONLINE_FEATURES": settings.online_features,
        **server_environment(settings.database_server),
        "PLANNING_DATABASE_FILE": str(settings.planning_database),
    } | variables


def shown(hospital: PlanningWorld, monkeypatch: pytest.MonkeyPatch, *options: str, **variables: str) -> str:
    for name, value in environment(hospital, **variables).items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["delivery", *options], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_state_of_a_canary(hospital: PlanningWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    canary: dict[str, Any]
    active, canary = json.loads(shown(hospital, monkeypatch, "--json"))["releases"]
    assert (active["role"], active["counts"]["calls"]) == ("active", 0)
    assert (canary["release"], canary["percent"], "stop" in canary) == (CANARY.release, 10, False)
    with hospital.databases[Schema.PLANNING].engine("planning-service").begin() as connection:
        call = {"digest": DIGEST, "role": "canary", "encounters": 1, "milliseconds": 2.5}
        connection.execute(CALLS.insert(), [call | {"fault": None}, call | {"fault": "slow"}])
        stop = {
            "digest": DIGEST,
            "release": CANARY.release,
            "cause": "error-rate",
            "figures": {"calls": 9},
            "record": 4,
        }
        connection.execute(STOPS.insert(), stop)
    _, canary = json.loads(shown(hospital, monkeypatch, "--json"))["releases"]
    assert canary["counts"] == {"calls": 2, "failed": 1, "answers": 0}
    assert (canary["stop"]["cause"], canary["stop"]["figures"], canary["stop"]["record"]) == (
        "error-rate",
        {"calls": 9},
        4,
    )
    text = shown(hospital, monkeypatch)
    assert f"canary: {CANARY.release}, 10 % of encounters, 0 answers, 1 of 2 calls failed, STOPPED at" in text
    assert "error-rate" in text
    models = Releases(active=hospital.settings.releases.active, models={"boosted": OTHER})
    text = shown(hospital, monkeypatch, RELEASES=models.model_dump_json(exclude_none=True))
    assert f"boosted active: {OTHER.release}" in text.splitlines()
    assert "no release is assigned" in shown(hospital, monkeypatch, RELEASES="{}")
