"""Figures of an evaluation as its file has them: plain values, by the names that stand there."""

from typing import Any

from model.dataset.dataset import Dataset, Floats
from model.evaluation import comparison
from model.evaluation import data_contract as contract
from model.evaluation import figures as all_figures
from model.evaluation import importance as permutation
from model.evaluation import stability as refits
from model.metrics import curves as points


def figures(test: Dataset, risk: Floats, bands: dict[str, float], **options: Any) -> dict[str, Any]:
    return all_figures.figures(test, risk, bands, **options).written()


def importance(pipeline: Any, test: Dataset) -> dict[str, Any]:
    features, rank_correlation = permutation.importance(pipeline, test)
    return {**features.written(), "stability": {"rank_correlation": rank_correlation}}


def stability(pipeline: Any, fit: Dataset, test: Dataset) -> dict[str, Any]:
    return refits.stability(pipeline, fit, test).written()


def data_contract(run: Any, fit: Dataset, test: Dataset) -> dict[str, Any]:
    return contract.data_contract(run, fit, test).written()


def compared(test: Dataset, risk: Floats, other: comparison.Champion, **options: Any) -> dict[str, Any]:
    return comparison.compared(test, risk, other, **options).written()


def curves(test: Dataset, risk: Floats) -> dict[str, Any]:
    return points.curves(test, risk).written()
