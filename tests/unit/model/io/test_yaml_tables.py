"""Digests of YAML tables: what a table says counts, and not how it is written."""

import pytest

from model.io.yaml_tables import content_digest

TABLE = b"rows:\n  - {name: a, days: 30}\n"


@pytest.mark.parametrize(
    "written",
    [b"# a comment\nrows:\n- days: 30\n  name: a\n", b"rows: [{name: 'a', days: 30}]\n"],
    ids=["block", "flow"],
)
def test_the_layout_does_not_count(written: bytes) -> None:
    assert content_digest(written) == content_digest(TABLE)


@pytest.mark.parametrize(
    "written",
    [
        b"rows:\n  - {name: a, days: '30'}\n",
        b"rows:\n  - {name: a, days: 31}\n",
        b"rows:\n  - {name: a}\n",
        b"rows: []\n",
    ],
    ids=["type", "value", "missing", "empty"],
)
def test_the_content_counts(written: bytes) -> None:
    assert content_digest(written) != content_digest(TABLE)


def test_the_order_of_tables_and_rows_counts() -> None:
    assert content_digest(b"[1]", b"[2]") != content_digest(b"[2]", b"[1]")
    assert content_digest(b"[1, 2]") != content_digest(b"[2, 1]")
