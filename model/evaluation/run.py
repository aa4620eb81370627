"""The ``evaluate`` command: metrics on the test patients, the gates' verdict, and the report."""

import hashlib
import json
from datetime import date
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline

from model.artifact.files import REPORT_FILE
from model.dataset.dataset import Dataset, Floats
from model.errors import GateError, UserError
from model.evaluation.comparison import champion, compared
from model.evaluation.data_contract import data_contract
from model.evaluation.figures import LACE, figures
from model.evaluation.importance import importance
from model.evaluation.stability import stability
from model.gates import Evaluation, Verdict, not_evaluated, table_of_run, verdicts
from model.gates import refuse as refuse_by
from model.io import storage
from model.metrics.curves import curves
from model.training.run import RUN_FILE, Run, read_fit, read_pipeline, read_run, read_test

EVALUATION_FILE = "evaluation.json"
PLOTS_FOLDER = "plots"
DIGEST_CHARACTERS = 12


def evaluate(folder: Path, *, baseline: str | None = None, today: date | None = None) -> Evaluation:
    """Evaluate a run on its test patients, and write evaluation, report and plots into its folder.

    Parameters
    ----------
    folder : Path
        The run's folder.
    baseline : str, optional
        Folder or S3 prefix of the deployed release, to compare with.
    today : date, optional
        Date on which gate exceptions must be in force.

    Returns
    -------
    Evaluation
        Metrics with 95 % intervals, and under ``gates`` the verdicts. A gate that is not passed is in
        the verdicts and does not raise.

    Raises
    ------
    GateError
        If there are no test discharges, or a prediction is not finite.
    UserError
        If the folder is not a run, or the baseline not a release.

    Examples
    --------
    >>> from pathlib import Path
    >>> from model import evaluate
    >>> evaluation = evaluate(Path("run"))
    >>> evaluation.passed, evaluation.roc_auc.low < evaluation.roc_auc.value < evaluation.roc_auc.high
    (True, True)
    """
    run = read_run(folder)
    table = table_of_run(run.gates)
    test, fit = read_test(folder), read_fit(folder)
    if not len(test):
        raise GateError("There are no test discharges; add patients and train again.")
    pipeline = read_pipeline(folder, run)
    risk = _risks(pipeline, test)
    bands = {name: run.thresholds[name] for name, band in table.policy.items() if band.top_share < 1}
    metrics = figures(test, risk, bands, small=table.small_group, baseline=run.baseline_name)
    features, rank_correlation = importance(pipeline, test)
    evaluation = Evaluation(
        **{name: getattr(metrics, name) for name in metrics.model_fields_set},
        baseline=compared(test, risk, champion(baseline, run, test)) if baseline else None,
        curves=curves(test, risk),
        importance=features,
        stability=stability(pipeline, fit, test, rank_correlation),
        data_contract=data_contract(run, fit, test),
        pipeline_sha256=run.pipeline_sha256,
        profile=run.profile,
        not_evaluated=not_evaluated(metrics, table.evaluated),
    )
    judged = verdicts(table, run.profile, evaluation, today=today)
    evaluation = evaluation.judged([_compared_with(verdict, run) for verdict in judged])
    _write(folder, run, evaluation)
    return evaluation


def keep_report(folder: Path, place: str) -> str:
    """Put the evaluation and its report where they outlive the run, by the run's digest; return the report's place."""
    digest = hashlib.sha256((folder / RUN_FILE).read_bytes()).hexdigest()[:DIGEST_CHARACTERS]
    for name in (EVALUATION_FILE, REPORT_FILE):
        storage.write(storage.join(place, digest, name), (folder / name).read_bytes())
    return storage.join(place, digest, REPORT_FILE)


def refuse(evaluation: Evaluation) -> None:
    """Raise when a gate refused, with every refusal and by how much."""
    refuse_by(evaluation.profile, evaluation.gates)


def read_evaluation(folder: Path) -> Evaluation:
    """Return what ``evaluate`` wrote."""
    try:
        return Evaluation.model_validate(json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise UserError(f"{folder} has no evaluation; run python -m model evaluate {folder} first.") from None


def _risks(pipeline: Pipeline, test: Dataset) -> Floats:
    risk: Floats = pipeline.predict_proba(test.values)[:, 1]
    wrong = int((~np.isfinite(risk)).sum())
    if wrong:
        raise GateError(
            f"The model's prediction is not finite for {wrong} of {len(risk)} test discharges; train again."
        )
    return risk


def _compared_with(verdict: Verdict, run: Run) -> Verdict:
    """Name what the model was compared with, where that is not LACE."""
    if LACE not in verdict.name or run.baseline_name == LACE:
        return verdict
    return verdict.model_copy(update={"demand": f"{verdict.demand} over {run.baseline_name}, as the table has no LACE"})


def _write(folder: Path, run: Run, evaluation: Evaluation) -> None:
    """Write pictures and report, and last the evaluation, which says that they are whole."""
    # Matplotlib takes a second to load: only an evaluation needs it.
    from model.evaluation.plots import plots
    from model.evaluation.report import report

    pictures = plots(evaluation)
    for name, png in pictures.items():
        storage.write(str(folder / PLOTS_FOLDER / name), png)
    storage.write(str(folder / REPORT_FILE), report(run, evaluation, pictures).encode())
    text = json.dumps(evaluation.written(), indent=2, sort_keys=True, allow_nan=False)
    storage.write(str(folder / EVALUATION_FILE), text.encode())
