"""The table of causes: what it allows, and that all its false stops together are at most one percent."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from services.planning.delivery.causes import TABLE, Causes, causes


def test_false_stops_of_all_causes_add_up_to_less_than_one_percent() -> None:
    table = causes()
    rows = (table.error_rate, table.latency, table.score_shift, table.override_rate)
    assert sum(row.level for row in rows) < 0.01


@pytest.mark.parametrize(
    ("row", "change"),
    [
        ("error-rate", {"level": 0.02}),
        ("error-rate", {"level": 0}),
        ("error-rate", {"tolerated": 0}),
        ("error-rate", {"alternatives": []}),
        ("error-rate", {"alternatives": [0.01]}),
        ("error-rate", {"alternatives": [1.0]}),
        ("latency", {"milliseconds": 0}),
        ("latency", {"tolerated": 0.9}),
        ("latency", {"alternatives": [1.5]}),
        ("score-shift", {"psi": 0}),
        ("score-shift", {"bins": 1}),
        ("score-shift", {"block": 10}),
        ("override-rate", {"alternatives": [1.0]}),
        ("override-rate", {"extra": 1}),
    ],
)
def test_a_wrong_threshold_is_refused(row: str, change: dict[str, Any]) -> None:
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    with pytest.raises(ValidationError):
        Causes.model_validate(table | {row: table[row] | change})


def test_a_missing_cause_is_refused() -> None:
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    for row in table:
        with pytest.raises(ValidationError):
            Causes.model_validate({name: values for name, values in table.items() if name != row})
