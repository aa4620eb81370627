"""The page docs/settings.md."""

import subprocess
import sys

from infra.settings.reference import reference, undescribed
from tests.support.repository import REPOSITORY
from tests.support.stack.mocked_stack import configuration

PAGE = REPOSITORY / "docs" / "settings.md"


def test_the_page_is_current() -> None:
    command = [sys.executable, "-m", "infra.settings.reference"]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert PAGE.read_text() == printed, "run `make docs`"


def test_every_setting_is_described() -> None:
    assert list(undescribed()) == []


def test_the_page_has_every_setting_of_both_stacks() -> None:
    page = reference()
    written = configuration("dev").keys() | configuration("prod").keys()
    assert [key for key in written if f"| `{key}` |" not in page] == []


def test_the_page_shows_what_each_kind_of_cluster_needs() -> None:
    [row] = [line for line in reference().splitlines() if line.startswith("| `networks` |")]
    assert "[Networks](#networks) for cluster `local` or `kind`; [EksNetworks](#eksnetworks) for cluster `eks`" in row
    assert "required for cluster `eks`" in row
