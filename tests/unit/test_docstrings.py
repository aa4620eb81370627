"""Docstrings of modules and classes: they begin with a noun, which says what the thing is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import REPOSITORY

ROOTS = ("hmlops", "infra", "workloads", "services", "model", "policy_pack", "local", "bench")
RIDDLES = {"Everything", "How", "Something", "That", "Those", "What", "When", "Where", "Whether", "Which", "Who", "Why"}


def riddles(text: str) -> Iterator[str]:
    """Yield docstrings of a module and its classes that begin as a clause and not with a noun."""
    for node in ast.walk(ast.parse(text)):
        docstring = ast.get_docstring(node) if isinstance(node, ast.Module | ast.ClassDef) else None
        if docstring and docstring.split(maxsplit=1)[0] in RIDDLES:
            yield docstring.partition("\n")[0]


@pytest.mark.parametrize("root", ROOTS)
def test_a_docstring_says_what_the_thing_is(root: str) -> None:
    files: list[Path] = sorted((REPOSITORY / root).rglob("*.py"))
    assert files
    assert [one for file in files for one in riddles(file.read_text(encoding="utf-8"))] == []


def test_a_riddle_is_recognised() -> None:
    assert list(riddles('"""A module."""\nclass One:\n    """What it keeps."""\n')) == ["What it keeps."]
