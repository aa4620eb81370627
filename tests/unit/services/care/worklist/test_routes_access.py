"""Who sees a patient: second factor, unit, break-glass, a launch from the EHR, and the record of each access."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from services.care.worklist.ports import Launched
from tests.support.care.worklist_app import Records, Tickets, application
from tests.support.care.worklist_world import World, scored
from tests.support.identity.sign_in import AUDITOR, MANAGER, OTHER_UNIT, SECOND_COORDINATOR, User
from tests.unit.services.care.worklist.conftest import Browser

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"second_factor": False}, 403),
        ({"hospital": "elsewhere"}, 401),
        ({"aud": "north-worklist"}, 401),
        ({"typ": "ID"}, 401),
        ({"without": ("sid",)}, 401),
        ({"exp": "soon"}, 401),
    ],
)
def test_without_a_second_factor_or_with_another_token_nobody_sees_a_patient(
    casey: Browser, world: World, claims: dict[str, Any], status: int
) -> None:
    entry = world.place(1, scored(0.4), name="Secret, Sid")
    casey.headers["Authorization"] = f"Bearer {world.issuer.token(**claims)}"
    for path in ("/worklist", "/worklist/print", f"/worklist/entries/{entry}", "/worklist/break-glass"):
        answer = casey.get(path)
        assert answer.status_code == status
        assert "Secret" not in answer.text
    assert world.identities.accesses == []


def test_without_a_token_there_is_a_way_to_sign_in(casey: Browser, records: Records) -> None:
    for value in ("", "Basic abc", "Bearer ", "Bearer x.y.z", "Bearer " + "a" * 9000):
        casey.headers["Authorization"] = value
        answer = casey.get("/worklist")
        assert answer.status_code == 401
        assert 'href="/signout"' in answer.text
    assert [status for _, status in records.kept] == [401] * 5
    assert {facts.outcome for facts, _ in records.kept} == {"refused"}


def test_a_patient_of_another_unit_is_not_there(client: TestClient, casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4), unit="medicine")
    for path in (entry, "00000000-0000-4000-8000-000000000000", "x", "v1-000000000001", "%00", "1' OR '1'='1"):
        assert casey.get(f"/worklist/entries/{path}").status_code == 404
        assert casey.act(path, "claim").status_code == 404
    assert Browser(client, world, OTHER_UNIT).get(f"/worklist/entries/{entry}").status_code == 200
    assert Browser(client, world, AUDITOR).get(f"/worklist/entries/{entry}").status_code == 404


def test_break_glass_opens_one_patient_is_marked_and_reported(
    client: TestClient, casey: Browser, world: World, records: Records
) -> None:
    entry = world.place(7, scored(0.4), unit="medicine", name="Glass, Gil")
    world.place(8, scored(0.3), unit="medicine", name="Shut, Shea")
    asked = {"record_number": "MRN-00007", "code": "covering", "reason": "I cover medicine this night"}
    answer = casey.post("/worklist/break-glass", **asked)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/worklist/entries/{entry}?done=break-glass")
    page = casey.get(f"/worklist/entries/{entry}").text
    assert "Glass, Gil" in page
    assert "is of the unit medicine, which is not yours" in page
    listed = casey.get("/worklist").text
    assert "Break-glass: not your unit" in listed
    assert "Shut, Shea" not in listed
    robin = Browser(client, world, OTHER_UNIT)
    assert "break-glass</span>" in robin.get(f"/worklist/entries/{entry}").text
    for person in (robin, Browser(client, world, AUDITOR), Browser(client, world, MANAGER), casey):
        report = person.get("/worklist/break-glass").text
        assert "I cover medicine this night" in report
        assert "Glass, Gil" not in report
    assert "I cover medicine" not in Browser(client, world, SECOND_COORDINATOR).get("/worklist/break-glass").text
    opened = [facts for facts, status in records.kept if facts.action == "break-glass" and status == 303]
    assert [(facts.encounter, facts.detail) for facts in opened] == [("v1-000000000007", "covering")]
    assert any(access.break_glass for _, access in world.identities.accesses)
    with world.database.administrator() as connection:
        connection.execute(text("UPDATE care.worklist_break_glass SET until = now() - interval '1 second'"))
    assert casey.get(f"/worklist/entries/{entry}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"reason": "too short"}, 422),
        ({"reason": "x" * 1001}, 422),
        ({"code": "curious"}, 422),
        ({"record_number": ""}, 422),
        ({"record_number": "MRN-99999"}, 404),
    ],
)
def test_break_glass_without_a_reason_or_patient_opens_nothing(
    casey: Browser, world: World, fields: dict[str, str], status: int
) -> None:
    world.place(7, scored(0.4), unit="medicine")
    asked = {"record_number": "MRN-00007", "code": "covering", "reason": "I cover medicine this night"} | fields
    assert casey.post("/worklist/break-glass", **asked).status_code == status
    assert "Nobody." in casey.get("/worklist/break-glass").text


@pytest.mark.parametrize("user", [MANAGER, AUDITOR], ids=lambda user: user.username)
def test_only_a_coordinator_breaks_the_glass(client: TestClient, world: World, user: User) -> None:
    world.place(7, scored(0.4), unit="surgery")
    asked = {"record_number": "MRN-00007", "code": "covering", "reason": "I cover surgery this night"}
    answer = Browser(client, world, user).post("/worklist/break-glass", **asked)
    assert answer.status_code == 422
    assert "Only a coordinator" in answer.text


def test_after_signing_out_the_same_sign_in_is_over(casey: Browser) -> None:
    answer = casey.post("/worklist/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/signout")
    assert casey.get("/worklist").status_code == 401


def test_every_access_to_a_name_says_who_and_why(casey: Browser, world: World, records: Records) -> None:
    world.place(1, scored(0.4))
    casey.get("/worklist")
    encounters, access = world.identities.accesses[-1]
    assert encounters == ("v1-000000000001",)
    assert (access.subject, access.role, access.purpose, access.break_glass) == (
        casey.user.subject, "coordinator", "TREAT", False,
    )  # fmt: skip
    assert records.kept[-1][0].encounters == encounters


def test_a_launch_from_the_ehr_opens_the_patient_once(world: World, records: Records) -> None:
    entry = world.place(1, scored(0.4))
    world.place(2, scored(0.4), unit="medicine")
    patient, other = f"v1-{1001:012x}", f"v1-{1002:012x}"
    tickets = Tickets(
        {
            "encounter": Launched(patient, "v1-000000000001"),
            "patient": Launched(patient),
            "other": Launched(other, "v1-000000000002"),
            "other-patient": Launched(other),
            "unknown": Launched(patient, "v1-00000000ffff"),
        }
    )
    casey = Browser(TestClient(application(world, records, launches=tickets)), world)
    for ticket in ("encounter", "patient"):
        answer = casey.get(f"/worklist/launch/{ticket}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/worklist/entries/{entry}")
    for ticket in ("encounter", "other", "other-patient", "unknown", "guess"):
        assert casey.get(f"/worklist/launch/{ticket}").status_code == 404


def test_a_patient_who_moves_to_another_unit_carries_that_with_them(
    client: TestClient, casey: Browser, world: World
) -> None:
    entry = world.place(1, scored(0.4))
    assert world.place(1, scored(0.5), unit="medicine") == entry
    assert casey.get(f"/worklist/entries/{entry}").status_code == 404
    page = Browser(client, world, OTHER_UNIT).get(f"/worklist/entries/{entry}").text
    assert "Moved from unit</strong>: cardiology" in page
    assert "50 %" in page
    assert "40 %" in page
