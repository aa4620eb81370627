"""MLflow records of a run: parameters and lineage at training, metrics and report at evaluation."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from model.artifact.files import REPORT_FILE
from model.evaluation.run import EVALUATION_FILE, PLOTS_FOLDER, read_evaluation
from model.gates import Evaluation
from model.io import storage
from model.metrics.figures import PATHS
from model.tracking.store import artifact_location, shown, store, tracking_uri
from model.training.run import RUN_FILE, Run, read_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

RECORD_FILE = "mlflow.json"
MODEL = "readmission-risk"
ENVIRONMENT = "HMLOPS_ENVIRONMENT"
_KEY = "hmlops.run"
_DONE = "hmlops.recorded."
_LONGEST = 480
_BATCH = 500


def record_training(folder: Path) -> str:
    """Record a training run and return its id in MLflow; a run that is there already is not recorded again."""
    run = read_run(folder)
    with store(folder) as client:
        return _training(client, folder, run)


def record_evaluation(folder: Path) -> str:
    """Record an evaluation with its run and return the run's id."""
    run, evaluation = read_run(folder), read_evaluation(folder)
    mark = hashlib.sha256((folder / EVALUATION_FILE).read_bytes()).hexdigest()
    with store(folder) as client:
        run_id = _training(client, folder, run)
        if client.get_run(run_id).data.tags.get(f"{_DONE}evaluation") == mark:
            return run_id
        _metrics(client, run_id, dict(_figures(evaluation)))
        refused = [gate.name for gate in evaluation.gates if not gate.passed]
        client.set_tag(run_id, "gates", "passed" if evaluation.passed else f"refused: {', '.join(refused)}"[:_LONGEST])
        for name in (EVALUATION_FILE, REPORT_FILE):
            client.log_artifact(run_id, str(folder / name), "evaluation")
        client.log_artifacts(run_id, str(folder / PLOTS_FOLDER), f"evaluation/{PLOTS_FOLDER}")
        client.set_tag(run_id, f"{_DONE}evaluation", mark)
    return run_id


def _training(client: "MlflowClient", folder: Path, run: Run) -> str:
    key = hashlib.sha256((folder / RUN_FILE).read_bytes()).hexdigest()
    experiment = _experiment(client, folder, run)
    runs = client.search_runs([experiment], filter_string=f"tags.`{_KEY}` = '{key}'", max_results=1)
    named = f"{run.algorithm}-{key[:8]}"
    record = runs[0] if runs else client.create_run(experiment, run_name=named, tags={_KEY: key})
    run_id = str(record.info.run_id)
    if record.data.tags.get(f"{_DONE}training") != key:
        _describe(client, run_id, run)
        client.log_artifact(run_id, str(folder / RUN_FILE), "training")
        client.set_tag(run_id, f"{_DONE}training", key)
        client.set_terminated(run_id, "FINISHED")
    reference = {"tracking_uri": shown(tracking_uri(folder)), "experiment_id": experiment, "run_id": run_id}
    storage.write(str(folder / RECORD_FILE), json.dumps(reference, indent=2, sort_keys=True).encode())
    return run_id


def _experiment(client: "MlflowClient", folder: Path, run: Run) -> str:
    """Return the experiment of the hospital, in the environment where one is named."""
    name = "/".join(filter(None, (MODEL, "+".join(run.hospitals), os.environ.get(ENVIRONMENT))))
    experiment = client.get_experiment_by_name(name)
    return (
        str(experiment.experiment_id) if experiment else str(client.create_experiment(name, artifact_location(folder)))
    )


def _describe(client: "MlflowClient", run_id: str, run: Run) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    parameters = {"algorithm": run.algorithm, "profile": run.profile, "rule": run.rule, "split": run.split}
    parameters |= {f"{run.algorithm}.{name}": str(value) for name, value in run.parameters.items()}
    parameters |= {f"threshold.{name}": f"{value:.6f}" for name, value in run.thresholds.items()}
    parameters |= {"features": str(len(run.features)), "left_out": str(len(run.left_out))}
    client.log_batch(run_id, params=[Param(name, str(value)[:_LONGEST]) for name, value in parameters.items()])
    _metrics(
        client,
        run_id,
        {f"candidate.{path}": value for path, value in _numbers(run.candidates)}
        | {f"calibration_fit.{name}": value for name, value in run.calibration.items()}
        | {f"data.{name}": float(value) for name, value in run.counts.items()},
    )
    lineage = {
        "data_digest": run.data_digest,
        "definition_digest": run.definition_digest,
        "pipeline_sha256": run.pipeline_sha256,
        "profile": run.profile,
        "hospitals": ", ".join(run.hospitals),
        **{f"version.{name}": value for name, value in run.versions.items()},
    }
    for name, value in lineage.items():
        client.set_tag(run_id, name, value)
    source = json.dumps({"sha256": run.data_digest, "definition_digest": run.definition_digest}, sort_keys=True)
    data = Dataset(
        name=f"features of {', '.join(run.hospitals)}",
        digest=run.data_digest[:36],
        source_type="features table",
        source=source,
        profile=json.dumps(run.counts, sort_keys=True),
    )
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])


def _figures(evaluation: Evaluation) -> Iterator[tuple[str, float]]:
    """Yield every metric that a gate can use, by its path."""
    for path, value in _numbers(evaluation.written()):
        if path in PATHS:
            yield path, value


def _numbers(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _numbers(below, f"{path}.{name}" if path else str(name))
    elif isinstance(value, bool | int | float):
        yield path, float(value)


def _metrics(client: "MlflowClient", run_id: str, values: Mapping[str, float]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    rows = [Metric(name, value, now, 0) for name, value in values.items()]
    for start in range(0, len(rows), _BATCH):
        client.log_batch(run_id, metrics=rows[start : start + _BATCH])


def release_files(client: "MlflowClient", run_id: str, contents: Mapping[str, bytes]) -> None:
    """Keep a release's papers with its run."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in contents.items():
            (Path(scratch) / name).write_bytes(content)
        client.log_artifacts(run_id, scratch, "release")
