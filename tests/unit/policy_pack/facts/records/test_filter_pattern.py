"""Filter patterns of CloudWatch Logs select the events that CloudWatch does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.monitoring.alarms import table
from policy_pack.facts.records.filter_pattern import selects

EVENT: dict[str, Any] = {
    "eventName": "PutRolePolicy",
    "count": 3,
    "ok": True,
    "none": None,
    "user": {"type": "Root", "names": ["a", "b"]},
}


@pytest.mark.parametrize(
    ("pattern", "selected"),
    [
        ('{ $.eventName = "PutRolePolicy" }', True),
        ("{$.eventName=PutRolePolicy}", True),
        ('{ $.eventName = "Put*Policy" }', True),
        ('{ $.eventName = "Get*" }', False),
        ('{ $.eventName != "Get*" }', True),
        ('{ $.absent != "x" }', False),
        ("{ $.count >= 3 }", True),
        ("{ $.count < 3 }", False),
        ("{ $.ok IS TRUE }", True),
        ("{ $.none IS NULL }", True),
        ("{ $.absent NOT EXISTS }", True),
        ("{ $.user.type EXISTS }", True),
        ('{ $.user.names[1] = "b" }', True),
        ("{ $['user']['type'] = Root }", True),
        ("{ $.user['type'] = Root }", True),
        ('{ ($.a = 1) || ($.eventName = "Put*") && ($.count = 3) }', True),
        ('{ ($.eventName = "Put*") && (($.count = 4) || ($.count = 3)) }', True),
        ('{ ($.eventName = "Put*") && ($.count = 4) }', False),
        ("", False),
        ("ERROR", False),
        ("[ip, user]", False),
        ("{ $.a = }", False),
        ("{ $.eventName LIKE x }", False),
        ("{ $.eventName = PutRolePolicy } x", False),
        ("{" + "(" * 500 + "$.a = 1" + ")" * 500 + "}", False),
    ],
)
def test_a_pattern_selects_as_cloudwatch_does(pattern: str, selected: bool) -> None:
    assert selects(pattern, EVENT) is selected


@given(st.text(alphabet="{}()$.=!&|<>\"' *abTRUEISNOTEXISTS123[]", max_size=40))
def test_any_text_is_read_or_selects_nothing(pattern: str) -> None:
    assert selects(pattern, EVENT) in (True, False)


@pytest.mark.parametrize("name", table().metric_filters)
def test_the_filters_of_the_program_are_read(name: str) -> None:
    pattern = table().metric_filters[name].pattern
    assert len(pattern) <= 1024
    # Its negation is read too, so that a pattern that cannot be read does not pass as one that selects nothing.
    assert selects(pattern, {}) is False
    assert selects("{ ($.x NOT EXISTS) || " + pattern.strip()[1:], {}) is True
