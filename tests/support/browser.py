"""Debian's Chromium, driven by Playwright."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
INSTALL = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser, installed if it is missing, and close it at the end."""
    if not CHROMIUM.exists():
        subprocess.run(INSTALL, check=False, capture_output=True)
    if not CHROMIUM.exists():
        raise AssertionError("Chromium is not installed: run `apt-get install chromium`")
    with sync_playwright() as playwright:
        # Its sandbox does not start as root; the only pages are those of the test.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
