"""Fitted pipelines of both kinds on generated discharges, and rows that are hard to predict equally."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from model.compiled.compiler import compiled
from model.compiled.document import LinearDocument, TreesDocument
from model.dataset.columns import OTHER, Column
from model.dataset.dataset import Dataset
from model.scoring import Contract
from model.training.boosting import Boosting
from model.training.calibration import Calibration
from model.training.linear import Linear

Floats = npt.NDArray[np.float64]
Kind = Literal["linear", "trees"]

SHA256 = "5" * 64
EXTREMES = (-1e200, -1e15, -1e-300, -0.0, 5e-324, 1e15, 1e200)
ODD_CODES = (-1.0, 0.5, 99.0, 1e200)


@dataclass(frozen=True)
class Shape:
    """Which discharges a pipeline is fitted on, and how."""

    seed: int
    numbers: int
    categories: int
    missing: float
    bins: int
    balanced: bool
    leaves: int
    trees: int
    slope: float
    intercept: float


SHAPES = st.builds(
    Shape,
    seed=st.integers(0, 2**32 - 1),
    numbers=st.integers(1, 9),
    categories=st.integers(0, 3),
    missing=st.sampled_from([0.0, 0.1, 0.6]),
    bins=st.sampled_from([0, 3, 10]),
    balanced=st.booleans(),
    leaves=st.sampled_from([2, 8, 16, 31]),
    trees=st.integers(1, 25),
    slope=st.floats(0.2, 3.0),
    intercept=st.floats(-3.0, 3.0),
)
PLAIN = Shape(7, 6, 2, 0.1, 10, False, 8, 20, 0.9, -0.1)


@dataclass(frozen=True)
class Fitted:
    """A fitted and calibrated pipeline, its contract and its compiled form."""

    pipeline: Pipeline
    columns: tuple[Column, ...]
    contract: Contract
    document: LinearDocument | TreesDocument
    trained_on: Floats


def fitted(kind: Kind, shape: Shape = PLAIN) -> Fitted:
    data, columns = discharges(shape)
    calibration = Calibration(shape.slope, shape.intercept)
    if kind == "linear":
        weight = "balanced" if shape.balanced else None
        linear = Linear()
        pipeline = linear.fit(data, columns, {"C": 0.05, "bins": shape.bins, "class_weight": weight})
        pipeline = linear.calibrated(pipeline, calibration)
    else:
        boosting = Boosting()
        parameters: dict[str, Any] = {
            "max_leaf_nodes": shape.leaves,
            "max_iter": shape.trees,
            "min_samples_leaf": 5,
            "max_features": 0.5,
        }
        pipeline = boosting.calibrated(boosting.fit(data, columns, parameters), calibration)
    contract = Contract(schema(columns, data.values))
    document = compiled(pipeline, contract.names, SHA256)
    return Fitted(pipeline, columns, contract, document, data.values)


def discharges(shape: Shape, count: int = 400) -> tuple[Dataset, tuple[Column, ...]]:
    chance = np.random.default_rng(shape.seed)
    levels = ("medical", "surgical", "maternity", OTHER)
    columns = (
        *(Column(f"number{place}") for place in range(shape.numbers)),
        *(Column(f"category{place}", "category", levels) for place in range(shape.categories)),
    )
    values = np.empty((count, len(columns)))
    for place in range(shape.numbers):
        # Skewed, whole, binary, constant and never recorded ones, in turn.
        makers = (
            chance.lognormal(0, 2, count),
            chance.integers(0, 12, count).astype(np.float64),
            (chance.random(count) < 0.3).astype(np.float64),
            chance.normal(1e6, 1e-3, count),
            np.full(count, 4.0),
            np.full(count, np.nan),
        )
        values[:, place] = makers[0] if place == 0 else makers[int(chance.integers(len(makers)))]
    values[:, shape.numbers :] = chance.integers(0, 3, (count, shape.categories))
    label = (np.nan_to_num(values[:, 0]) + chance.normal(size=count) > 1).astype(np.int64)
    values[:, 1:][chance.random((count, len(columns) - 1)) < shape.missing] = np.nan
    names = tuple(column.name for column in columns)
    data = Dataset(
        names=names,
        values=values,
        label=label,
        patient=np.array([str(row) for row in range(count)]),
        baseline=label.astype(np.float64),
        time=None,
        groups={},
        later=np.zeros(count, dtype=np.bool_),
    )
    return data, columns


def schema(columns: Sequence[Column], values: Floats) -> dict[str, Any]:
    """Return a contract whose usual values are a missing one, a level or the median."""
    properties: dict[str, Any] = {}
    for place, column in enumerate(columns):
        known = values[:, place][~np.isnan(values[:, place])]
        usual = float(np.floor(np.median(known))) if len(known) else None
        levels = {"x-categories": list(column.categories)} if column.categories else {}
        properties[column.name] = {"description": column.name, "x-unit": "", "x-trained": {"usual": usual}} | levels
    return {"x-order": list(properties), "properties": properties}


def rows(found: Fitted, seed: int, count: int = 200) -> Floats:
    """Return rows of training values, each with one that is missing, extreme, unseen or next to a threshold."""
    chance = np.random.default_rng(seed)
    trained = found.trained_on
    picked = np.column_stack([chance.choice(trained[:, place], count) for place in range(trained.shape[1])])
    edges = _edges(found.document)
    for row in picked:
        place = int(chance.integers(len(row)))
        special = ODD_CODES if found.columns[place].categories else (*EXTREMES, *edges.get(place, ()))
        row[place] = chance.choice([np.nan, *special])
    return np.concatenate([picked, np.full((1, trained.shape[1]), np.nan)])


def _edges(document: LinearDocument | TreesDocument) -> dict[int, list[float]]:
    """Return of each feature the values at which a prediction changes, and their neighbours."""
    found: dict[int, list[float]] = {}
    if isinstance(document, LinearDocument):
        for place, feature in enumerate(document.features):
            found[place] = list(getattr(feature, "edges", ()))
    else:
        for tree in document.trees:
            for place, threshold in zip(tree.feature, tree.threshold, strict=True):
                if place >= 0 and threshold is not None:
                    found.setdefault(place, []).append(threshold)
    return {
        place: [
            float(value) for edge in edges for value in (edge, np.nextafter(edge, -np.inf), np.nextafter(edge, np.inf))
        ]
        for place, edges in found.items()
    }
