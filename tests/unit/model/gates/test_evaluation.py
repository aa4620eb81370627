"""A recorded evaluation, cut to a few rows of each list: read and written again, it has the same bytes."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.gates import Evaluation, Verdict
from model.metrics.figures import Figures

RECORDED = Path(__file__).with_name("recorded_evaluation.json")
ODD: list[Any] = [None, True, "", "0.7", [], [0.7], [[]], {}, {"value": "x"}, {"a": [1]}, float("nan"), -1]


def recorded() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return content


def test_the_bytes_of_a_recorded_evaluation_stay() -> None:
    text = json.dumps(Evaluation.of(recorded()).written(), indent=2, sort_keys=True, allow_nan=False)
    assert text == RECORDED.read_text(encoding="utf-8").strip()


def test_every_list_and_map_of_it_is_read() -> None:
    evaluation = Evaluation.of(recorded())
    assert evaluation.calibration is not None
    assert evaluation.curves is not None
    assert evaluation.importance is not None
    assert evaluation.stability is not None
    for part in (
        *(evaluation.calibration.bins, evaluation.curves.roc, evaluation.importance.features, evaluation.gates),
        *(evaluation.bands, evaluation.decision_curve, evaluation.subgroups, evaluation.fairness),
    ):
        assert part


def test_what_was_not_set_is_not_written() -> None:
    assert Evaluation().written() == {}
    assert Evaluation(roc_auc=None).written() == {"roc_auc": None}


def test_verdicts_are_written_whole() -> None:
    evaluation = Evaluation(profile="clinical").judged([Verdict(name="a", passed=False, demand="b")])
    written = evaluation.written()
    assert written["passed"] is False
    assert isinstance(written["gates"], list)
    assert written["gates"][0].keys() == Verdict.model_fields.keys()


@pytest.mark.parametrize(
    "name",
    [
        *("curves", "importance", "subgroups", "decision_curve", "fairness", "too_small", "at", "later"),
        *("curves.roc", "curves.spread", "curves.spread.edges", "importance.features", "stability.same_sign"),
        *("calibration.bins", "data_contract.constant_features", "data_contract.drifted_feature", "gaps.roc_auc.by"),
    ],
)
def test_a_part_of_another_form_does_not_stop_the_reading(name: str) -> None:
    for odd in ODD:
        value = odd
        for step in reversed(name.split(".")):
            value = {step: value}
        json.dumps(Figures.of(value).written(), allow_nan=False)
