"""Patterns of IAM overlap where a text matches both."""

from hypothesis import given
from hypothesis import strategies as st

from policy_pack.facts.iam.wildcards import matches, overlap

LETTERS = st.text("ab*?", max_size=6)


@given(LETTERS, LETTERS, st.text("ab", max_size=6))
def test_patterns_that_match_the_same_text_overlap(one: str, other: str, text: str) -> None:
    if matches(one, text) and matches(other, text):
        assert overlap(one, other)
    if matches(one, other) and matches(other, text):
        assert matches(one, text)
