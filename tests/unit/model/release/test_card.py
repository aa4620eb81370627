"""The card of a release: what it says, its page, and the answers of a hospital."""

from pathlib import Path

import pytest

from model.artifact import files
from model.errors import UserError
from model.release.card import as_html, attributes, read_answers
from tests.support.model.release_world import contents, released

pytestmark = pytest.mark.process


def test_the_card_tells_that_it_is_a_demonstration(tmp_path: Path) -> None:
    card = contents(released(tmp_path).place)[files.CARD_FILE].decode()
    assert "must not be used for patients" in card
    assert "## Intended use" in card
    assert "$" not in card


def test_the_card_as_a_page_shows_what_looks_like_html(tmp_path: Path) -> None:
    text = contents(released(tmp_path).place)[files.CARD_FILE].decode()
    page = as_html(text + "\n<script>alert(1)</script>\n")
    assert page.count("<table>") >= 12
    assert "<h2>Ethical considerations</h2>" in page
    assert "<script>" not in page
    assert len({row.id for row in attributes().rows}) == 31


def test_answers_are_known_questions(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("developer: us | them\nfunding: ' '\n")
    assert read_answers(path) == {"developer": "us | them"}
    for text, says in (("develloper: us", "the nearest is developer"), ("- a", "KEY: TEXT"), ("a: [", "KEY: TEXT")):
        path.write_text(text)
        with pytest.raises(UserError, match=says):
            read_answers(path)
