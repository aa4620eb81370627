"""Benchmark of one prediction in the model server's process, against scikit-learn: ``python -m bench.predict``.

Both candidates are fitted by training's own code on generated discharges with the columns of the feature definitions,
and wrapped as the model server wraps a release. Each round measures the processor time of every method once, one after
the other, so that load on the machine affects all of them equally; medians are compared. Where the dependency group
``bench`` is installed, ONNX Runtime is measured beside them.
"""

import asyncio
import gc
import hashlib
import json
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from mlserver.settings import ModelSettings
from mlserver.types import InferenceRequest
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from bench.support.figures import Figure, Json, at_most, show
from bench.support.onnx_runtime import Onnx, onnx
from model.artifact import files
from model.artifact.reference import TOLERANCE
from model.compiled.compiler import compiled
from model.compiled.document import dumped
from model.dataset.columns import Column
from model.dataset.dataset import Dataset
from model.definitions.features import definitions
from model.release.equality import difference
from model.scoring import Scorer
from model.training.boosting import Boosting
from model.training.calibration import Calibration
from model.training.linear import Linear
from model.training.run import dumped as pipeline_bytes
from services.model_server import ReadmissionModel
from services.planning.open_inference import request_body, tensor_body

Floats = npt.NDArray[np.float64]

SEED = 7
ONE_ROW_GOALS = {"linear": 300.0, "boosting": 600.0}
MANY_GOAL = 0.5
MISSING_SHARE = 0.1
WARM_UP = 20
MANY = 20_000
MANY_ROUNDS = 5
DIFFERENCE_ROWS = 1000


def main(
    rounds: Annotated[int, typer.Option(help="Repetitions of each measurement.")] = 400,
    discharges: Annotated[int, typer.Option(help="Discharges to fit on.")] = 4000,
    trees: Annotated[int, typer.Option(help="Trees of the boosted model.")] = 150,
    as_json: Json = False,
) -> None:
    """Time one prediction, and 20,000: scikit-learn's, the compiled model's, and the model server's."""
    names = definitions().names
    data = _discharges(names, discharges)
    figures: list[Figure] = []
    with threadpool_limits(limits=1):
        for title, pipeline in _pipelines(data, trees).items():
            scorer = _scorer(pipeline, names, np.nanmedian(data.values, axis=0))
            figures += _measured(title, scorer, data.values, rounds)
    about = {"columns": len(names), "discharges": discharges, "trees": trees, "leaves": LEAVES, "rounds": rounds}
    show("one prediction", figures, as_json=as_json, about=about)


def _measured(title: str, scorer: Scorer, values: Floats, rounds: int) -> list[Figure]:
    """Return the medians of each method, for one row and for many."""
    row, many = values[:1], np.resize(values, (MANY, values.shape[1]))
    runtime = onnx(scorer.pipeline, values)
    one = asyncio.run(_alternate(_methods(scorer, row) | _of_onnx(runtime, 1), rounds))
    # As the model server does once it has loaded: what stays is not looked at by each collection.
    gc.freeze()
    all_of_them = asyncio.run(
        _alternate({"score": _async(lambda: scorer.score(many))} | _of_onnx(runtime, MANY), MANY_ROUNDS, warm_up=1)
    )
    between = difference(scorer.document, scorer.pipeline, scorer.contract, values[:DIFFERENCE_ROWS])
    figures = [
        Figure(f"{title}: scikit-learn's predict_proba, the risk alone", one["own"], "µs"),
        Figure(f"{title}: the pipeline's risk and reasons", one["pipeline"], "µs"),
        at_most(f"{title}: compiled, risk, decision and reasons", one["score"], ONE_ROW_GOALS[title], "µs"),
        at_most(f"{title}: {MANY:,} rows, compiled, with reasons", all_of_them["score"] / 1e6, MANY_GOAL, "s"),
        at_most(f"{title}: largest difference of a risk", between.risk, TOLERANCE),
        at_most(f"{title}: largest difference of a contribution", between.contribution, TOLERANCE),
        Figure(f"{title}: complete response, one input a feature", one["named"], "µs"),
        Figure(f"{title}: complete response, one tensor", one["tensor"], "µs"),
    ]
    if runtime is not None:
        figures += [
            Figure(f"{title}: ONNX Runtime, the estimator alone in {runtime.precision}", one["onnx"], "µs"),
            Figure(f"{title}: {MANY:,} rows, ONNX Runtime, the risk alone", all_of_them["onnx"] / 1e6, "s"),
            Figure(f"{title}: largest difference of ONNX Runtime's risk", runtime.difference),
        ]
    return figures


def _methods(scorer: Scorer, row: Floats) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return what is measured of one discharge; a response goes from the request's bytes to those of the answer."""
    settings = {"name": "bench", "implementation": "services.model_server.ReadmissionModel"}
    server = ReadmissionModel(ModelSettings.model_validate(settings))
    server.scorer = scorer
    cells = [None if np.isnan(value) else value for value in row[0].tolist()]
    columns = {name: [cell] for name, cell in zip(scorer.names, cells, strict=True)}
    named = json.dumps(request_body(columns)).encode()
    tensor = json.dumps(tensor_body(scorer.contract.order, [cells])).encode()

    async def answer(body: bytes) -> Any:
        response: Any = await server.predict(InferenceRequest.model_validate_json(body))
        return response.model_dump_json(exclude_none=True)

    return {
        "own": _async(lambda: scorer.pipeline.predict_proba(row)),
        "pipeline": _async(lambda: scorer.evaluated_explainer.explain(row)),
        "score": _async(lambda: scorer.score(row)),
        "named": lambda: answer(named),
        "tensor": lambda: answer(tensor),
    }


def _of_onnx(runtime: Onnx | None, rows: int) -> dict[str, Callable[[], Awaitable[Any]]]:
    if runtime is None:
        return {}
    inputs = np.resize(runtime.rows, (rows, runtime.rows.shape[1]))
    return {"onnx": _async(lambda: runtime.risks(inputs))}


def _async(work: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def run() -> Any:
        return work()

    return run


async def _alternate(
    methods: Mapping[str, Callable[[], Awaitable[Any]]], rounds: int, *, warm_up: int = WARM_UP
) -> dict[str, float]:
    """Return the median processor time of each method in microseconds."""
    taken: dict[str, list[float]] = {name: [] for name in methods}
    for turn in range(rounds + warm_up):
        for name, method in methods.items():
            start = time.process_time()
            await method()
            if turn >= warm_up:
                taken[name].append((time.process_time() - start) * 1e6)
    return {name: float(np.median(times)) for name, times in taken.items()}


def _discharges(names: tuple[str, ...], count: int) -> Dataset:
    """Return generated discharges: half of the columns binary, the others numeric, with missing values."""
    chance = np.random.default_rng(SEED)
    values = chance.normal(size=(count, len(names)))
    values[:, ::2] = values[:, ::2] > 1
    label = (values[:, 1] + values[:, 2] + values[:, 3] * values[:, 5] + chance.normal(size=count) > 1).astype(np.int64)
    values[:, 1::2][chance.random(values[:, 1::2].shape) < MISSING_SHARE] = np.nan
    return Dataset(
        names=names,
        values=values,
        label=label,
        patient=np.arange(count).astype(str),
        baseline=np.full(count, np.nan),
        time=None,
        groups={},
        later=np.zeros(count, dtype=np.bool_),
    )


LEAVES = 16
CALIBRATION = Calibration(0.9, -0.1)


def _pipelines(data: Dataset, trees: int) -> dict[str, Pipeline]:
    """Return both candidates as training makes them, with the slowest of its settings."""
    columns = tuple(Column(name) for name in data.names)
    shape = {"learning_rate": 0.1, "max_leaf_nodes": LEAVES, "min_samples_leaf": 100, "l2_regularization": 30.0}
    linear, boosting = Linear(), Boosting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "linear": linear.calibrated(
                linear.fit(data, columns, {"C": 0.003, "bins": 10, "class_weight": None}), CALIBRATION
            ),
            "boosting": boosting.calibrated(
                boosting.fit(data, columns, shape | {"max_features": 0.3, "max_iter": trees}), CALIBRATION
            ),
        }


def _scorer(pipeline: Pipeline, names: tuple[str, ...], usual: Floats) -> Scorer:
    """Return a scorer as in the server, without a release folder."""
    stored = pipeline_bytes(pipeline)
    properties = {
        name: {"description": name, "x-unit": "count", "x-trained": {"low": -9.0, "high": 9.0, "usual": middle}}
        for name, middle in zip(names, usual.tolist(), strict=True)
    }
    bands = [{"name": "high", "from": 0.2, "action": "call"}, {"name": "low", "from": 0.0, "action": "none"}]
    lineage = {"model": "bench", "version": "v1", "evaluated": True, "made_from": {}}
    contents: dict[str, bytes] = {
        files.PIPELINE_FILE: stored,
        files.COMPILED_FILE: dumped(compiled(pipeline, names, hashlib.sha256(stored).hexdigest())),
        files.CONTRACT_FILE: json.dumps({"x-order": names, "properties": properties}).encode(),
        files.POLICY_FILE: json.dumps({"bands": bands}).encode(),
        files.LINEAGE_FILE: json.dumps(lineage).encode(),
        files.METRICS_FILE: b"{}",
    }
    listed = files.listed(contents)
    return Scorer(files.ReleaseFiles(hashlib.sha256(listed).hexdigest(), contents, listed))


if __name__ == "__main__":
    typer.run(main)
