"""The ``train`` command: a calibrated, penalised logistic regression with its preprocessing in one pipeline."""

import hashlib
import io
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import sklearn
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from model.console import progress
from model.dataset import Dataset, Floats, is_test, labelled
from model.errors import GateError, UserError
from model.features.build import load
from model.features.definitions import definitions
from model.gates import GateTable, Minimum

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
FOLDS = 5
PIPELINE_FILE = "pipeline.joblib"
RUN_FILE = "run.json"
TEST_FILE = "test.parquet"


@dataclass(frozen=True)
class Run:
    """What a training run used and chose; no clock in it, so the same input gives the same bytes."""

    profile: str
    gates: dict[str, Any]
    hospitals: tuple[str, ...]
    features: tuple[str, ...]
    definition_digest: str
    data_digest: str
    made_from: dict[str, Any]
    counts: dict[str, int]
    penalty: float
    calibration: dict[str, float]
    thresholds: dict[str, float]
    pipeline_sha256: str
    versions: dict[str, str]


def train(features: str, *, out: Path, profile: str, gates: GateTable) -> Run:
    """Fit the model on three quarters of the patients and keep the rest for ``evaluate``.

    Parameters
    ----------
    features : str
        The features file.
    out : Path
        Folder of the run.
    profile : str
        Which gates the model will have to pass.
    gates : GateTable
        The gates.

    Raises
    ------
    GateError
        When there is less data than the profile's minimum.
    """
    table, made_from = load(features)
    data = labelled(table, definitions().names)
    test = is_test(data.patient)
    fit = data.rows(~test)
    _enough(fit, gates.profile(profile).minimum, profile)
    penalty, held_out = _choose(fit)
    slope, intercept = _recalibration(held_out, fit.label)
    pipeline = pipeline_of(penalty).fit(fit.values, fit.label)
    _fold_in(pipeline, slope, intercept)
    risks = _probability(slope * held_out + intercept)
    content = _dumped(pipeline)
    run = Run(
        profile=profile,
        gates=gates.model_dump(),
        hospitals=tuple(sorted(made_from["curated"])),
        features=definitions().names,
        definition_digest=made_from["definition_digest"],
        data_digest=_digest(table),
        made_from=made_from,
        counts={
            "discharges": len(data),
            "patients": data.patients,
            "readmissions": int(data.label.sum()),
            "training_discharges": len(fit),
            "training_readmissions": int(fit.label.sum()),
        },
        penalty=penalty,
        calibration={"slope": slope, "intercept": intercept},
        thresholds={name: float(np.quantile(risks, 1 - band.top_share)) for name, band in gates.policy.items()},
        pipeline_sha256=hashlib.sha256(content).hexdigest(),
        versions={"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__},
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / PIPELINE_FILE).write_bytes(content)
    pq.write_table(_test_table(data.rows(test)), out / TEST_FILE)
    (out / RUN_FILE).write_text(json.dumps(asdict(run), indent=2, sort_keys=True), encoding="utf-8")
    return run


def read_run(folder: Path) -> Run:
    """Return what ``train`` wrote."""
    try:
        return Run(**json.loads((folder / RUN_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise UserError(f"{folder} is not the folder of a training run; make one with python -m model train.") from None


def read_test(folder: Path) -> Dataset:
    """Return the discharges kept for the evaluation."""
    table = pq.read_table(folder / TEST_FILE)
    names = tuple(name for name in table.column_names if name not in {"patient_id", "readmitted", "lace"})
    return labelled(table, names)


def read_pipeline(folder: Path, run: Run) -> Pipeline:
    """Return the fitted pipeline; a file that is not the one that was trained is not loaded."""
    content = (folder / PIPELINE_FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != run.pipeline_sha256:
        raise UserError(f"{folder / PIPELINE_FILE} is not the pipeline that was trained; run train again.")
    return joblib.load(io.BytesIO(content))


def pipeline_of(penalty: float) -> Pipeline:
    """Return the unfitted pipeline: impute, scale, penalised logistic regression."""
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("model", LogisticRegression(C=penalty, max_iter=2000)),
        ]
    )


def _enough(fit: Dataset, minimum: Minimum, profile: str) -> None:
    found = {"discharges": len(fit), "readmissions": int(fit.label.sum()), "patients": fit.patients}
    for name, value in found.items():
        least = getattr(minimum, name)
        if value < least:
            raise GateError(
                f"{value} {name} to train on, but the profile {profile} asks for {least}; "
                "bring more data, or choose --profile demonstration to show the pipeline only."
            )
    if int(fit.label.sum()) == len(fit):
        raise GateError("Every discharge was followed by a readmission; a model needs both outcomes.")


def _choose(fit: Dataset) -> tuple[float, Floats]:
    """Choose the penalty by held-out log loss, and return the held-out scores that it gives."""
    folds = list(GroupKFold(n_splits=FOLDS).split(fit.values, fit.label, groups=fit.patient))
    if any(len(np.unique(fit.label[rows])) < 2 for rows, _ in folds):
        raise GateError("The readmissions lie with too few patients to hold some out; bring more data.")
    scores: dict[float, Floats] = {}
    with progress("penalties", len(PENALTIES)) as advance:
        for penalty in PENALTIES:
            held_out = np.zeros(len(fit))
            for rows, rest in folds:
                fitted = pipeline_of(penalty).fit(fit.values[rows], fit.label[rows])
                held_out[rest] = fitted.decision_function(fit.values[rest])
            scores[penalty] = held_out
            advance(1)
    best = min(PENALTIES, key=lambda p: float(log_loss(fit.label, _probability(scores[p]), labels=[0, 1])))
    return best, scores[best]


def _recalibration(held_out: Floats, label: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return slope and intercept that make held-out scores honest (Platt); one that turns the order is not used."""
    fitted = LogisticRegression(C=1e6).fit(held_out.reshape(-1, 1), label)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return (slope, intercept) if slope > 0 else (1.0, 0.0)


def _fold_in(pipeline: Pipeline, slope: float, intercept: float) -> None:
    """Put the recalibration into the coefficients, so that contributions stay exact."""
    regression = pipeline.named_steps["model"]
    regression.coef_ = regression.coef_ * slope
    regression.intercept_ = regression.intercept_ * slope + intercept


def _probability(logit: Floats) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-logit))
    return chance


def _dumped(pipeline: Pipeline) -> bytes:
    sink = io.BytesIO()
    joblib.dump(pipeline, sink, compress=0, protocol=5)
    return sink.getvalue()


def _digest(table: pa.Table) -> str:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _test_table(test: Dataset) -> pa.Table:
    columns: dict[str, Any] = {"patient_id": test.patient.astype(str).tolist()}
    columns |= {name: test.values[:, place] for place, name in enumerate(test.names)}
    return pa.table(columns | {"lace": test.baseline, "readmitted": test.label.astype(bool)})
