"""A further model beside the first one: asked by its name, it answers by its own release, on record and in history."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from model.errors import UserError
from services.audit.records import Record, ReleaseRef
from services.audit.replay import Model, open_release, replay
from services.database.schemas import Schema
from services.planning import release
from services.planning.delivery.metrics import ANSWERED
from services.planning.delivery.releases import Releases
from services.planning.tables import SCORES
from services.replay.day import OF_FURTHER_MODELS, read
from tests.support.serving.canary_world import CanaryWorld, Running
from tests.support.serving.planning_world import USE

pytestmark = pytest.mark.process

PATH = "/v1/models/boosted/scores"


def releases(world: CanaryWorld, **roles: Any) -> Releases:
    return Releases(active=world.hospital.settings.releases.active, models={"boosted": world.canary}, **roles)


def ask(run: Running, *encounters: dict[str, Any], path: str = PATH) -> list[dict[str, Any]]:
    answer = run.client.post(path, json=USE | {"encounters": list(encounters)})
    assert answer.status_code == 200, answer.text
    scores: list[dict[str, Any]] = answer.json()["scores"]
    return scores


def record(world: CanaryWorld, score: dict[str, Any]) -> Record:
    [found] = [one for one in world.hospital.records() if one.sequence == score["record"]]
    return found


def test_it_answers_by_its_own_release_and_the_first_model_by_its_own(world: CanaryWorld) -> None:
    with world.running(releases(world)) as run:
        [of_model] = ask(run, world.encounter(0))
        of_first = run.ask([world.encounter(0)])[of_model["encounter"]]
    own = release.read(world.canary.files, world.canary.release, None)
    assert (of_model["release"]["version"], of_model["release"]["digest"]) == ("v2", own.digest)
    assert of_model["threshold"]["risk_from"] == own.band(of_model["risk"]).start
    assert of_model["decision"] == own.band(of_model["risk"]).name
    assert of_first["release"]["version"] == "v1"
    entry = record(world, of_model).entry
    assert (entry.route, entry.detail) == ("POST /v1/models/{model}/scores", "boosted")
    assert entry.route.startswith(OF_FURTHER_MODELS)
    assert entry.release is not None
    assert (entry.release.version, entry.release.digest, entry.release.threshold) == (
        "v2",
        own.digest,
        own.bands[0].start,
    )


def test_its_answers_are_rebuilt_from_the_record(world: CanaryWorld) -> None:
    with world.running(releases(world)) as run:
        scores = ask(run, world.encounter(0), world.encounter(1))

    def opened(recorded: ReleaseRef) -> Model:
        assert recorded.version == "v2"
        return open_release(world.canary.files, recorded, None)

    hospital = world.hospital.settings.hospital
    with world.hospital.reader.connect() as connection:
        rebuilt = replay(connection, scores[0]["record"], opened, hospital=hospital)
    assert [one.outcome for one in rebuilt] == ["same", "same"]


def test_a_replayed_day_compares_the_first_model_s_scores_alone(world: CanaryWorld) -> None:
    with world.running(releases(world)) as run:
        of_first = run.ask([world.encounter(0)])
        ask(run, world.encounter(0), world.encounter(1))

    def opened(recorded: ReleaseRef) -> Model:
        return open_release(str(world.hospital.place), recorded, None)

    now, hospital = datetime.now(UTC), world.hospital.settings.hospital
    with world.hospital.reader.connect() as connection:
        day = read(connection, now - timedelta(hours=1), now + timedelta(hours=1), opened, hospital=hospital)
    assert day.answers.keys() == of_first.keys()
    assert {name.partition("@")[0] for name in day.releases} == {"v1"}


def test_the_history_of_the_worklist_has_the_first_model_s_scores_alone(world: CanaryWorld) -> None:
    with world.running(releases(world)) as run:
        [of_model] = ask(run, world.encounter(0))
        encounter = of_model["encounter"]
        assert run.client.get(f"/v1/scores/{encounter}").status_code == 404
        of_first = run.ask([world.encounter(0)])[encounter]
        past = run.client.get(f"/v1/scores/{encounter}").json()["scores"]
    assert [one["record"] for one in past] == [of_first["record"]]
    with world.hospital.databases[Schema.PLANNING].administrator() as connection:
        rows = connection.execute(sa.select(SCORES.c.record, SCORES.c.model, SCORES.c.version)).all()
    assert set(rows) == {
        (of_model["record"], "boosted", "v2"),
        (of_first["record"], "readmission-risk-v1", "v1"),
    }


def test_without_its_server_it_ranks_by_lace_and_the_first_model_scores_on(world: CanaryWorld) -> None:
    world.server.fail("closed")
    with world.running(releases(world)) as run:
        [of_model] = ask(run, world.encounter(0))
        of_first = run.ask([world.encounter(0)])[of_model["encounter"]]
    assert (of_model["status"], of_model["fallback_reason"]) == ("fallback", "model-unavailable")
    assert of_first["status"] == "scored"
    entry = record(world, of_model).entry
    assert (entry.outcome, entry.fallback_reason, entry.detail) == ("fallback", "model-unavailable", "boosted")


def test_another_name_is_unknown(world: CanaryWorld) -> None:
    with world.running(releases(world)) as run:
        for name in ("readmission-risk", "other", "boosted2"):
            answer = run.client.post(f"/v1/models/{name}/scores", json=USE | {"encounters": [world.encounter(0)]})
            assert answer.status_code == 404, name
            assert name not in answer.text
        refused = run.client.post(PATH, json=USE | {"workflow": "feedback", "encounters": [world.encounter(0)]})
        assert refused.status_code == 403


def test_metrics_name_it(world: CanaryWorld) -> None:
    with world.running(releases(world)) as run:
        ask(run, world.encounter(0), world.encounter(1))
        run.ask([world.encounter(0)])
        value = run.parts.metrics.registry.get_sample_value
        own = {"model": "boosted", "role": "active", "release": world.canary.release}
        first = own | {"model": "readmission-risk", "release": world.hospital.assigned("https://x").release}
        assert value("planning_release_answers_total", own) == 2
        assert value("planning_release_answers_total", first) == 1
        assert value("planning_release_calls_total", own | {"fault": ANSWERED}) == 1


def test_features_are_those_of_its_contract(world: CanaryWorld) -> None:
    with world.running(releases(world)) as run:
        encounter = world.encounter(0)
        name = next(iter(encounter["features"]))
        [score] = ask(run, encounter | {"missing": [name]})
    assert (score["status"], score["not_scored_reason"], score["missing"]) == ("not-scored", "features-missing", [name])


def test_a_release_that_cannot_be_verified_answers_nothing(world: CanaryWorld) -> None:
    other = world.canary.model_copy(update={"release": f"v2@{'0' * 12}"})
    with pytest.raises(UserError):
        release.read(other.files, other.release, None)
    roles = Releases(active=world.hospital.settings.releases.active, models={"boosted": other})
    with world.running(roles) as run:
        [score] = ask(run, world.encounter(0))
    assert (score["status"], score["fallback_reason"]) == ("fallback", "model-unavailable")
