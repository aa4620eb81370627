"""The service over HTTP, with a real model server, PostgreSQL and the audit chain."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from model.definitions.features import definitions
from model.scoring import Scorer
from services.audit.records import feature_bytes
from services.audit.replay import replay
from services.database.schemas import Schema
from services.planning.app import LARGEST_BODY
from services.planning.delivery.releases import Releases
from services.planning.schema import MOST_ENCOUNTERS
from services.problems import MEDIA_TYPE
from tests.support.serving.planning_world import UNKNOWN, USE, PlanningWorld, running

pytestmark = pytest.mark.process


def ask(client: TestClient, *encounters: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/scores", json=USE | {"encounters": list(encounters)} | fields)
    assert answer.status_code == 200, answer.text
    scores: list[dict[str, Any]] = answer.json()["scores"]
    return scores


def features_of(hospital: PlanningWorld, number: int) -> dict[str, float | None]:
    return {name: hospital.rows[number][name] for name in definitions().names}


def test_the_score_is_the_release_s(hospital: PlanningWorld, client: TestClient) -> None:
    scorer = Scorer.open(str(hospital.place))
    scores = ask(client, *(hospital.encounter(number) for number in range(40)))
    assert len(scores) == 40
    by_encounter = {score["encounter"]: score for score in scores}
    for number in range(40):
        row = hospital.rows[number]
        [wanted] = scorer.score(scorer.matrix({name: [row[name]] for name in scorer.names}))
        score = by_encounter[row["index_id"]]
        assert (score["status"], score["risk"]) == ("scored", wanted.risk)
        assert (score["decision"], score["action"]) == (wanted.decision, wanted.action)
        assert [(reason["feature"], reason["text"]) for reason in score["reasons"]] == [
            (reason.feature, reason.text) for reason in wanted.reasons
        ]
        assert score["release"]["digest"] == scorer.files.digest
        assert (score["release"]["model"], score["release"]["version"]) == (scorer.name, scorer.version)
        assert score["release"]["schema_version"] == definitions().version
        assert score["release"]["return_days"] == scorer.return_days
        assert score["threshold"]["band"] == wanted.decision
        assert score["threshold"]["approved_by"] == []
        assert "lace" not in score
    assert [score["rank"] for score in scores] == list(range(1, 41))
    assert [score["risk"] for score in scores] == sorted((score["risk"] for score in scores), reverse=True)


def test_given_features_are_scored_as_looked_up_ones(hospital: PlanningWorld, client: TestClient) -> None:
    [looked_up] = ask(client, hospital.encounter(3))
    given = hospital.encounter(3, features=features_of(hospital, 3), features_as_of_hours=0.5)
    [score] = ask(client, given)
    assert (score["risk"], score["freshness_hours"]) == (looked_up["risk"], 0.5)


def test_who_is_not_scored_is_shown_first_with_the_reason(hospital: PlanningWorld, client: TestClient) -> None:
    features = features_of(hospital, 1)
    absent = {name: value for name, value in features.items() if name != "age"}
    age = {"features_as_of_hours": 1.0}
    scores = ask(
        client,
        hospital.encounter(0),
        hospital.encounter(1, features=absent, **age),
        hospital.encounter(2, features=features | {"age": 977.0}, **age),
        hospital.encounter(3, features=features, missing=["charlson"], **age),
        hospital.encounter(4, features=dict.fromkeys(features), **age),
        hospital.encounter(5, features=features, features_as_of_hours=400.0),
        {"encounter": UNKNOWN, "patient": UNKNOWN},
        {"encounter": hospital.encounter(6)["encounter"], "patient": UNKNOWN},
    )
    reasons = {score["encounter"]: (score["not_scored_reason"], score["missing"]) for score in scores[:6]}
    assert reasons == {
        hospital.encounter(1)["encounter"]: ("features-missing", ["age"]),
        hospital.encounter(2)["encounter"]: ("features-invalid", ["age"]),
        hospital.encounter(3)["encounter"]: ("features-missing", ["charlson"]),
        hospital.encounter(4)["encounter"]: ("no-features", []),
        UNKNOWN: ("no-features", []),
        hospital.encounter(6)["encounter"]: ("no-features", []),
    }
    assert [score["status"] for score in scores[6:]] == ["fallback", "scored"]
    assert scores[6]["fallback_reason"] == "features-stale"
    for score in scores[:6]:
        assert not {"risk", "lace", "decision"} & score.keys()


def test_stale_features_are_ranked_by_lace(hospital: PlanningWorld, client: TestClient) -> None:
    features = features_of(hospital, 2)
    limit = hospital.settings.stale_hours
    statuses = [
        ask(client, hospital.encounter(2, features=features, features_as_of_hours=age))[0]["status"]
        for age in (limit, limit + 0.01, None)
    ]
    assert statuses == ["scored", "fallback", "fallback"]


def test_a_table_that_is_not_renewed_becomes_stale(hospital: PlanningWorld) -> None:
    with running(hospital, hospital.with_settings(stale_hours=1e-9)) as client:
        [score] = ask(client, hospital.encounter(2))
    assert (score["status"], score["fallback_reason"]) == ("fallback", "features-stale")
    assert score["lace"] == hospital.rows[2]["lace"]
    assert score["lace_parts"] is None


def test_lace_needs_its_inputs(hospital: PlanningWorld, client: TestClient) -> None:
    features = features_of(hospital, 2) | {"stay_days": None}
    [score] = ask(client, hospital.encounter(2, features=features, features_as_of_hours=400.0))
    assert score["status"] == "not-scored"
    assert (score["not_scored_reason"], score["missing"]) == ("lace-inputs-missing", ["stay_days"])
    assert score["fallback_reason"] == "features-stale"


def test_every_request_is_on_record_once(hospital: PlanningWorld, client: TestClient) -> None:
    before = hospital.last()
    first, second = ask(client, hospital.encounter(0), {"encounter": UNKNOWN, "patient": UNKNOWN})
    refused = client.post("/v1/scores", json=USE)
    records = hospital.records(before)
    assert [record.entry.status for record in records] == [200, 422]
    answered = records[0].entry
    assert first["record"] == second["record"] == records[0].sequence
    assert (answered.service, answered.route, answered.workflow) == ("planning", "POST /v1/scores", USE["workflow"])
    assert (answered.outcome, answered.purpose, answered.hospital) == ("answered", "TREAT", hospital.settings.hospital)
    assert answered.release is not None
    assert answered.release.digest.startswith(hospital.place.name)
    assert [(score.encounter, score.status) for score in answered.scores] == [
        (UNKNOWN, "not-scored"),
        (hospital.encounter(0)["encounter"], "scored"),
    ]
    assert (records[1].entry.outcome, records[1].entry.scores) == ("refused", ())
    assert refused.headers["audit-record"] == str(records[1].sequence)


def test_the_exact_features_are_kept_beside_the_record(hospital: PlanningWorld, client: TestClient) -> None:
    [score] = ask(client, hospital.encounter(7))
    scorer = Scorer.open(str(hospital.place))
    with hospital.databases[Schema.AUDIT].administrator() as connection:
        rows = connection.exec_driver_sql(
            "SELECT content FROM audit.feature_values WHERE sequence = %s", (score["record"],)
        ).all()
    wanted = feature_bytes({name: hospital.rows[7][name] for name in scorer.names})
    assert [bytes(row[0]) for row in rows] == [wanted]


def test_a_batch_is_replayed_bit_for_bit(hospital: PlanningWorld, client: TestClient) -> None:
    scores = ask(client, *(hospital.encounter(number) for number in range(60)))
    scorer = Scorer.open(str(hospital.place))
    with hospital.reader.connect() as connection:
        rebuilt = replay(connection, scores[0]["record"], lambda _: scorer, hospital=hospital.settings.hospital)
    assert len(rebuilt) == 60
    assert {one.outcome for one in rebuilt} == {"same"}
    assert [one.rebuilt for one in rebuilt] == [score["risk"] for score in scores]


def test_without_a_record_nothing_is_answered(hospital: PlanningWorld, tmp_path: Any) -> None:
    with running(hospital, hospital.with_settings(audit_database=tmp_path / "absent.json")) as client:
        answer = client.post("/v1/scores", json=USE | {"encounters": [hospital.encounter(0)]})
        assert (answer.status_code, answer.headers["content-type"]) == (503, MEDIA_TYPE)
        assert "risk" not in answer.text
        assert client.get("/v1/scores/" + UNKNOWN).status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503


def test_without_its_database_nothing_is_answered(hospital: PlanningWorld, tmp_path: Any) -> None:
    before = hospital.last()
    with running(hospital, hospital.with_settings(planning_database=tmp_path / "absent.json")) as client:
        answer = client.post("/v1/scores", json=USE | {"encounters": [hospital.encounter(0)]})
    assert (answer.status_code, answer.json()["title"]) == (503, "Database unavailable")
    assert [record.entry.outcome for record in hospital.records(before)] == ["failed"]


def test_a_hospital_without_a_release_ranks_by_lace(hospital: PlanningWorld) -> None:
    with running(hospital, hospital.with_settings(releases=Releases())) as client:
        assert client.get("/readyz").json() == {"status": "ready", "release": False, "online_features": True}
        [score] = ask(client, hospital.encounter(0))
    assert (score["status"], score["fallback_reason"]) == ("fallback", "model-unavailable")


def test_a_release_of_an_unknown_signer_is_not_asked(hospital: PlanningWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = hospital.server.asked()
    stranger = PlanningWorld(**(vars(hospital) | {"key": "A" * 43 + "="}))
    with running(stranger) as client:
        [score] = ask(client, hospital.encounter(0))
    assert score["fallback_reason"] == "model-unavailable"
    assert hospital.server.asked() == asked


def test_history_and_feedback(hospital: PlanningWorld, client: TestClient) -> None:
    encounter = hospital.encounter(9)["encounter"]
    [older] = ask(client, hospital.encounter(9))
    hospital.server.fail("status-500")
    [newer] = ask(client, hospital.encounter(9))
    hospital.server.fail("none")
    sent = {"workflow": "feedback", "purpose": "TREAT", "encounter": encounter, "record": older["record"]}
    before = hospital.last()
    first = client.post("/v1/feedback", json=sent | {"code": "lower-risk"})
    again = client.post("/v1/feedback", json=sent | {"code": "lower-risk"})
    assert (first.json()["repeated"], again.json()["repeated"]) == (False, True)
    entries = [record.entry for record in hospital.records(before)]
    assert [(entry.action, entry.encounter, entry.detail) for entry in entries] == [
        ("lower-risk", encounter, "new"),
        ("lower-risk", encounter, "repeated"),
    ]
    found = client.get(f"/v1/scores/{encounter}").json()
    assert [score["record"] for score in found["scores"][:2]] == [newer["record"], older["record"]]
    fallback, score = found["scores"][:2]
    assert (fallback["status"], fallback["lace"], fallback["risk"]) == ("fallback", newer["lace"], None)
    assert (score["status"], score["risk"], score["lace"]) == ("scored", older["risk"], None)
    assert score["reasons"] == older["reasons"]
    assert score["digest"] == older["release"]["digest"]
    assert [(one["record"], one["code"]) for one in found["feedback"]] == [(older["record"], "lower-risk")]


def test_feedback_on_no_score_is_refused(hospital: PlanningWorld, client: TestClient) -> None:
    [score] = ask(client, hospital.encounter(10))
    sent = {"workflow": "feedback", "purpose": "TREAT", "code": "accepted"}
    other = hospital.encounter(11)["encounter"]
    for encounter, record in ((other, score["record"]), (score["encounter"], score["record"] + 10**6)):
        answer = client.post("/v1/feedback", json=sent | {"encounter": encounter, "record": record})
        assert (answer.status_code, answer.json()["title"]) == (404, "Unknown score")


def test_an_encounter_that_was_never_scored_has_no_history(client: TestClient) -> None:
    answer = client.get(f"/v1/scores/{UNKNOWN[:-1]}1")
    assert (answer.status_code, answer.json()["title"]) == (404, "Unknown encounter")
    assert UNKNOWN[:-1] not in answer.text


@pytest.mark.parametrize(
    ("change", "status", "title"),
    [
        ({"workflow": "marketing"}, 422, "Invalid request"),
        ({"workflow": "patient-outreach"}, 403, "Workflow not allowed"),
        ({"workflow": "feedback"}, 403, "Workflow not allowed"),
        ({"purpose": "HRESCH"}, 403, "Purpose not allowed"),
        ({"purpose": "x"}, 422, "Invalid request"),
        ({"encounters": []}, 422, "Invalid request"),
        ({"encounters": None}, 422, "Invalid request"),
        ({"extra": 1}, 422, "Invalid request"),
    ],
)
def test_another_use_is_refused(
    hospital: PlanningWorld, client: TestClient, change: dict[str, Any], status: int, title: str
) -> None:
    before = hospital.last()
    answer = client.post("/v1/scores", json=USE | {"encounters": [hospital.encounter(0)]} | change)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert answer.json()["title"] == title
    assert [record.entry.outcome for record in hospital.records(before)] == ["refused"]


@pytest.mark.parametrize(
    "fields",
    [
        {"encounter": "Patient/123"},
        {"encounter": "v1-" + "A" * 16},
        {"encounter": "v1-" + "0" * 16 + "\n"},
        {"encounter": None},
        {"patient": "Erika Mustermann"},
        {"features": {"shoe": 1.0}},
        {"features": {"age": "seventy"}},
        {"features": {"age": True}},
        {"features": []},
        {"features_as_of_hours": -1},
        {"features_as_of_hours": "1"},
        {"missing": ["shoe"]},
        {"name": "Erika Mustermann"},
    ],
)
def test_a_field_that_is_wrong_is_refused_without_its_value(
    hospital: PlanningWorld, client: TestClient, fields: dict[str, Any]
) -> None:
    answer = client.post("/v1/scores", json=USE | {"encounters": [hospital.encounter(0) | fields]})
    assert answer.status_code == 422
    [wrong] = {error["where"].split(".")[3] for error in answer.json()["errors"]}
    assert wrong in (next(iter(fields)), "?")
    for text in ("Mustermann", "Patient/123", "seventy", "shoe", "AAAA"):
        assert text not in answer.text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(hospital: PlanningWorld, client: TestClient, number: str) -> None:
    sent = json.dumps(USE | {"encounters": [hospital.encounter(0, features={"age": -12345})]})
    body = sent.replace("-12345", number)
    answer = client.post("/v1/scores", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_the_same_encounter_twice_and_too_many_are_refused(hospital: PlanningWorld, client: TestClient) -> None:
    one = hospital.encounter(0)
    many = [{"encounter": f"v1-{number:016x}", "patient": UNKNOWN} for number in range(MOST_ENCOUNTERS + 1)]
    for encounters in ([one, one], many):
        assert client.post("/v1/scores", json=USE | {"encounters": encounters}).status_code == 422
    assert len(ask(client, *many[:MOST_ENCOUNTERS])) == MOST_ENCOUNTERS


def test_the_largest_batch_fits_the_largest_body(hospital: PlanningWorld, client: TestClient) -> None:
    features = {name: None if value is None else value + 1e-12 for name, value in features_of(hospital, 0).items()}
    many = [
        {"encounter": f"v1-{number:064x}", "patient": f"v1-{number:064x}", "features": features, "missing": []}
        for number in range(MOST_ENCOUNTERS)
    ]
    answer = client.post("/v1/scores", json=USE | {"encounters": many})
    assert answer.status_code == 200
    assert len(answer.request.content) < LARGEST_BODY


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"{", "application/json", 400),
        (b" " * (LARGEST_BODY + 1), "application/json", 413),
    ],
)
def test_a_body_of_another_kind_is_on_record_too(
    hospital: PlanningWorld, client: TestClient, content: bytes, kind: str, status: int
) -> None:
    before = hospital.last()
    answer = client.post("/v1/scores", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert [record.entry.status for record in hospital.records(before)] == [status]
