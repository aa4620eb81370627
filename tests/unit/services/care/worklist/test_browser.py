"""The worklist in a browser: by keyboard alone, at 200 % zoom, on a phone, and when a session ends."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from tests.support.care.worklist_app import Records, application, served
from tests.support.care.worklist_world import World, populate
from tests.support.gateway.browser import chromium
from tests.support.identity.sign_in import COORDINATOR

pytestmark = pytest.mark.process
MOST_TABS = 60
DESKTOP = (1280, 1024)
ZOOMED = (640, 512)
"""What a window of 1280 by 1024 pixels has at a zoom of 200 %."""
PHONE = (320, 640)
"""The narrowest page that has to do without scrolling sideways (WCAG 2.2, 1.4.10)."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def address(world: World, records: Records) -> Iterator[str]:
    with served(application(world, records)) as made:
        yield made


@contextmanager
def window(browser: Browser, world: World, size: tuple[int, int]) -> Iterator[Page]:
    """Open a window of a coordinator who has signed in, in which nothing may break the content security policy."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        extra_http_headers={"Authorization": f"Bearer {world.issuer.token(COORDINATOR)}"},
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    yield page
    context.close()
    assert complaints == []


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus bears a name."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "() => { const it = document.activeElement;"
            " return it.labels?.length ? it.labels[0].textContent : it.textContent; }"
        )
        if re.sub(r"\s+", " ", focused).strip() == name:
            return
    raise AssertionError(f"{name} is not reached with the Tab key")


def test_from_claim_to_close_by_keyboard_alone(browser: Browser, world: World, address: str) -> None:
    entries = populate(world)
    with window(browser, world, DESKTOP) as page:
        page.goto(f"{address}/worklist")
        tab_to(page, "Claim Okafor, Ngozi")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("You have claimed this patient.")
        for summary, choice, key, note, button, done in (
            ("Record a contact attempt", "Result", "R", "no problems", "Record contact", "contact attempt"),
            ("Record an intervention", "Intervention", "H", "", "Record intervention", "intervention"),
            ("Close with an outcome", "Outcome", "F", "all is well", "Close follow-up", "closed"),
        ):
            tab_to(page, summary)
            page.keyboard.press("Enter")
            tab_to(page, choice)
            page.keyboard.press(key)
            page.keyboard.press("Tab")
            page.keyboard.type(note)
            tab_to(page, button)
            page.keyboard.press("Enter")
            expect(page.get_by_role("status")).to_contain_text(done)
        expect(page.locator("dl.state")).to_contain_text("Follow-up completed")
        expect(page.locator("ol.events")).to_contain_text("Home visit")
    with world.database.administrator() as connection:
        query = text("SELECT outcome FROM care.worklist_entries WHERE id = CAST(:entry AS uuid)")
        assert connection.scalar(query, {"entry": entries["not scored"]}) == "completed"


@pytest.mark.parametrize("size", [ZOOMED, PHONE], ids=["zoomed", "phone"])
def test_pages_have_no_barrier_and_no_sideways_scrolling(
    browser: Browser, world: World, address: str, size: tuple[int, int]
) -> None:
    entries = populate(world)
    paths = ["", "/print", "/readmissions", "/break-glass", *(f"/entries/{entry}" for entry in entries.values())]
    with window(browser, world, size) as page:
        for path in paths:
            page.goto(f"{address}/worklist{path}")
            for summary in page.locator("summary").all():
                summary.click()
            results = Axe().run(page)
            assert results.violations_count == 0, f"{path}: {results.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        refused = page.context.new_page()
        refused.set_extra_http_headers({"Authorization": ""})
        refused.goto(f"{address}/worklist")
        assert Axe().run(refused).violations_count == 0


def test_text_is_kept_while_it_is_typed_and_a_page_is_cleared_when_its_session_ends(
    browser: Browser, world: World, address: str
) -> None:
    entry = populate(world)["scored"]
    world.publish(idle=timedelta(seconds=8))
    with window(browser, world, DESKTOP) as page:
        page.goto(f"{address}/worklist/entries/{entry}")
        expect(page.locator("#session-warning")).to_be_visible()
        with page.expect_response("**/worklist/drafts") as answer:
            page.get_by_label("New note").fill("half a thought")
        assert answer.value.status == 204
        expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible(timeout=30_000)
        assert "Delacroix" not in page.content()
    world.publish()
    with window(browser, world, DESKTOP) as page:
        page.set_extra_http_headers({"Authorization": f"Bearer {world.issuer.token(sid='again')}"})
        page.goto(f"{address}/worklist/entries/{entry}")
        expect(page.get_by_label("New note")).to_have_value("half a thought")


def test_the_list_for_paper_leaves_out_what_paper_cannot_do(browser: Browser, world: World, address: str) -> None:
    populate(world)
    with window(browser, world, DESKTOP) as page:
        page.goto(f"{address}/worklist/print")
        page.emulate_media(media="print")
        for words in ("Okafor, Ngozi", "STALE DATA", "no model score", "not scored"):
            expect(page.locator("main")).to_contain_text(words)
        for hidden in ("nav", "button", "footer"):
            assert not any(item.is_visible() for item in page.locator(hidden).all())
        assert page.pdf(format="A4", landscape=True).startswith(b"%PDF")
