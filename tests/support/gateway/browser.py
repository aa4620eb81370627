"""Debian's Chromium, driven by Playwright."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """Start a browser, and close it at the end.

    Parameters
    ----------
    options
        More options of its command line.
    """
    if not CHROMIUM.exists():
        raise AssertionError("Chromium is not installed: run `python -m tests.support.packages`")
    with sync_playwright() as playwright:
        # Its sandbox does not start as root; the only pages are those of the test.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *options])
        yield browser
        browser.close()
