"""Feedback on cards: kept once, sent to planning as a code, and refused as a whole."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.care.tables import FEEDBACK, OUTBOX
from tests.support.care.care_world import CareWorld, fixed
from tests.support.care.discharges import Stay
from tests.support.care.ehr import Ehr
from tests.unit.services.care.cds_hooks.conftest import PROBLEM, body

pytestmark = pytest.mark.process


def feedback(card: str, outcome: str = "accepted", **more: Any) -> dict[str, Any]:
    return {"card": card, "outcome": outcome, "outcomeTimestamp": "2026-05-01T10:00:00Z", **more}


FEEDBACK_PATH = "/cds-services/readmission-risk/feedback"


def shown(world: CareWorld, stay: Stay) -> str:
    """Return the id of a new card."""
    return str(world.call(body(stay)).json()["cards"][0]["uuid"])


def test_feedback_is_kept_once_and_its_code_goes_to_planning(world: CareWorld, stay: Stay) -> None:
    card = shown(world, stay)
    reason = {"reason": {"code": "lower-risk", "system": "s", "display": "d"}, "userComment": "Ms Quackenbush is fine"}
    sent = {"feedback": [feedback(card, "overridden", overrideReason=reason)]}
    assert world.post(FEEDBACK_PATH, sent).status_code == 200
    assert world.post(FEEDBACK_PATH, sent).status_code == 200
    (kept,) = [row for row in world.rows(FEEDBACK) if row["card"] == UUID(card)]
    assert (kept["outcome"], kept["code"], kept["comment"]) == ("overridden", "lower-risk", "Ms Quackenbush is fine")
    world.courier.deliver_due()
    (delivered,) = [one for one in world.planning.bodies("/v1/feedback") if one["code"] == "lower-risk"]
    assert set(delivered) == {"workflow", "purpose", "encounter", "record", "code"}
    assert "Quackenbush" not in str(world.planning.requests[-1].content)
    record = world.records()[-1].entry
    assert (record.workflow, record.action, len(record.encounters)) == ("feedback", "overridden", 1)


def test_feedback_waits_while_planning_is_away(world: CareWorld, stay: Stay) -> None:
    card = shown(world, stay)
    world.courier.deliver_due()
    world.planning.status = 503
    assert world.post(FEEDBACK_PATH, {"feedback": [feedback(card)]}).status_code == 200
    assert world.courier.deliver_due() == 0
    world.planning.status = 200
    later = world.at(fixed(world.care.clock() + timedelta(hours=1)))
    assert later.courier.deliver_due() == 1
    assert later.courier.deliver_due() == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"card": str(uuid4())}, 404),
        ({"card": "x"}, 422),
        ({"outcome": "ignored"}, 422),
        ({"outcomeTimestamp": "2026-05-01T10:00:00"}, 422),
        ({"outcome": "overridden", "overrideReason": {"reason": {"code": "because"}}}, 400),
        ({"outcome": "overridden", "overrideReason": {"reason": {"code": "accepted"}}}, 400),
        ({"outcome": "overridden", "overrideReason": {"userComment": "x" * 1_048_576}}, 422),
    ],
)
def test_feedback_that_is_wrong_is_refused_as_a_whole(
    world: CareWorld, stay: Stay, change: dict[str, Any], status: int
) -> None:
    card = shown(world, stay)
    kept, waiting = len(world.rows(FEEDBACK)), len(world.rows(OUTBOX))
    answer = world.post(FEEDBACK_PATH, {"feedback": [feedback(card), feedback(card) | change]})
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert (len(world.rows(FEEDBACK)), len(world.rows(OUTBOX))) == (kept, waiting)


def test_a_card_of_another_ehr_is_unknown(world: CareWorld, stay: Stay) -> None:
    card = shown(world, stay)
    other = Ehr(iss="https://second.example")
    clients = (*world.care.settings.clients, other.client.model_copy(update={"name": "second-ehr"}))
    settings = world.care.settings.model_copy()
    object.__setattr__(settings, "clients", clients)
    both = replace(world.at(world.care.clock, settings=settings), ehr=other)
    assert both.post(FEEDBACK_PATH, {"feedback": [feedback(card)]}).status_code == 404
