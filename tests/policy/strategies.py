"""Hypothesis strategies of values that a state or the engine may have."""

from typing import Any

from hypothesis import strategies as st


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return values of small lists and maps of leaves, or a leaf itself."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=6,
    )
