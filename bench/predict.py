"""Benchmark of one prediction in the model server's process, against scikit-learn: ``python -m bench.predict``.

Both candidates are fitted on generated discharges with the columns of the feature definitions, and wrapped as the model
server wraps a release. Each round measures the CPU time of every method once, one after the other, so that load on the
machine affects all of them equally; medians are compared.
"""

import asyncio
import hashlib
import io
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import joblib
import numpy as np
import numpy.typing as npt
import typer
from mlserver.settings import ModelSettings
from mlserver.types import InferenceRequest, RequestInput
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.support.figures import Figure, Json, at_most, show
from model.artifact import files
from model.definitions.features import definitions
from model.scoring import Scorer
from services.model_server import ReadmissionModel

Floats = npt.NDArray[np.float64]

SEED = 7
GOAL = 1.5
MISSING_SHARE = 0.1
WARM_UP = 20


def main(
    rounds: Annotated[int, typer.Option(help="Repetitions of each measurement.")] = 400,
    discharges: Annotated[int, typer.Option(help="Discharges to fit on.")] = 4000,
    trees: Annotated[int, typer.Option(help="Trees of the boosted model.")] = 150,
    as_json: Json = False,
) -> None:
    """Time one prediction: scikit-learn's, the scorer's, and the model server's."""
    names = definitions().names
    values, label = _discharges(len(names), discharges)
    figures: list[Figure] = []
    for title, pipeline in _pipelines(len(names), trees).items():
        scorer = _scorer(pipeline.fit(values, label), names, np.nanmedian(values, axis=0))
        figures += _measured(title, scorer, values[:1], rounds)
    about = {"columns": len(names), "discharges": discharges, "trees": trees, "rounds": rounds}
    show("one prediction", figures, as_json=as_json, about=about)


def _measured(title: str, scorer: Scorer, row: Floats, rounds: int) -> list[Figure]:
    """Return the median of each method, and its ratio to scikit-learn's."""
    settings = {"name": "bench", "implementation": "services.model_server.ReadmissionModel"}
    server = ReadmissionModel(ModelSettings.model_validate(settings))
    server.scorer = scorer
    columns = {name: [None if np.isnan(v) else float(v)] for name, v in zip(scorer.names, row[0], strict=True)}
    request = InferenceRequest(
        inputs=[RequestInput(name=name, datatype="FP64", shape=[1, 1], data=column) for name, column in columns.items()]
    )

    async def own() -> Any:
        return scorer.pipeline.predict_proba(row)

    async def risk() -> Any:
        return scorer.risks(row)

    async def score() -> Any:
        return scorer.score(row)

    async def contract() -> Any:
        return scorer.matrix(columns)

    async def answer() -> Any:
        return await server.predict(request)

    ways = {"own": own, "risk": risk, "score": score, "contract": contract, "answer": answer}
    medians = asyncio.run(_alternate(ways, rounds))
    codec = medians["answer"] - medians["contract"] - medians["score"]
    return [
        Figure(f"{title}: scikit-learn's predict_proba", medians["own"], "µs"),
        Figure(f"{title}: risk without reasons", medians["risk"] / medians["own"], "of predict_proba"),
        Figure(f"{title}: risk, decision and reasons", medians["score"] / medians["own"], "of predict_proba"),
        Figure(f"{title}: checking a request against the contract", medians["contract"], "µs"),
        Figure(f"{title}: parsing the request, writing the response", codec, "µs"),
        at_most(f"{title}: the complete response", medians["answer"] / medians["own"], GOAL, "of predict_proba"),
    ]


async def _alternate(ways: Mapping[str, Callable[[], Awaitable[Any]]], rounds: int) -> dict[str, float]:
    """Return the median CPU time of each method in microseconds."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + WARM_UP):
        for name, way in ways.items():
            start = time.process_time()
            await way()
            if turn >= WARM_UP:
                taken[name].append((time.process_time() - start) * 1e6)
    return {name: float(np.median(found)) for name, found in taken.items()}


def _discharges(columns: int, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return generated discharges: half of the columns binary, the others numeric, with missing values."""
    chance = np.random.default_rng(SEED)
    values = chance.normal(size=(count, columns))
    values[:, ::2] = values[:, ::2] > 1
    label = (values[:, 1] + values[:, 2] + chance.normal(size=count) > 1).astype(np.int64)
    values[:, 1::2][chance.random(values[:, 1::2].shape) < MISSING_SHARE] = np.nan
    return values, label


def _pipelines(columns: int, trees: int) -> dict[str, Pipeline]:
    """Return both candidates, unfitted, as training builds them."""
    everything = list(range(columns))
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    boosted = HistGradientBoostingClassifier(max_iter=trees, random_state=SEED)
    return {
        "linear": Pipeline(
            [("prepare", ColumnTransformer([("numeric", scaled, everything)])), ("model", LogisticRegression())]
        ),
        "boosting": Pipeline(
            [
                ("prepare", ColumnTransformer([("numeric", "passthrough", everything)])),
                ("model", CalibratedClassifierCV(boosted, method="sigmoid", ensemble=False, cv=2)),
            ]
        ),
    }


def _scorer(pipeline: Pipeline, names: tuple[str, ...], usual: Floats) -> Scorer:
    """Return a scorer as in the server, without a release folder."""
    sink = io.BytesIO()
    joblib.dump(pipeline, sink)
    properties = {
        name: {"description": name, "x-unit": "count", "x-trained": {"low": -9.0, "high": 9.0, "usual": middle}}
        for name, middle in zip(names, usual.tolist(), strict=True)
    }
    bands = [{"name": "high", "from": 0.2, "action": "call"}, {"name": "low", "from": 0.0, "action": "none"}]
    contents: dict[str, bytes] = {
        files.PIPELINE_FILE: sink.getvalue(),
        files.CONTRACT_FILE: json.dumps({"x-order": names, "properties": properties}).encode(),
        files.POLICY_FILE: json.dumps({"bands": bands}).encode(),
        files.LINEAGE_FILE: json.dumps({"model": "bench", "version": "v1"}).encode(),
    }
    listed = files.listed(contents)
    return Scorer(files.ReleaseFiles(hashlib.sha256(listed).hexdigest(), contents, listed))


if __name__ == "__main__":
    typer.run(main)
