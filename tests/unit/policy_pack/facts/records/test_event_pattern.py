"""Event patterns of EventBridge select the events that EventBridge does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.monitoring.alarms import table
from policy_pack.facts.records.event_pattern import matches
from policy_pack.facts.records.table import records

EVENT = {"source": "aws.backup", "detail": {"state": "FAILED", "n": 3, "findings": [{"a": "x"}, {"a": "y"}]}}


@pytest.mark.parametrize(
    ("pattern", "selected"),
    [
        ({"source": ["aws.backup"]}, True),
        ({"source": "aws.backup"}, False),
        ({"source": ["aws.other", "aws.backup"]}, True),
        ({"detail": {"state": ["FAILED"]}}, True),
        ({"detail": {"state": ["DONE"]}}, False),
        ({"detail": {"missing": ["x"]}}, False),
        ({"detail": {"findings": {"a": ["y"]}}}, True),
        ({"detail": {"findings": {"a": ["z"]}}}, False),
        ({"source": [{"prefix": "aws."}]}, True),
        ({"source": [{"suffix": ".backup"}]}, True),
        ({"source": [{"wildcard": "aws.*"}]}, True),
        ({"source": [{"equals-ignore-case": "AWS.Backup"}]}, True),
        ({"source": [{"anything-but": ["aws.backup"]}]}, False),
        ({"source": [{"anything-but": {"prefix": "x"}}]}, True),
        ({"detail": {"state": [{"exists": True}]}}, True),
        ({"detail": {"state": [{"exists": False}]}}, False),
        ({"detail": {"other": [{"exists": False}]}}, True),
        ({"detail": {"n": [3]}}, True),
        ({"detail": {"n": [{"numeric": [">", 1]}]}}, False),
        ({"$or": [{"source": ["x"]}, {"source": ["aws.backup"]}]}, True),
        ({"$or": [{"source": ["x"]}]}, False),
        ({"source": [True]}, False),
        ([], False),
    ],
)
def test_a_pattern_selects_as_eventbridge_does(pattern: Any, selected: bool) -> None:
    assert matches(pattern, EVENT) is selected


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


@given(json_values, json_values)
def test_any_pattern_and_event_have_an_answer(pattern: Any, event: Any) -> None:
    assert matches(pattern, event) in (True, False)


def test_each_notice_is_selected_by_a_rule_of_the_program() -> None:
    patterns = [rule.pattern for rule in table().event_rules.values()]
    for notice in records().notices:
        assert any(matches(pattern, notice.event) for pattern in patterns), notice.name
