"""Each fault of the model server alone: the answer says which, ranks by LACE, and holds nothing of a score."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from model.scoring import Scorer
from services.planning.delivery.releases import Releases
from tests.support.serving.model_servers import serving
from tests.support.serving.planning_world import UNKNOWN, USE, PlanningWorld, running

pytestmark = pytest.mark.process

OF_A_SCORE = {"risk", "decision", "action", "reasons", "release", "threshold"}
SHORT_BUDGET = 300


def served_at(hospital: PlanningWorld, url: str) -> Releases:
    return Releases(active=hospital.assigned(url))


def ranked(hospital: PlanningWorld, client: TestClient) -> list[dict[str, Any]]:
    encounters = [hospital.encounter(number) for number in range(30)] + [{"encounter": UNKNOWN, "patient": UNKNOWN}]
    answer = client.post("/v1/scores", json=USE | {"encounters": encounters})
    assert answer.status_code == 200
    scores: list[dict[str, Any]] = answer.json()["scores"]
    return scores


def check(hospital: PlanningWorld, scores: list[dict[str, Any]], reason: str) -> None:
    rows = {row["index_id"]: row for row in hospital.rows}
    assert scores[0]["encounter"] == UNKNOWN
    assert [score["status"] for score in scores] == ["not-scored"] + ["fallback"] * 30
    points = [score["lace"] for score in scores[1:]]
    assert points == sorted(points, reverse=True)
    for score in scores[1:]:
        assert (score["fallback_reason"], score["lace"]) == (reason, rows[score["encounter"]]["lace"])
        assert not OF_A_SCORE & score.keys()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("status-500", "model-unavailable"),
        ("status-400", "model-unavailable"),
        ("redirect", "model-unavailable"),
        ("closed", "model-unavailable"),
        ("not-json", "model-unavailable"),
        ("too-large", "model-unavailable"),
        ("no-digest", "model-unavailable"),
        ("no-risk", "model-unavailable"),
        ("too-few", "model-unavailable"),
        ("risk-above-one", "model-unavailable"),
        ("risk-of-text", "model-unavailable"),
        ("bad-reasons", "model-unavailable"),
        ("deep-reasons", "model-unavailable"),
        ("reason-without-number", "model-unavailable"),
        ("other-digest", "wrong-release"),
        ("other-version", "wrong-release"),
        ("other-model", "wrong-release"),
        ("other-thresholds", "wrong-release"),
    ],
)
def test_a_fault_of_the_model_server(hospital: PlanningWorld, client: TestClient, fault: str, reason: str) -> None:
    asked, before = hospital.server.asked(), hospital.last()
    hospital.server.fail(fault)
    check(hospital, ranked(hospital, client), reason)
    # After the first failure of a request the rest is not asked.
    assert hospital.server.asked() == asked + 1
    [record] = hospital.records(before)
    assert (record.entry.outcome, record.entry.fallback_reason, record.entry.release) == ("fallback", reason, None)
    assert {score.risk for score in record.entry.scores} == {None}


@pytest.mark.parametrize("fault", ["slow", "slow-body", "slow-headers"])
def test_a_model_server_that_is_too_slow(hospital: PlanningWorld, fault: str) -> None:
    with running(hospital, hospital.with_settings(budget_milliseconds=SHORT_BUDGET)) as client:
        hospital.server.fail(fault)
        scores = ranked(hospital, client)
        hospital.server.fail("none")
    check(hospital, scores, "model-slow")


def test_no_model_server(hospital: PlanningWorld) -> None:
    with running(hospital, hospital.with_settings(releases=served_at(hospital, "http://127.0.0.1:1"))) as client:
        check(hospital, ranked(hospital, client), "model-unavailable")


def test_it_scores_again_when_the_fault_is_over(hospital: PlanningWorld, client: TestClient) -> None:
    hospital.server.fail("closed")
    check(hospital, ranked(hospital, client), "model-unavailable")
    hospital.server.fail("none")
    assert {score["status"] for score in ranked(hospital, client)[1:]} == {"scored"}


def test_the_real_model_server_scores_within_the_service(hospital: PlanningWorld, tmp_path: Path) -> None:
    scorer = Scorer.open(str(hospital.place))
    with serving(hospital.place, hospital.key, tmp_path) as server:
        ready = Retrying(retry=retry_if_exception(lambda _: True), wait=wait_fixed(0.1), stop=stop_after_delay(120))
        own = server.client()
        ready(lambda: own.get(f"{server.url}/ready").raise_for_status())
        releases = served_at(hospital, server.url.partition("/v2/")[0])
        with running(hospital, hospital.with_settings(releases=releases), own) as client:
            scores = ranked(hospital, client)
    assert [score["status"] for score in scores] == ["not-scored"] + ["scored"] * 30
    rows = {row["index_id"]: row for row in hospital.rows}
    for score in scores[1:]:
        row = rows[score["encounter"]]
        [wanted] = scorer.score(scorer.matrix({name: [row[name]] for name in scorer.names}))
        assert (score["risk"], score["decision"]) == (wanted.risk, wanted.decision)
        assert [reason["text"] for reason in score["reasons"]] == [reason.text for reason in wanted.reasons]
