"""Pictures of the worklist in ``docs``: ``python -m tests.worklist_pictures``.

Two hospitals with a discharge of each kind (not scored, ranked by LACE, stale, scored), without the environment: the
real pages on PostgreSQL, in a window of a desktop and of a phone. All people are invented.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.care.worklist_app import Records, application, served
from tests.support.care.worklist_world import World, populate
from tests.support.databases.postgres import PostgresServer, temporary_server
from tests.support.gateway.browser import chromium
from tests.support.identity.sign_in import COORDINATOR
from tests.support.repository import REPOSITORY

FOLDER = REPOSITORY / "docs"
WINDOWS = {"desktop": (1180, 800), "phone": (390, 844)}
PICTURES = {
    "north": (("desktop", "list"), ("phone", "stale")),
    "south": (("phone", "list"), ("desktop", "fallback")),
}
"""Windows and what they show, by hospital: the list, or the page of a patient of a kind."""


def write(browser: Browser, server: PostgresServer, hospital: str) -> list[Path]:
    """Write the pictures of a hospital."""
    world, files = World.create(server, hospital), []
    entries = populate(world)
    with served(application(world, Records())) as address:
        for size, shown in PICTURES[hospital]:
            width, height = WINDOWS[size]
            with browser.new_context(
                viewport={"width": width, "height": height},
                extra_http_headers={"Authorization": f"Bearer {world.issuer.token(COORDINATOR)}"},
            ) as context:
                page = context.new_page()
                page.goto(f"{address}/worklist" + ("" if shown == "list" else f"/entries/{entries[shown]}"))
                files.append(FOLDER / f"worklist-{hospital}-{shown}-{size}.png")
                page.screenshot(path=files[-1], full_page=shown == "list")
    return files


def main() -> None:
    """Write all pictures, and print their files."""
    with temporary_server() as server, chromium() as browser:
        for hospital in PICTURES:
            for file in write(browser, server, hospital):
                sys.stdout.write(f"{file.relative_to(REPOSITORY)} {file.stat().st_size // 1024} kB\n")


if __name__ == "__main__":
    main()
