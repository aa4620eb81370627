"""Training run folder: parameters and lineage, the fitted pipeline, and the test and training rows."""

import ctypes
import hashlib
import io
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.pipeline import Pipeline

from model.artifact.files import PIPELINE_FILE
from model.artifact.loading import load
from model.dataset.columns import Column
from model.dataset.dataset import Dataset, matrix, seconds
from model.definitions.window import UNRECORDED_DAYS
from model.errors import UserError
from model.gates import GateException
from model.metrics.suspect import Suspect

RUN_FILE = "run.json"
TEST_FILE = "test.parquet"
FIT_FILE = "fit.parquet"

_TUPLES = ("hospitals", "features", "groups")
GROUP = "group:"
_FEATURE = "feature:"


@dataclass(frozen=True)
class Run:
    """Training run: parameters, lineage, counts and thresholds; without timestamps, so it is reproducible.

    Attributes
    ----------
    profile : str
        Gate profile.
    gates : dict
        Gates table of the training.
    hospitals : tuple of str
        Hospitals whose data it used.
    features : tuple of str
        Features of the model, in order.
    columns : tuple of Column
        Features as columns: type, categories and number format.
    left_out : dict of str to str
        Exclusion reason of each excluded feature.
    groups : tuple of str
        Attributes whose subgroups are evaluated.
    definition_digest, data_digest : str
        SHA-256 of the feature definitions, and of the data.
    made_from : dict
        Lineage of the data: its ingestions, or the roles of a hospital's own table.
    counts : dict of str to int
        Discharges, patients and readmissions, in all and for training and test.
    split : str
        Description of the split.
    algorithm, parameters, candidates, rule, penalty
        Selected model, its hyperparameters, cross-validated metrics of all candidates, and the rule of selection.
    calibration : dict of str to float
        Platt calibration: slope and intercept on the log-odds scale.
    thresholds : dict of str to float
        Lower bound of each decision band, a probability.
    pipeline_sha256 : str
        SHA-256 of the serialised pipeline.
    versions : dict of str to str
        Versions of the libraries.
    gates_version : int
        Version of the gates table.
    return_days : int
        Readmission window in days.
    exceptions, suspects : tuple of GateException, tuple of Suspect
        Gate exceptions, and features suspected of leaking the outcome.

    Examples
    --------
    >>> from pathlib import Path
    >>> from model.training.run import read_run
    >>> run = read_run(Path("run"))
    >>> run.return_days, sorted(run.thresholds)
    (30, ['high', 'low', 'medium'])
    """

    profile: str
    gates: dict[str, object]
    hospitals: tuple[str, ...]
    features: tuple[str, ...]
    columns: tuple[Column, ...]
    left_out: dict[str, str]
    groups: tuple[str, ...]
    definition_digest: str
    data_digest: str
    made_from: dict[str, Any]
    counts: dict[str, int]
    split: str
    algorithm: str
    parameters: dict[str, Any]
    candidates: dict[str, Any]
    rule: str
    penalty: float | None
    calibration: dict[str, float]
    thresholds: dict[str, float]
    pipeline_sha256: str
    versions: dict[str, str]
    gates_version: int = 1
    return_days: int = UNRECORDED_DAYS
    exceptions: tuple[GateException, ...] = ()
    suspects: tuple[Suspect, ...] = ()

    @property
    def table(self) -> dict[str, object] | None:
        """Column roles of a hospital's own table; None for a features file."""
        roles: dict[str, object] | None = self.made_from.get("table")
        return roles

    @property
    def read_as(self) -> dict[str, str]:
        """How the columns of a hospital's own table were parsed."""
        formats: dict[str, str] = self.made_from.get("read_as", {})
        return formats

    @property
    def baseline_name(self) -> str:
        """Name of the baseline; LACE for a features file."""
        return str(self.made_from.get("baseline", {}).get("name", "LACE"))

    def written(self) -> dict[str, object]:
        """Return the run as its file has it."""
        return asdict(self) | {"exceptions": [row.model_dump(mode="json") for row in self.exceptions]}


def write_run(folder: Path, run: Run, *, pipeline: bytes, test: Dataset, fit: Dataset) -> None:
    """Write a run beside its folder and put it in place whole: a kill leaves the former run or the new one.

    Parameters
    ----------
    folder : Path
        The run's folder; a former run in it is replaced, with what was evaluated of it.
    run : Run
        What was used and chose.
    pipeline : bytes
        The fitted pipeline, serialised.
    test : Dataset
        The rows kept for the evaluation.
    fit : Dataset
        The training rows, on bootstrap draws of which the evaluation refits the model.
    """
    check_folder(folder)
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            scratch.chmod(0o755)
            _store(scratch / PIPELINE_FILE, pipeline)
            _store(scratch / TEST_FILE, _parquet(_table(test)))
            _store(scratch / FIT_FILE, _parquet(_table(fit)))
            _store(scratch / RUN_FILE, json.dumps(run.written(), indent=2, sort_keys=True).encode())
            _put_in_place(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as fault:
        raise UserError(f"Cannot write {folder}: {fault.strerror}; free space or choose another --out.") from None


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than a run: it would be replaced."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RUN_FILE).is_file():
        raise UserError(f"{folder} is not the folder of a training run; choose a new folder for --out.")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose a folder for --out.")


def read_run(folder: Path) -> Run:
    """Return what ``train`` wrote."""
    try:
        content = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        typed = {
            "columns": tuple(Column.of(column) for column in content["columns"]),
            "exceptions": tuple(GateException.model_validate(row) for row in content.get("exceptions", ())),
            "suspects": tuple(Suspect(**row) for row in content.get("suspects", ())),
        }
        return Run(**content | typed | {name: tuple(content[name]) for name in _TUPLES})
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(f"{folder} is not the folder of a training run; make one with python -m model train.") from None


def read_test(folder: Path) -> Dataset:
    """Return the discharges kept for the evaluation."""
    return _read(folder / TEST_FILE)


def read_fit(folder: Path) -> Dataset:
    """Return the discharges trained on."""
    return _read(folder / FIT_FILE)


def _read(path: Path) -> Dataset:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        raise UserError(f"{path} cannot be read; run train again.") from None
    features = [name for name in table.column_names if name.startswith(_FEATURE)]
    return Dataset(
        names=tuple(name.removeprefix(_FEATURE) for name in features),
        values=matrix(table, tuple(features)),
        label=table["label"].to_numpy(zero_copy_only=False).astype(np.int64),
        patient=np.array(table["patient"].to_pylist(), dtype=str),
        baseline=table["baseline"].to_numpy(zero_copy_only=False).astype(np.float64),
        time=seconds(table["time"]) if "time" in table.column_names else None,
        groups={
            name.removeprefix(GROUP): np.array(table[name].to_pylist(), dtype=str)
            for name in table.column_names
            if name.startswith(GROUP)
        },
        later=table["later"].to_numpy(zero_copy_only=False).astype(bool),
    )


def read_pipeline(folder: Path, run: Run) -> Pipeline:
    """Return the fitted pipeline; a file that is not the one that was trained, or names other code, is not loaded."""
    content = (folder / PIPELINE_FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != run.pipeline_sha256:
        raise UserError(f"{folder / PIPELINE_FILE} is not the pipeline that was trained; run train again.")
    pipeline: Pipeline = load(content).pipeline
    return pipeline


def dumped(pipeline: Pipeline) -> bytes:
    """Return a pipeline's bytes; the same pipeline gives the same bytes."""
    sink = io.BytesIO()
    joblib.dump(pipeline, sink, compress=0, protocol=5)
    return sink.getvalue()


def _table(data: Dataset) -> pa.Table:
    columns: dict[str, object] = {
        "patient": pa.array(data.patient.tolist(), pa.string()),
        "label": data.label.astype(bool),
        "baseline": data.baseline,
        "later": data.later,
    }
    if data.time is not None:
        moments = [None if np.isnan(moment) else round(moment * 1e6) for moment in data.time]
        columns["time"] = pa.array(moments, pa.timestamp("us"))
    columns |= {f"{GROUP}{name}": pa.array(group.tolist(), pa.string()) for name, group in data.groups.items()}
    return pa.table(columns | {f"{_FEATURE}{name}": data.values[:, i] for i, name in enumerate(data.names)})


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _store(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _put_in_place(scratch: Path, target: Path) -> None:
    """Make the new folder appear under the final name in one step; the former one is left under the scratch name."""
    if not (target / RUN_FILE).exists():
        scratch.replace(target)
    else:
        _exchange(scratch, target)


def _exchange(one: Path, other: Path) -> None:
    """Let two folders change names in one step (Linux ``renameat2``); elsewhere in two steps, the former kept aside."""
    here, exchange = -100, 2
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None and rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0:
        return
    aside = other.with_name(f".{other.name}-former")
    shutil.rmtree(aside, ignore_errors=True)
    other.rename(aside)
    one.rename(other)
    aside.rename(one)
