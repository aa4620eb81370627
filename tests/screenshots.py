"""Pictures of the card and the worklist of the running environment: ``python -m tests.screenshots``.

They show the synthetic population alone, and are written to ``build/screenshots``, which git ignores.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page
from rich.console import Console

from local.errors import UserError
from local.hospitals import discharge, pipeline, population
from local.keycloak import staff
from local.keycloak.staff import COORDINATOR, Person
from local.paths import REPOSITORY, Home, worklist_url
from local.screen import CARD_WIDTH, card_panel
from local.stack.stack import Stack
from tests.support.care import old_records
from tests.support.gateway.gateway_browser import gateway_browser, signed_in

FOLDER = REPOSITORY / "build" / "screenshots"
DESKTOP, PHONE = (1280, 1024), (390, 844)
MOST_TABS = 40
_PAGES = {"list": "", "paper": "/print", "readmissions": "/readmissions", "break-glass": "/break-glass"}
_ENTRIES = {"stale": ".scored .card.is-stale", "fallback": ".fallback .card"}
"""Entries of the list that must not be mistaken for a model's score of today."""


def write(home: Home, folder: Path) -> Iterator[Path]:
    """Discharge patients of each hospital, and yield a picture after the other.

    One patient has a record; one has none since yesterday, whose score is stale; and one has none for longer, who is
    ranked by LACE.

    Raises
    ------
    UserError
        If the environment has no staff, or the hook is not answered.
    """
    people = staff.read(home)
    entries = {entry["name"]: entry for entry in Stack(home).working() if (entry["name"], "casey") in people}
    hospitals = list(entries)
    if not hospitals:
        raise UserError("No hospital of the stack has demonstration staff: run `make up` first.")
    folder.mkdir(parents=True, exist_ok=True)
    with gateway_browser(home, *hospitals) as browser:
        for hospital in hospitals:
            yield _card(browser, home, hospital, folder / f"{hospital}-card.png")
            coordinators = [
                one for one in people.values() if one.hospital == hospital and one.role == COORDINATOR and one.seed
            ]
            units = {unit for one in coordinators for unit in one.units}
            files = pipeline.bundles(population.source(home, entries[hospital]))
            old_records.without_record(home, hospital, files, units)
            yield from _worklist(browser, coordinators, folder)


def _card(browser: Browser, home: Home, hospital: str, file: Path) -> Path:
    """Write the card of a discharge, as `make discharge` shows it."""
    card = discharge.first_card(home, hospital)
    if card.problem:
        raise UserError(card.problem)
    console = Console(file=io.StringIO(), record=True, width=CARD_WIDTH)
    console.print(card_panel(card.content))
    with browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}) as context:
        page = context.new_page()
        page.set_content(console.export_svg(title=f"{hospital}: encounter-discharge"))
        page.locator("svg").screenshot(path=file)
    return file


def _worklist(browser: Browser, coordinators: list[Person], folder: Path) -> Iterator[Path]:
    """Write the pages of the coordinators of a hospital: each sees the patients of their unit."""
    for person in coordinators:
        address, name = f"{worklist_url(person.hospital)}/worklist", f"{person.hospital}-{person.username}"
        with signed_in(browser, person, DESKTOP) as page:
            for title, path in _PAGES.items():
                page.goto(f"{address}{path}")
                yield _picture(page, folder / f"{name}-{title}.png")
            page.goto(address)
            if _tab_to_patient(page):
                yield _picture(page, folder / f"{name}-keyboard.png", whole=False)
                page.keyboard.press("Enter")
                page.wait_for_url(f"{address}/entries/*")
                yield _picture(page, folder / f"{name}-patient.png")
                page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
                yield _picture(page, folder / f"{name}-patient-narrow.png")
            page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
            page.goto(address)
            yield _picture(page, folder / f"{name}-list-narrow.png")
            for kind, entry in _ENTRIES.items():
                yield from _patient(page, address, entry, folder / f"{name}-{kind}")


def _patient(page: Page, address: str, entry: str, file: Path) -> Iterator[Path]:
    """Write the first entry of a kind in the list, and the patient's page, wide and narrow; nothing without one."""
    page.goto(address)
    found = page.locator(entry)
    if not found.count():
        return
    for suffix, (width, height) in {"": DESKTOP, "-narrow": PHONE}.items():
        page.set_viewport_size({"width": width, "height": height})
        page.goto(address)
        picture = file.with_name(f"{file.name}-entry{suffix}.png")
        found.first.screenshot(path=picture)
        yield picture
        found.first.locator(".person a").click()
        page.wait_for_url(f"{address}/entries/*")
        yield _picture(page, file.with_name(f"{file.name}-patient{suffix}.png"))


def _tab_to_patient(page: Page) -> bool:
    """Press Tab until a patient has the focus; return whether one has."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.person') !== null"):
            return True
    return False


def _picture(page: Page, file: Path, *, whole: bool = True) -> Path:
    page.screenshot(path=file, full_page=whole)
    return file


def main() -> int:
    """Write the pictures, and print their files."""
    try:
        for file in write(Home.default(), FOLDER):
            sys.stdout.write(f"{file.relative_to(REPOSITORY)}\n")
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
