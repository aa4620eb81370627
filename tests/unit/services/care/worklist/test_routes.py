"""The pages of the worklist: what they show, and what no request does."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.definitions.features import definitions
from services.care.worklist.actions import ACTIONS
from services.care.worklist.ports import IdentitiesUnavailableError
from services.database import connections
from tests.support.care.worklist_app import Records, application
from tests.support.care.worklist_world import World, fallback, not_scored, scored
from tests.support.identity.sign_in import MANAGER
from tests.unit.services.care.worklist.conftest import Browser

pytestmark = pytest.mark.process


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


@pytest.mark.parametrize("name", ["worklist.css", "worklist.js", "icon.svg"])
def test_what_the_pages_load_is_the_services_own(client: TestClient, name: str) -> None:
    assert client.get(f"/worklist/static/{name}").status_code == 200
    assert client.get("/worklist/static/base.html").status_code == 404


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
