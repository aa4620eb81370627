"""The ``evaluate`` command: a run against its gates."""

from pathlib import Path
from typing import Annotated

import typer

from model.io.console import Json, answer, warn
from model.tracking.option import Track


def evaluate(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the run.")],
    baseline: Annotated[
        str | None, typer.Option(help="Deployed release to compare with: a folder or S3 prefix.")
    ] = None,
    publish: Annotated[
        str | None, typer.Option(help="Folder or S3 prefix for the report, written also when a gate fails.")
    ] = None,
    track: Track = True,
    as_json: Json = False,
) -> None:
    """Evaluate on the other patients and hold the result against the gates."""
    from model.artifact.files import REPORT_FILE
    from model.evaluation.run import evaluate as run
    from model.evaluation.run import keep_report, refuse
    from model.metrics.figure_parts import Counts

    done = run(run_dir, baseline=baseline)
    kept = keep_report(run_dir, publish) if publish else None
    if track:
        from model.tracking.record import record_evaluation

        record_evaluation(run_dir)
    counts, auc, lace, brier = done.counts or Counts(), done.roc_auc, done.lace_roc_auc, done.brier
    text = f"{counts.discharges} test discharges with {counts.readmissions} readmissions"
    if auc and lace and brier:
        text += f": ROC-AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}), "
        text += f"{done.baseline_name} {lace.value:.3f}, Brier {brier.value:.3f}"
        text += f", calibration slope {done.calibration.slope:.2f}" if done.calibration else ""
    if done.too_small:
        text += f"; too few patients in: {', '.join(done.too_small)}"
    text += f"; report in {kept or run_dir / REPORT_FILE}"
    for sentence in done.warnings:
        warn(sentence)
    answer(done.written(), text, as_json=as_json)
    refuse(done)
