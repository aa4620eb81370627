"""The nightly scoring: every stay of its file, with the scores that the model server gives, on record before kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from model.artifact.trust import TRUSTED_KEYS
from model.errors import UserError
from services.audit.errors import NotRecordedError
from services.audit.records import Record
from services.batch_scoring.job import ROUTE, run
from services.batch_scoring.settings import Settings
from services.database.schemas import Schema
from services.planning.schema import MOST_ENCOUNTERS
from services.planning.tables import SCORES
from tests.support.databases.postgres import PostgresServer
from tests.support.model.model_world import world
from tests.support.serving.planning_world import USE, PlanningWorld, planning_world, running

pytestmark = pytest.mark.process
SHOWN = ("risk", "decision", "reasons")


@pytest.fixture(scope="module")
def hospital(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanningWorld]:
    with planning_world(postgres, tmp_path_factory.mktemp("nightly")) as made:
        yield made


@pytest.fixture
def settings(hospital: PlanningWorld, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(TRUSTED_KEYS, hospital.key)
    return Settings(
        hospital=hospital.settings.hospital,
        release=f"{hospital.place.parent.name}@{hospital.place.name}",
        release_files=str(hospital.place),
        stays=str(world().features),
        database_server=hospital.settings.database_server,
        planning_database=hospital.databases[Schema.PLANNING].login_file("batch-scorer"),
        audit_database=hospital.settings.audit_database,
    )


def nightly(hospital: PlanningWorld, after: int) -> list[Record]:
    return [record for record in hospital.records(after) if record.entry.route == ROUTE]


def kept(hospital: PlanningWorld, records: list[Record]) -> list[dict[str, Any]]:
    engine = hospital.databases[Schema.PLANNING].engine("planning-service")
    numbers = [record.sequence for record in records]
    with engine.connect() as connection:
        return [
            dict(row) for row in connection.execute(sa.select(SCORES).where(SCORES.c.record.in_(numbers))).mappings()
        ]


def test_every_stay_is_scored_once_and_on_record(hospital: PlanningWorld, settings: Settings) -> None:
    before = hospital.last()
    counts = run(settings)
    records = nightly(hospital, before)
    rows = kept(hospital, records)
    assert sorted(row["encounter"] for row in rows) == sorted(row["index_id"] for row in hospital.rows)
    assert counts == {"scored": len(hospital.rows), "fallback": 0, "not_scored": 0}
    on_record = {score.encounter: score for record in records for score in record.entry.scores}
    assert {row["encounter"]: row["risk"] for row in rows} == {name: one.risk for name, one in on_record.items()}
    assert all(score.features_digest for score in on_record.values())
    assert len(records) == -(-len(hospital.rows) // MOST_ENCOUNTERS)
    for record in records:
        assert (record.entry.workflow, record.entry.purpose) == ("discharge-worklist", "TREAT")
        assert record.entry.release is not None
        assert record.entry.release.digest.startswith(hospital.place.name)


def test_a_score_is_the_one_that_the_model_server_gives(hospital: PlanningWorld, settings: Settings) -> None:
    before = hospital.last()
    run(settings)
    by_night = {row["encounter"]: row for row in kept(hospital, nightly(hospital, before))}
    with running(hospital) as client:
        for number in range(10):
            asked = USE | {"encounters": [hospital.encounter(number)]}
            [score] = client.post("/v1/scores", json=asked).json()["scores"]
            night = by_night[score["encounter"]]
            assert [night[name] for name in SHOWN] == [score[name] for name in SHOWN]


def test_the_history_of_an_encounter_has_the_score_of_the_night(hospital: PlanningWorld, settings: Settings) -> None:
    before = hospital.last()
    run(settings)
    [first, *_] = nightly(hospital, before)
    encounter = first.entry.scores[0].encounter
    with running(hospital) as client:
        history = client.get(f"/v1/scores/{encounter}").json()["scores"]
    assert history[0]["record"] == first.sequence


def test_stale_features_are_ranked_by_lace(hospital: PlanningWorld, settings: Settings) -> None:
    before = hospital.last()
    counts = run(settings.model_copy(update={"stale_hours": 1e-9}))
    assert counts["scored"] == 0
    assert {row["fallback_reason"] for row in kept(hospital, nightly(hospital, before)) if row["lace"] is not None} == {
        "features-stale"
    }


def test_nothing_is_kept_that_is_not_on_record(hospital: PlanningWorld, settings: Settings, tmp_path: Path) -> None:
    engine = hospital.databases[Schema.PLANNING].engine("planning-service")
    count = sa.select(sa.func.count()).select_from(SCORES)
    with engine.connect() as connection:
        before = connection.scalar(count)
    with pytest.raises(NotRecordedError):
        run(settings.model_copy(update={"audit_database": tmp_path / "missing.json"}))
    with engine.connect() as connection:
        assert connection.scalar(count) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"release": "v1@0123456789ab"}, "not 0123456789ab"),
        ({"stays": "/nowhere/stays.parquet"}, "no features of stays that go on"),
    ],
)
def test_without_its_release_or_its_stays_nothing_is_scored(
    hospital: PlanningWorld, settings: Settings, change: dict[str, str], words: str
) -> None:
    before = hospital.last()
    with pytest.raises(UserError, match=words):
        run(settings.model_copy(update=change))
    assert nightly(hospital, before) == []
