"""The report has aggregates alone, for programs and on one screen."""

import json

from services.replay.comparison import compare
from services.replay.report import REASONS, Report, not_compared
from tests.unit.services.replay.test_comparison import pairs


def report(count: int) -> Report:
    risks = [number / count for number in range(count)]
    comparison = compare(pairs(risks, [risk**2 for risk in risks]), 20)
    return Report(
        "v2@0123456789ab", ("v1@0123456789ab",), count, not_compared({"fallback": 12, "erased": 2}), comparison
    )


def names(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(names, value.values()))
    return set()


def test_a_program_reads_counts_and_figures() -> None:
    made = json.loads(json.dumps(report(100).as_json()))
    assert names(made) == {
        *("candidate", "recorded", "reproduced", "not_compared", "encounters", "risks", "ranks", "workload"),
        *("mean_recorded", "mean_candidate", "mean_difference", "median_difference", "difference_95"),
        *("tenths_recorded", "tenths_candidate", "stability_index", "major_shift"),
        *("changed", "median_change", "change_95", "correlation"),
        *("threshold", "newly_above", "no_longer_above", "other_band", "capacity", "replaced"),
        *("erased", "fallback"),
    }
    assert made["not_compared"] == {"erased": "<5", "fallback": 12}


def test_a_person_reads_one_screen() -> None:
    for count in (5, 100):
        lines = report(count).screen().splitlines()
        assert len(lines) <= 20
        assert max(map(len, lines)) <= 120
    assert "<5 values erased, 12 ranked by LACE" in report(100).screen()
    assert "withheld" in report(5).screen()


def test_every_reason_has_a_text() -> None:
    shown = not_compared(dict.fromkeys(REASONS, 7))
    assert list(shown) == list(REASONS)
    assert not_compared({}) == {}
