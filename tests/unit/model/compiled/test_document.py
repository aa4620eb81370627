"""A stored compiled form comes back to the last bit, and one that is not whole and consistent is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.compiled.document import MOST_LEAVES, dumped, parse
from model.errors import UserError
from tests.support.model.compiled_world import fitted

Change = Callable[[dict[str, Any]], object]


def stored(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dumped(fitted("linear" if kind == "linear" else "trees").document))
    return found


@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_it_comes_back_to_the_last_bit(kind: str) -> None:
    document = fitted("linear" if kind == "linear" else "trees").document
    assert parse(dumped(document)) == document
    assert dumped(parse(dumped(document))) == dumped(document)


def number(document: dict[str, Any]) -> dict[str, Any]:
    return next(feature for feature in document["features"] if feature["kind"] == "number" and feature["bins"])


def tree(document: dict[str, Any]) -> dict[str, Any]:
    return next(tree for tree in document["trees"] if len(tree["feature"]) >= 5)


LINEAR: dict[str, Change] = {
    "an unknown field": lambda d: d.update(extra=1),
    "no features": lambda d: d.pop("features"),
    "a feature fewer": lambda d: d["features"].pop(),
    "a name fewer": lambda d: d["names"].pop(),
    "another format": lambda d: d.update(format=2),
    "another kind": lambda d: d.update(kind="trees"),
    "no kind": lambda d: d.pop("kind"),
    "a hash that is none": lambda d: d.update(pipeline_sha256="0" * 63),
    "text as a number": lambda d: d.update(intercept="0.5"),
    "truth as a number": lambda d: d.update(intercept=True),
    "nothing as a number": lambda d: d.update(intercept=None),
    "an infinite number": lambda d: d.update(intercept=float("inf")),
    "no number": lambda d: d.update(intercept=float("nan")),
    "a scale of zero": lambda d: number(d).update(scale=0.0),
    "a negative scale": lambda d: number(d).update(scale=-1.0),
    "a bin fewer": lambda d: number(d)["bins"].pop(),
    "an edge more": lambda d: number(d)["edges"].append(1e9),
    "edges out of order": lambda d: number(d)["edges"].reverse(),
    "edges without bins": lambda d: number(d).update(bins=[]),
}
TREES: dict[str, Change] = {
    "no trees": lambda d: d.update(trees=[]),
    "an empty tree": lambda d: d["trees"].append({name: [] for name in d["trees"][0]}),
    "a list that is shorter": lambda d: tree(d)["value"].pop(),
    "a cycle": lambda d: tree(d)["left"].__setitem__(0, 0),
    "a child twice": lambda d: tree(d)["left"].__setitem__(0, tree(d)["right"][0]),
    "a child outside": lambda d: tree(d)["right"].__setitem__(0, 999),
    "a negative child": lambda d: tree(d)["left"].__setitem__(0, -2),
    "a leaf with children": lambda d: tree(d)["feature"].__setitem__(0, -1),
    "a node without children": lambda d: (tree(d)["left"].__setitem__(0, -1), tree(d)["right"].__setitem__(0, -1)),
    "a feature that there is not": lambda d: tree(d)["feature"].__setitem__(0, 99),
    "a negative feature": lambda d: tree(d)["feature"].__setitem__(0, -5),
    "an infinite threshold": lambda d: tree(d)["threshold"].__setitem__(0, float("inf")),
    "too many leaves": lambda d: d["trees"].append(comb(MOST_LEAVES + 1)),
    "a fraction as a feature": lambda d: tree(d)["feature"].__setitem__(0, 0.5),
    "text as a rate": lambda d: d["features"][-1].update(missing="0.1"),
    "a feature fewer": lambda d: d["features"].pop(),
}


def comb(leaves: int) -> dict[str, Any]:
    """Return a tree whose every left child is a leaf."""
    inner = leaves - 1
    size = 2 * inner + 1
    return {
        "feature": [0 if node % 2 == 0 and node < size - 1 else -1 for node in range(size)],
        "threshold": [0.0] * size,
        "missing_left": [False] * size,
        "left": [node + 1 if node % 2 == 0 and node < size - 1 else -1 for node in range(size)],
        "right": [node + 2 if node % 2 == 0 and node < size - 1 else -1 for node in range(size)],
        "value": [0.0] * size,
    }


def test_a_tree_of_as_many_leaves_as_may_be_is_read() -> None:
    document = stored("trees")
    document["trees"].append(comb(MOST_LEAVES))
    parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("kind", "change"),
    [("linear", name) for name in LINEAR] + [("trees", name) for name in TREES],
)
def test_what_is_not_whole_and_consistent_is_refused(kind: str, change: str) -> None:
    document = stored(kind)
    (LINEAR if kind == "linear" else TREES)[change](document)
    with pytest.raises(UserError, match="compiled model cannot be read"):
        parse(json.dumps(document).encode())


@given(
    content=st.one_of(
        st.binary(max_size=60), st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
    )
)
@settings(max_examples=60)
def test_bytes_that_are_no_compiled_form_are_refused_in_one_sentence(content: bytes) -> None:
    with pytest.raises(UserError, match=r"cannot be read; release the run again\.$"):
        parse(content)
