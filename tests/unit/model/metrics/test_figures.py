"""An evaluation read as typed figures: what is not of its type is unknown, and nothing in it stops the reading."""

import json
from typing import Any

import pytest

from model.gates import gate_table
from model.metrics.figure_parts import Spread
from model.metrics.figures import INTERVALS, PATHS, Figures
from tests.support.model.gates_world import good_figures, interval

ODD: list[Any] = [None, True, False, "", "0.7", [], [0.7], {}, {"value": "x"}, float("nan"), float("inf"), -1, 10**400]


def test_a_figure_is_found_by_the_name_that_gates_have_for_it() -> None:
    figures = Figures.of(good_figures())
    assert figures.at("roc_auc") == Spread(value=0.7, low=0.66, high=0.74)
    assert figures.at("roc_auc.low") == 0.66
    assert figures.at("counts.discharges") == 900
    assert figures.at("calibration.intervals.slope.high") == 1.1
    assert figures.at("gaps.sensitivity.by.sex") is None


@pytest.mark.parametrize("path", sorted({path.rpartition(".")[0] for path in PATHS}))
def test_whatever_stands_in_a_part_is_read_or_unknown(path: str) -> None:
    for odd in ODD:
        read(path, odd)


def read(path: str, odd: Any) -> None:
    evaluation: Any = odd
    for step in reversed(path.split(".") if path else []):
        evaluation = {step: evaluation}
    figures = Figures.of(evaluation if isinstance(evaluation, dict) else {"roc_auc": evaluation})
    found = {name: figures.at(name) for name in PATHS | INTERVALS}
    assert all(value is None or isinstance(value, Spread | float | int) for value in found.values())
    assert not any(isinstance(value, Spread) and value.whole for value in found.values())


@pytest.mark.parametrize("odd", ODD)
def test_a_champion_that_cannot_be_read_was_compared_with_all_the_same(odd: Any) -> None:
    assert (Figures.of({"baseline": odd}).baseline is None) == (odd is None)


@pytest.mark.parametrize(
    ("value", "low", "high", "whole"),
    [(0.5, 0.4, 0.6, True), (0.5, 0.6, 0.4, False), (None, 0.4, 0.6, False), (0.5, float("nan"), 0.6, False)],
)
def test_an_interval_counts_as_a_whole(value: Any, low: Any, high: Any, whole: bool) -> None:
    figures = Figures.of({"roc_auc": {"value": value, "low": low, "high": high}})
    assert figures.roc_auc is not None
    assert (figures.roc_auc.whole is not None) == whole


def test_every_gate_of_the_package_asks_for_a_figure_that_there_is() -> None:
    for profile in gate_table().profiles.values():
        assert {gate.metric for gate in profile.gates} <= PATHS | INTERVALS


def test_reading_changes_no_figure() -> None:
    written = good_figures() | {"later": {"counts": {"discharges": 3}, "roc_auc": interval(0.5, 0.6, 0.7)}}
    read = json.loads(json.dumps(Figures.of(written).model_dump(exclude_unset=True)))
    assert read == json.loads(json.dumps(written))
