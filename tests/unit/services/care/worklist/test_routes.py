"""The pages and forms: what a coordinator sees and does, and what is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from model.definitions.features import definitions
from services.care.worklist import placements
from services.care.worklist.actions import ACTIONS
from services.care.worklist.ports import IdentitiesUnavailableError, Launched
from services.database import connections
from tests.support.care.worklist_app import Records, Tickets, application, served
from tests.support.care.worklist_world import World, fallback, not_scored, scored
from tests.support.identity.sign_in import AUDITOR, MANAGER, OTHER_UNIT, User
from tests.unit.services.care.worklist.conftest import TOKEN, Browser

pytestmark = pytest.mark.process
SECOND = User("a7d0a0b4-0000-4000-8000-000000000002", "Sam Second", "sam")


def test_the_list_is_in_the_order_of_need_and_names_patients(casey: Browser, world: World) -> None:
    world.place(1, scored(0.12), name="Low, Lou")
    world.place(2, scored(0.61), name="High, Hal")
    world.place(3, fallback(12), name="Fall, Fay")
    world.place(4, not_scored(), name="None, Nat")
    world.place(5, scored(0.4, freshness=40), name="Stale, Sue")
    world.place(6, scored(0.9), unit="medicine", name="Other, Oz")
    page = casey.get("/worklist").text
    places = [page.index(name) for name in ("None, Nat", "Fall, Fay", "High, Hal", "Stale, Sue", "Low, Lou")]
    assert places == sorted(places)
    assert "Other, Oz" not in page
    for words in ("No model score: the model did not answer", "Stale: no data for 41 h", "LACE 12", "61 %"):
        assert words in page
    assert "v1-" not in page.replace("readmission-risk-v1", "")


def test_pages_name_the_window_of_the_score_or_of_the_definitions(casey: Browser, world: World) -> None:
    days = definitions().stay.return_days
    own = world.place(1, scored(0.4).model_copy(update={"return_days": 45}))
    unknown = world.place(2, scored(0.5))
    assert "risk within 45 days" in casey.get(f"/worklist/entries/{own}").text
    assert f"risk within {days} days" in casey.get(f"/worklist/entries/{unknown}").text
    page = Browser(casey.client, world, MANAGER).get("/worklist/readmissions").text
    assert f"Readmissions within {days} days" in page
    assert f"has its {days} days over" in page


def test_an_override_moves_a_patient_within_the_group(casey: Browser, world: World) -> None:
    high = world.place(1, scored(0.8), name="High, Hal")
    low = world.place(2, scored(0.1), name="Low, Lou")
    world.place(3, scored(0.4), name="Mid, Mo")
    world.place(4, fallback(3), name="Fall, Fay")
    casey.act(high, "override", code="support")
    casey.act(low, "override", code="frailty")
    page = casey.get("/worklist").text
    places = [page.index(name) for name in ("Fall, Fay", "Low, Lou", "Mid, Mo", "High, Hal")]
    assert places == sorted(places)


def test_answers_say_what_a_browser_may_do_with_them(casey: Browser, world: World) -> None:
    for path in (
        "/worklist",
        "/worklist/print",
        "/worklist/nothing",
        f"/worklist/entries/{world.place(1, scored(0.2))}",
    ):
        answer = casey.get(path)
        if path != "/worklist/nothing":
            assert answer.headers["cache-control"] == "no-store"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
        assert "style=" not in answer.text
        assert "onclick" not in answer.text


def test_from_claim_to_close(casey: Browser, world: World, records: Records) -> None:
    entry = world.place(1, scored(0.4), name="Doe, Dee")
    steps: list[tuple[str, dict[str, str]]] = [
        ("claim", {"version": "1"}),
        ("contact", {"code": "no-answer", "note": "rang twice"}),
        ("intervention", {"code": "home-visit"}),
        ("note", {"note": "<b>daughter</b> at home\nsecond line"}),
        ("due", {"version": "2", "due_on": time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3 * 86400))}),
        ("override", {"version": "3", "code": "frailty"}),
        ("close", {"version": "4", "code": "completed", "note": "all well"}),
    ]
    for action, fields in steps:
        answer = casey.act(entry, action, **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/worklist/entries/{entry}?done={action}")
    page = casey.get(f"/worklist/entries/{entry}?done=close").text
    for words in ("No answer", "rang twice", "Home visit", "&lt;b&gt;daughter&lt;/b&gt;", "Frailty", "all well"):
        assert words in page
    assert "The follow-up is closed." in page
    assert "closed" in page
    assert "Doe, Dee" not in casey.get("/worklist").text
    assert "Doe, Dee" in casey.get("/worklist?show=closed").text
    assert [item.code for item in world.planning.overrides] == ["frailty"]
    actions = [facts.action for facts, status in records.kept if status == 303]
    assert actions == [action for action, _ in steps]
    assert all(facts.encounter == "v1-000000000001" for facts, status in records.kept if status == 303)
    kept = str([facts for facts, _ in records.kept])
    assert "daughter" not in kept
    assert "Doe" not in kept


def test_two_claim_at_once_and_the_other_is_told(client: TestClient, casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    sam = Browser(client, world, SECOND)
    assert casey.act(entry, "claim").status_code == 303
    answer = sam.act(entry, "claim")
    assert answer.status_code == 409
    assert "Casey Coordinator has claimed this patient." in answer.text


def test_a_change_since_the_page_was_shown_is_told_and_the_text_stays(
    client: TestClient, casey: Browser, world: World
) -> None:
    entry = world.place(1, scored(0.4))
    Browser(client, world, SECOND).act(entry, "claim")
    answer = casey.act(entry, "close", code="completed", note="I wrote all this")
    assert answer.status_code == 409
    assert "I wrote all this</textarea>" in answer.text
    assert "Closed" not in casey.get(f"/worklist/entries/{entry}").text


def test_a_form_sent_twice_has_one_effect(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    token = casey.token()
    answers = [casey.act(entry, "note", token=token, note="only once") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {303}
    assert casey.get(f"/worklist/entries/{entry}").text.count("only once") == 1


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("close", {"code": "nothing-like-this"}),
        ("close", {"code": ""}),
        ("contact", {}),
        ("intervention", {"code": "reached"}),
        ("override", {"code": "completed"}),
        ("due", {"due_on": "2020-01-01"}),
        ("due", {"due_on": "not a day"}),
        ("due", {"due_on": "9999-12-31"}),
        ("assign", {"assignee": "somebody"}),
        ("note", {"note": "   "}),
        ("note", {"note": "x" * 4001}),
        ("claim", {"version": "one"}),
        ("claim", {"version": "99999999999999999999"}),
        ("release", {"version": ""}),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(
    casey: Browser, world: World, action: str, fields: dict[str, str]
) -> None:
    entry = world.place(1, scored(0.4))
    answer = casey.act(entry, action, **fields)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    page = casey.get(f"/worklist/entries/{entry}").text
    assert "Nothing yet." in page


def test_a_note_of_a_megabyte_is_refused_with_words(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    answer = casey.act(entry, "note", note="x" * (1 << 20))
    assert answer.status_code == 413
    assert "shorten the text to 4,000 characters" in answer.text
    assert "Nothing yet." in casey.get(f"/worklist/entries/{entry}").text


def test_a_note_of_the_longest_length_fits_in_any_alphabet(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    assert casey.act(entry, "note", note="病" * 4000).status_code == 303
    assert "病" * 4000 in casey.get(f"/worklist/entries/{entry}").text


@pytest.mark.parametrize("token", ["", "guess", "ImFiYyI.c2lnbmF0dXJl"])
def test_a_form_of_another_site_is_refused(casey: Browser, world: World, token: str) -> None:
    entry = world.place(1, scored(0.4))
    assert casey.act(entry, "claim", token=token).status_code == 403
    assert "nobody yet" in casey.get(f"/worklist/entries/{entry}").text


def test_a_form_of_another_session_or_site_is_refused(client: TestClient, casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    other = Browser(client, world, SECOND).token()
    assert casey.act(entry, "claim", token=other).status_code == 403
    casey.headers["Sec-Fetch-Site"] = "cross-site"
    assert casey.act(entry, "claim").status_code == 403


def test_a_lost_session_loses_no_text(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    token = casey.token()
    with world.database.administrator() as connection:
        connection.execute(text("UPDATE care.worklist_sessions SET seen = seen - interval '1 hour'"))
    answer = casey.act(entry, "note", token=token, note="a long thought")
    assert answer.status_code == 401
    assert "Your session has ended" in answer.text
    casey.headers["Authorization"] = f"Bearer {world.issuer.token(sid='signed-in-again')}"
    page = casey.get(f"/worklist/entries/{entry}").text
    assert "a long thought</textarea>" in page
    assert casey.act(entry, "note", note="a long thought").status_code == 303
    page = casey.get(f"/worklist/entries/{entry}").text
    assert page.count("a long thought") == 1
    assert "a long thought</textarea>" not in page


def test_an_expired_token_loses_no_text(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    casey.headers["Authorization"] = f"Bearer {world.issuer.token(now=time.time() - 400)}"
    assert casey.act(entry, "close", token="old", code="completed", note="nearly done").status_code == 401
    casey.headers["Authorization"] = f"Bearer {world.issuer.token()}"
    assert "nearly done</textarea>" in casey.get(f"/worklist/entries/{entry}").text


def test_a_draft_is_kept_while_it_is_typed_and_is_the_persons_own(
    client: TestClient, casey: Browser, world: World
) -> None:
    entry = world.place(1, scored(0.4))
    assert casey.post("/worklist/drafts", form=f"{entry}/note", note="half a sent").status_code == 204
    assert "half a sent</textarea>" in casey.get(f"/worklist/entries/{entry}").text
    assert "half a sent" not in Browser(client, world, SECOND).get(f"/worklist/entries/{entry}").text
    assert casey.post("/worklist/drafts", form=f"{entry}/note", note="").status_code == 204
    assert "half a sent" not in casey.get(f"/worklist/entries/{entry}").text
    assert casey.post("/worklist/drafts", form=f"{entry}/nothing", note="x").status_code == 404


def test_a_draft_that_comes_after_its_form_is_dropped(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    token = casey.token()
    assert casey.act(entry, "note", token=token, note="sent").status_code == 303
    assert casey.post("/worklist/drafts", token=token, form=f"{entry}/note", note="sent").status_code == 204
    assert "sent</textarea>" not in casey.get(f"/worklist/entries/{entry}").text


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
    assert "I cover medicine" not in Browser(client, world, SECOND).get("/worklist/break-glass").text
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


def test_search_shows_what_matches_and_puts_no_name_in_an_address(casey: Browser, world: World) -> None:
    world.place(1, scored(0.4), name="Doe, Dee")
    world.place(2, scored(0.3), name="Roe, Ray")
    for wanted in ("dee", "DOE, dee", "MRN-00001"):
        answer = casey.post("/worklist/search", search=wanted)
        assert answer.status_code == 200
        assert "Doe, Dee" in answer.text
        assert "Roe, Ray" not in answer.text
    assert "Nobody matches." in casey.post("/worklist/search", search="<script>").text


def test_pages_of_a_long_list(casey: Browser, world: World) -> None:
    for number in range(53):
        world.place(number, scored(0.9 - number / 100), name=f"Person {number:03}")
    first, second = casey.get("/worklist").text, casey.get("/worklist?page=2").text
    assert "53 patients, page 1 of 2." in first
    assert "Person 049" in first
    assert "Person 050" in second
    assert (
        casey.get("/worklist?page=-7").status_code == casey.get("/worklist?page=1e9&show=x&unit=y").status_code == 200
    )


def test_assign_to_a_colleague_of_the_unit(client: TestClient, casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    Browser(client, world, SECOND).get("/worklist")
    Browser(client, world, OTHER_UNIT).get("/worklist")
    page = casey.get(f"/worklist/entries/{entry}").text
    assert "Sam Second" in page
    assert "Robin Coordinator" not in page
    assert casey.act(entry, "assign", assignee=SECOND.subject).status_code == 303
    assert casey.act(entry, "assign", version="2", assignee=OTHER_UNIT.subject).status_code == 422
    assert "Sam Second" in casey.get("/worklist").text


def test_without_a_record_nothing_happens(casey: Browser, world: World, records: Records) -> None:
    entry = world.place(1, scored(0.4))
    token = casey.token()
    records.failing = True
    assert casey.act(entry, "claim", token=token).status_code == 500
    records.failing = False
    assert "nobody yet" in casey.get(f"/worklist/entries/{entry}").text
    assert casey.act(entry, "claim", token=token).status_code == 303


def test_an_override_waits_while_planning_is_down(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4, record=77))
    world.planning.down = True
    assert casey.act(entry, "override", code="social").status_code == 303
    page = casey.get(f"/worklist/entries/{entry}").text
    assert "The planning service does not answer" in page
    world.planning.down = False
    assert placements.send_feedback(world.engine, world.planning, print) == 1
    assert placements.send_feedback(world.engine, world.planning, print) == 0
    assert [(item.record, item.direction, item.code) for item in world.planning.overrides] == [(77, "raised", "social")]


def test_names_are_missing_while_the_lookup_is_down_and_the_list_is_there(
    casey: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = world.place(1, scored(0.4))

    def down(*_: object) -> None:
        raise IdentitiesUnavailableError

    monkeypatch.setattr(world.identities, "reveal", down)
    for path in ("/worklist", f"/worklist/entries/{entry}", "/worklist/print"):
        page = casey.get(path)
        assert page.status_code == 200
        assert "Name not available" in page.text


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


@pytest.mark.parametrize("name", ["worklist.css", "worklist.js", "icon.svg"])
def test_what_the_pages_load_is_the_services_own(client: TestClient, name: str) -> None:
    assert client.get(f"/worklist/static/{name}").status_code == 200
    assert client.get("/worklist/static/base.html").status_code == 404


def test_an_unreadable_form_is_refused(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    for body in (b"\xff\xfe", b"&".join(b"a=%d" % number for number in range(60))):
        answer = casey.client.post(f"/worklist/entries/{entry}/note", content=body, headers=casey.headers)
        assert answer.status_code == 400


def test_many_claim_at_the_same_moment_and_one_wins(world: World, records: Records) -> None:
    entry = world.place(1, scored(0.4))
    people = [User(f"00000000-0000-4000-8000-{number:012}", f"Person {number}", f"p{number}") for number in range(6)]
    with served(application(world, records)) as address, ThreadPoolExecutor(len(people)) as threads:
        ready = Barrier(len(people))

        def claim(user: User) -> int:
            with httpx.Client(
                base_url=address, headers={"Authorization": f"Bearer {world.issuer.token(user)}"}
            ) as http:
                token = TOKEN.findall(http.get("/worklist").text)[-1]
                ready.wait()
                fields = {"form_token": token, "version": "1"}
                return http.post(f"/worklist/entries/{entry}/claim", data=fields).status_code

        assert sorted(threads.map(claim, people)) == [303] + [409] * (len(people) - 1)


def test_while_the_database_is_down_the_page_says_what_to_do(world: World, records: Records, tmp_path: Path) -> None:
    file = world.database.login_file("care-service", tmp_path / "care.json")
    address = world.database.address
    down = replace(address, server=address.server.model_copy(update={"port": 1}))
    application_without = application(world, records, database=connections.engine(down, file))
    casey = Browser(TestClient(application_without), world)
    for answer in (casey.get("/worklist"), casey.act("x", "note", token="t", note="text")):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "60"
        assert "Use the printed list" in answer.text
    assert [facts.outcome for facts, _ in records.kept] == ["refused", "refused"]


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


def test_a_manager_assigns_and_does_not_claim(client: TestClient, casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    casey.get("/worklist")
    morgan = Browser(client, world, MANAGER)
    assert morgan.act(entry, "claim").status_code == 422
    assert ">Claim</button>" not in morgan.get(f"/worklist/entries/{entry}").text
    assert morgan.act(entry, "assign", assignee=casey.user.subject).status_code == 303


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


def test_what_is_of_no_more_use_is_deleted(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    token = casey.token()
    casey.act(entry, "note", token=token, note="kept for good")
    casey.post("/worklist/drafts", form=f"{entry}/close", note="never sent")
    with world.database.administrator() as connection:
        connection.execute(text("UPDATE care.worklist_forms SET at = at - interval '3 days'"))
        connection.execute(text("UPDATE care.worklist_drafts SET at = at - interval '31 days'"))
    with world.engine.begin() as connection:
        placements.tidy(connection)
    with world.database.administrator() as connection:
        count = "SELECT (SELECT count(*) FROM care.worklist_forms), (SELECT count(*) FROM care.worklist_drafts)"
        assert connection.execute(text(count)).one() == (0, 0)
    assert "kept for good" in casey.get(f"/worklist/entries/{entry}").text


def test_any_character_of_a_note_is_kept_or_replaced(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    assert casey.act(entry, "note", note="a\0b \N{PILE OF POO} \u202e end").status_code == 303
    assert "a\ufffdb \N{PILE OF POO} \u202e end" in casey.get(f"/worklist/entries/{entry}").text


@pytest.mark.parametrize("form", ["urn:uuid:{}", "{{{}}}", "{}"])
def test_an_entry_has_one_page_however_its_id_is_written(casey: Browser, world: World, form: str) -> None:
    entry = world.place(1, scored(0.4), name="Doe, Dee")
    assert "Doe, Dee" in casey.get(f"/worklist/entries/{form.format(entry)}").text


HOSTILE = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
PLACES = st.sampled_from(["", "/search", "/print", "/break-glass", "/drafts", "/sign-out", "/entries", "/launch"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE"]),
    place=PLACES,
    rest=st.lists(st.one_of(HOSTILE, st.sampled_from([*ACTIONS, "ENTRY"])), max_size=3),
    query=st.dictionaries(st.sampled_from(["show", "unit", "page", "done", "x"]), HOSTILE, max_size=3),
    fields=st.dictionaries(
        st.sampled_from(["note", "code", "version", "due_on", "assignee", "reason", "record_number", "form", "search"]),
        st.one_of(HOSTILE, st.sampled_from(["call", "completed", "frailty", "covering", "1", "2026-12-24"])),
        max_size=6,
    ),
    token=st.one_of(st.none(), HOSTILE),
)
def test_no_request_fails_the_service(
    casey: Browser,
    world: World,
    method: str,
    place: str,
    rest: list[str],
    query: dict[str, str],
    fields: dict[str, str],
    token: str | None,
) -> None:
    """Hostile input gets a page or a problem, and no fault of the service."""
    entry = world.place(1, scored(0.4), name="Secret, Sid")
    path = "/".join(quote(entry if part == "ENTRY" else part, safe="") for part in rest)
    fields["form_token"] = casey.token() if token is None else token
    answer = casey.client.request(
        method,
        f"/worklist{place}{'/' if path else ''}{path}",
        params=query,
        content=urlencode(fields),
        headers=casey.headers,
        follow_redirects=False,
    )
    assert answer.status_code < 500
    assert "Traceback" not in answer.text
    if casey.get("/worklist").status_code == 401:  # it signed out
        world.reset()
