"""Forms of the pages: whose they are, and how their text outlives a session."""

import time

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.support.care.worklist_world import World, scored
from tests.support.identity.sign_in import SECOND_COORDINATOR
from tests.unit.services.care.worklist.conftest import Browser

pytestmark = pytest.mark.process


def test_a_form_sent_twice_has_one_effect(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    token = casey.token()
    answers = [casey.act(entry, "note", token=token, note="only once") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {303}
    assert casey.get(f"/worklist/entries/{entry}").text.count("only once") == 1


@pytest.mark.parametrize("token", ["", "guess", "ImFiYyI.c2lnbmF0dXJl"])
def test_a_form_of_another_site_is_refused(casey: Browser, world: World, token: str) -> None:
    entry = world.place(1, scored(0.4))
    assert casey.act(entry, "claim", token=token).status_code == 403
    assert "nobody yet" in casey.get(f"/worklist/entries/{entry}").text


def test_a_form_of_another_session_or_site_is_refused(client: TestClient, casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    other = Browser(client, world, SECOND_COORDINATOR).token()
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
    assert "half a sent" not in Browser(client, world, SECOND_COORDINATOR).get(f"/worklist/entries/{entry}").text
    assert casey.post("/worklist/drafts", form=f"{entry}/note", note="").status_code == 204
    assert "half a sent" not in casey.get(f"/worklist/entries/{entry}").text
    assert casey.post("/worklist/drafts", form=f"{entry}/nothing", note="x").status_code == 404


def test_a_draft_that_comes_after_its_form_is_dropped(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    token = casey.token()
    assert casey.act(entry, "note", token=token, note="sent").status_code == 303
    assert casey.post("/worklist/drafts", token=token, form=f"{entry}/note", note="sent").status_code == 204
    assert "sent</textarea>" not in casey.get(f"/worklist/entries/{entry}").text


def test_an_unreadable_form_is_refused(casey: Browser, world: World) -> None:
    entry = world.place(1, scored(0.4))
    for body in (b"\xff\xfe", b"&".join(b"a=%d" % number for number in range(60))):
        answer = casey.client.post(f"/worklist/entries/{entry}/note", content=body, headers=casey.headers)
        assert answer.status_code == 400
