"""A canary in a process of its own: its share and its records, and each fault of it alone, which stops it for good."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from model.scoring import Scorer
from services.audit.records import ReleaseRef
from services.audit.replay import open_release, replay
from services.planning.delivery import observations
from services.planning.delivery.causes import causes
from services.planning.delivery.choice import in_share
from services.planning.delivery.releases import AssignedCanary, Releases, Role
from services.planning.delivery.verdict import Observations, verdict
from tests.support.serving.canary_world import PERCENT, CanaryWorld, Running

pytestmark = pytest.mark.process

MOST_REQUESTS = 150
RESAMPLES = 500


def of_canary(world: CanaryWorld, encounter: dict[str, Any]) -> bool:
    return in_share(encounter["encounter"], world.canary.digest, PERCENT)


def versions(scores: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {encounter: score["release"]["version"] for encounter, score in scores.items()}


def single_requests(run: Running) -> None:
    """Ask about one encounter at a time until the canary is stopped."""
    for number in range(MOST_REQUESTS):
        [score] = run.ask([run.world.encounter(number)]).values()
        # Whatever the canary does, each patient has a score.
        assert score["status"] == "scored"
        run.parts.refresh.round()
        if run.world.stops():
            return


def batches(run: Running) -> None:
    """Ask about as many encounters as a request may have, as the worklist does."""
    for start in range(0, 400, 100):
        run.ask([run.world.encounter(number) for number in range(start, start + 100)])
    run.parts.refresh.round()


def careful_clinicians(run: Running) -> None:
    """Override each score that is not what the release says of the patient, whoever gave it."""
    scorer = Scorer.open(str(run.world.hospital.place))
    for start in range(0, 200, 100):
        encounters = [run.world.encounter(number) for number in range(start, start + 100)]
        scores = run.ask(encounters)
        columns = {name: [one["features"][name] for one in encounters] for name in scorer.names}
        for encounter, right in zip(encounters, scorer.score(scorer.matrix(columns)), strict=True):
            score = scores[encounter["encounter"]]
            if abs(score["risk"] - right.risk) > 0.01:
                run.override(score, "higher-risk" if score["risk"] < right.risk else "lower-risk")
    run.parts.refresh.round()


@pytest.mark.parametrize(
    ("fault", "traffic", "cause"),
    [
        ("status-500", single_requests, "error-rate"),
        ("late", single_requests, "latency"),
        ("shifted-risks", batches, "score-shift"),
        ("exchanged-risks", careful_clinicians, "override-rate"),
    ],
)
def test_a_fault_stops_the_canary(
    world: CanaryWorld, fault: str, traffic: Callable[[Running], None], cause: str
) -> None:
    with world.running() as run:
        world.server.fail(fault)
        traffic(run)
        check_stopped(world, run, cause)


@pytest.mark.parametrize("fault", ["no-digest", "other-digest", "no-risk", "bad-reasons"])
def test_one_answer_without_a_complete_record_stops_the_canary_at_once(world: CanaryWorld, fault: str) -> None:
    with world.running() as run:
        world.server.fail(fault)
        scores = run.ask([world.encounter(number) for number in range(10)])
        assert set(versions(scores).values()) == {"v1"}
        check_stopped(world, run, "incomplete-record")


def test_errors_stop_the_canary_before_the_next_refresh(world: CanaryWorld) -> None:
    with world.running() as run:
        world.server.fail("status-500")
        asked = world.server.asked()
        for number in range(40):
            run.ask([world.encounter(number)])
        assert world.server.asked() - asked <= 5
        check_stopped(world, run, "error-rate")


def check_stopped(world: CanaryWorld, run: Running, cause: str) -> None:
    """Check the row and the record of a stop, and that the canary is asked no more, even after its fault ended."""
    [stop] = world.stops()
    assert (stop["cause"], stop["release"]) == (cause, world.canary.release)
    assert stop["digest"].startswith(world.canary.digest)
    assert stop["figures"]
    [record] = [one for one in world.hospital.records() if one.entry.action == "canary-stop"]
    assert record.sequence == stop["record"]
    assert (record.entry.detail, record.entry.release and record.entry.release.digest) == (cause, stop["digest"])
    world.server.fail("none")
    asked = world.server.asked()
    encounters = [world.encounter(number) for number in range(1000, 1050)]
    assert set(versions(run.ask(encounters)).values()) == {"v1"}
    with world.running() as restarted:
        assert set(versions(restarted.ask(encounters)).values()) == {"v1"}
        restarted.parts.refresh.round()
    assert world.server.asked() == asked
    assert len(world.stops()) == 1


def test_a_healthy_canary_answers_its_share_and_is_on_record(world: CanaryWorld) -> None:
    encounters = [world.encounter(number) for number in range(100)]
    with world.running() as run:
        scores = run.ask(encounters)
        again = run.ask(encounters)
        run.parts.refresh.round()
        assert world.stops() == []
        expected = {one["encounter"]: "v2" if of_canary(world, one) else "v1" for one in encounters}
        assert versions(scores) == versions(again) == expected
        assert set(expected.values()) == {"v1", "v2"}
        past = run.client.get(f"/v1/scores/{encounters[0]['encounter']}").json()["scores"]
        assert {one["version"] for one in past} == {expected[encounters[0]["encounter"]]}
    sequence = next(iter(scores.values()))["record"]
    [record] = [one for one in world.hospital.records() if one.sequence == sequence]
    releases = {score.encounter: score.release or record.entry.release for score in record.entry.scores}
    assert {encounter: found and found.version for encounter, found in releases.items()} == expected
    places = {"v1": str(world.hospital.place), "v2": world.canary.files}

    def opened(release: ReleaseRef) -> Scorer:
        return open_release(places[release.version], release, None)

    with world.hospital.reader.connect() as connection:
        rebuilt = replay(connection, sequence, opened, hospital=world.hospital.settings.hospital)
    assert [one.outcome for one in rebuilt] == ["same"] * 100


def test_another_release_is_another_canary(world: CanaryWorld) -> None:
    with world.running() as run:
        world.server.fail("no-digest")
        run.ask([world.encounter(number) for number in range(10)])
        world.server.fail("none")
        assert len(world.stops()) == 1
    active = world.hospital.settings.releases.active
    assert active is not None
    exchanged = Releases(active=world.canary, canary=AssignedCanary(**active.model_dump(), percent=PERCENT))
    with world.running(exchanged) as run:
        scores = run.ask([world.encounter(number) for number in range(40)])
    assert set(versions(scores).values()) == {"v1", "v2"}


def test_a_canary_of_some_units_answers_their_encounters_alone(world: CanaryWorld) -> None:
    others = [world.encounter(number) for number in range(40)]
    cohort = [world.encounter(number, cohort="canary") for number in range(40, 80)]
    with world.running(cohort=True) as run:
        found = versions(run.ask(others + cohort))
    assert {found[one["encounter"]] for one in others} == {"v1"}
    assert [found[one["encounter"]] == "v2" for one in cohort] == [of_canary(world, one) for one in cohort]
    assert "v2" in found.values()


def test_a_canary_whose_files_cannot_be_verified_answers_nobody(world: CanaryWorld) -> None:
    with world.running(files=str(world.hospital.place)) as run:
        assert set(versions(run.ask([world.encounter(number) for number in range(40)])).values()) == {"v1"}


def test_resamples_of_healthy_traffic_stop_at_most_one_canary_in_a_hundred(world: CanaryWorld) -> None:
    with world.running() as run:
        for number in range(60):
            run.ask([world.encounter(number)])
        batches(run)
        assert world.stops() == []
        [digest] = {one.digest for one in [run.parts.servers[Role.CANARY].source.get()] if one is not None}
        with run.parts.engine.connect() as connection:
            seen = observations.read(connection, digest)
    assert len(seen.calls) > 60
    assert len(seen.answers) == 400
    stopped = 0
    for seed in range(RESAMPLES):
        generator = np.random.default_rng(seed)
        share = float(generator.choice([0.1, 0.25, 0.5]))
        resample = Observations(
            [replace(seen.calls[place], role=role) for place, role in drawn(generator, len(seen.calls), share)],
            [replace(seen.answers[place], role=role) for place, role in drawn(generator, len(seen.answers), share)],
        )
        stopped += verdict(resample, causes(), datetime.now(UTC)) is not None
    assert stopped / RESAMPLES <= 0.01


def drawn(generator: np.random.Generator, rows: int, share: float) -> list[tuple[int, Role]]:
    """Return rows of healthy traffic, drawn with replacement, each of the canary or of the active release."""
    places = generator.integers(0, rows, 1000).tolist()
    canary = (generator.random(1000) < share).tolist()
    return [(place, Role.CANARY if one else Role.ACTIVE) for place, one in zip(places, canary, strict=True)]
