"""Feature contract, decision policy and server settings of a release."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from model.dataset.columns import Column
from model.dataset.dataset import Floats
from model.definitions.features import Definitions, Feature
from model.gates import GateTable
from model.scoring.policy import DecisionBand, DecisionPolicy
from model.training.run import Run

RUNTIME = "services.model_server.ReadmissionModel"
# Units in which nothing is negative; a measurement has limits of its own in the definitions.
_NOT_NEGATIVE = frozenset({"count", "points", "days", "years"})
OLDEST = 130.0


def contract(table: Definitions, run: Run, trained: Mapping[str, dict[str, object]]) -> dict[str, object]:
    """Return the features that a request may hold, as a JSON schema; ``x-order`` are those that the model takes.

    Of a hospital's own table ``x-table`` says which columns tell patient and time; a category is given as text.

    Parameters
    ----------
    table : Definitions
        What every feature means.
    run : Run
        Which of them the model takes.
    trained : mapping
        What :func:`trained` tells of the training rows.
    """
    shape = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "features of one discharge",
        "type": "object",
        "additionalProperties": False,
        "required": list(run.features),
        "x-order": list(run.features),
        "x-definition-digest": run.definition_digest,
    }
    if run.table:
        properties = {column.name: _of_table(column) | trained[column.name] for column in run.columns}
        return shape | {
            "x-table": _table_of(run.table, run.made_from.get("baseline", {})),
            "properties": properties,
        }
    properties = {feature.name: _property(table, feature) | trained.get(feature.name, {}) for feature in table.features}
    return shape | {"x-schema-version": table.version, "properties": properties}


def trained(columns: Sequence[Column], values: Floats) -> dict[str, dict[str, object]]:
    """Return what the training rows held of each column: least, greatest and usual value, and a category's levels.

    Usual is the median, or the most frequent code of a category; a column that was never recorded has none.
    """
    return {column.name: _trained(column, values[:, place]) for place, column in enumerate(columns)}


def policy(run: Run) -> DecisionPolicy:
    """Return the bands of risk, the highest first; the last takes everybody else."""
    bands = GateTable.model_validate(run.gates).policy
    ordered = sorted(bands, key=lambda name: bands[name].top_share)
    starts = [run.thresholds[name] for name in ordered[:-1]] + [0.0]
    return DecisionPolicy(
        bands=tuple(
            DecisionBand(name=name, start=start, action=bands[name].action)
            for name, start in zip(ordered, starts, strict=True)
        )
    )


def server_settings(name: str, version: str, run: Run) -> dict[str, object]:
    """Return what MLServer reads of a model: its runtime, inputs and outputs."""
    outputs = {"risk": "FP64", "decision": "BYTES", "action": "BYTES", "reasons": "BYTES", "warnings": "BYTES"}
    return {
        "name": name,
        "implementation": RUNTIME,
        "platform": "scikit-learn",
        "parameters": {"uri": ".", "version": version},
        "inputs": [
            {"name": column.name, "datatype": "BYTES" if column.kind == "category" else "FP64", "shape": [-1, 1]}
            for column in run.columns
        ],
        "outputs": [{"name": output, "datatype": kind, "shape": [-1, 1]} for output, kind in outputs.items()],
    }


def levels(schema: dict[str, Any]) -> list[list[float]]:
    """Return for each of the model's columns some values that it can take, from least to greatest."""
    return [_levels(schema["properties"][name]) for name in schema["x-order"]]


def _property(table: Definitions, feature: Feature) -> dict[str, Any]:
    return {
        "type": ["number", "null"],
        "description": feature.meaning,
        "x-unit": feature.unit,
        "x-window": feature.window,
        "x-source": feature.source,
    } | _possible(table, feature)


def _of_table(column: Column) -> dict[str, object]:
    category = column.kind == "category"
    return {
        "type": ["string", "number", "null"] if category else ["number", "null"],
        "description": column.meaning or column.name,
        "x-unit": "0/1" if column.written.truth else column.unit,
        "x-window": column.window,
        "x-source": column.source or "the hospital's own table",
        "x-missing": list(column.missing),
    } | ({} if category else {"x-written": asdict(column.written)})


def _table_of(table: Mapping[str, object], baseline: Mapping[str, object]) -> dict[str, object]:
    """Return which columns tell patient, time and baseline, and how the time is written."""
    return {
        "patient": table["patient"],
        "time": table["time"],
        "time_written": table.get("time_written"),
        "baseline": dict(baseline),
    }


def _possible(table: Definitions, feature: Feature) -> dict[str, float]:
    """Return the limits outside of which a value is a fault of measurement or typing."""
    lab = table.labs.get(feature.lab)
    if lab is not None:
        return {"minimum": lab.low, "maximum": lab.high}
    if feature.unit == "0/1":
        return {"minimum": 0.0, "maximum": 1.0}
    if feature.unit == "years":
        return {"minimum": 0.0, "maximum": OLDEST}
    return {"minimum": 0.0} if feature.unit in _NOT_NEGATIVE else {}


def _trained(column: Column, values: Floats) -> dict[str, object]:
    recorded = values[~np.isnan(values)]
    if column.kind == "category":
        usual = float(np.bincount(recorded.astype(np.int64)).argmax()) if len(recorded) else None
        return {
            "minimum": 0.0,
            "maximum": len(column.categories) - 1.0,
            "x-categories": list(column.categories),
            "x-trained": {"low": None, "high": None, "usual": usual},
        }
    if not len(recorded):
        return {"x-trained": {"low": None, "high": None, "usual": None}}
    return {
        "x-trained": {"low": float(recorded.min()), "high": float(recorded.max()), "usual": float(np.median(recorded))}
    }


def _levels(about: dict[str, Any]) -> list[float]:
    seen = about.get("x-trained") or {}
    ends = [seen.get("low"), seen.get("usual"), seen.get("high")]
    if about.get("x-categories"):
        ends = list(range(len(about["x-categories"])))
    bounds = sorted({float(end) for end in ends if end is not None})
    return bounds or [0.0, 1.0]
