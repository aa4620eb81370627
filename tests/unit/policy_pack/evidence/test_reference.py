"""The page of all controls."""

from policy_pack.evidence.reference import page
from tests.support.repository import REPOSITORY


def test_the_page_is_up_to_date() -> None:
    assert (REPOSITORY / "docs" / "controls.md").read_text(encoding="utf-8") == page(), "run make docs"
