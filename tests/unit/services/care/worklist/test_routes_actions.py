"""What a coordinator does to an entry: each action has one effect, and a mistake none."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from services.care.worklist import placements
from tests.support.care.worklist_app import Records, application, served
from tests.support.care.worklist_world import World, scored
from tests.support.identity.sign_in import MANAGER, OTHER_UNIT, SECOND_COORDINATOR, User
from tests.unit.services.care.worklist.conftest import TOKEN, Browser

pytestmark = pytest.mark.process


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
    sam = Browser(client, world, SECOND_COORDINATOR)
    assert casey.act(entry, "claim").status_code == 303
    answer = sam.act(entry, "claim")
    assert answer.status_code == 409
    assert "Casey Coordinator has claimed this patient." in answer.text


def test_a_change_since_the_page_was_shown_is_told_and_the_text_stays(
    client: TestClient, casey: Browser, world: World
) -> None:
    entry = world.place(1, scored(0.4))
    Browser(client, world, SECOND_COORDINATOR).act(entry, "claim")
    answer = casey.act(entry, "close", code="completed", note="I wrote all this")
    assert answer.status_code == 409
    assert "I wrote all this</textarea>" in answer.text
    assert "Closed" not in casey.get(f"/worklist/entries/{entry}").text


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


def test_assign_to_a_colleague_of_the_unit(client: TestClient, casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    Browser(client, world, SECOND_COORDINATOR).get("/worklist")
    Browser(client, world, OTHER_UNIT).get("/worklist")
    page = casey.get(f"/worklist/entries/{entry}").text
    assert "Sam Second" in page
    assert "Robin Coordinator" not in page
    assert casey.act(entry, "assign", assignee=SECOND_COORDINATOR.subject).status_code == 303
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


def test_a_manager_assigns_and_does_not_claim(client: TestClient, casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    casey.get("/worklist")
    morgan = Browser(client, world, MANAGER)
    assert morgan.act(entry, "claim").status_code == 422
    assert ">Claim</button>" not in morgan.get(f"/worklist/entries/{entry}").text
    assert morgan.act(entry, "assign", assignee=casey.user.subject).status_code == 303


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
