"""Evaluation report for clinicians and data scientists: metrics, plots and their meaning."""

import base64
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from model.definitions.window import within
from model.gates import Evaluation
from model.metrics.figure_parts import Counts, Spread
from model.metrics.figures import Benefit, Figures
from model.training.run import Run

TEMPLATE = "report.html"
UNKNOWN = "too few to tell"
SECTIONS = {
    "roc_auc": ("ROC-AUC", "chance that a patient who came back had the higher risk of two; 0.5 is chance"),
    "lace_roc_auc": ("ROC-AUC of {baseline}", "on the same discharges"),
    "over_lace": ("ROC-AUC above {baseline}", "on the same draws of patients"),
    "pr_auc": ("PR-AUC", "mean precision over all sensitivities; compare with the share readmitted"),
    "f1": ("F1 at the high threshold", "harmonic mean of precision and sensitivity"),
    "brier": ("Brier score", "mean squared error of the risk; smaller is better"),
    "brier_skill": ("Brier skill", "share of that error that the model saves against the mean risk for everybody"),
    "log_loss": ("log loss", "mean surprise at the outcome; smaller is better"),
}
CALIBRATION = {
    "slope": ("calibration slope", "1 is right; below 1 the risks are too extreme"),
    "intercept": ("calibration in the large", "0 is right; above 0 the risks are too low"),
    "ece": ("expected calibration error", "mean distance of risk and outcome over ten equal groups"),
}


def report(run: Run, evaluation: Evaluation, pictures: Mapping[str, bytes]) -> str:
    """Return the report as a page that needs no other file.

    Parameters
    ----------
    run : Run
        What was trained.
    evaluation : Evaluation
        Its evaluation.
    pictures : dict of bytes
        The PNG files by name.
    """
    world = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    world.filters |= {
        "number": number,
        "percent": percent,
        "spread": spread,
        "thousands": "{:,}".format,
        "short": "{:.4g}".format,
    }
    name = evaluation.baseline_name
    inlined = {name: f"data:image/png;base64,{base64.b64encode(png).decode()}" for name, png in pictures.items()}
    return world.get_template(TEMPLATE).render(
        run=run,
        outcome="readmission" if run.table else f"{run.return_days}-day readmission",
        found=evaluation,
        pictures=inlined,
        rows={key: (title.format(baseline=name), meaning) for key, (title, meaning) in SECTIONS.items()},
        baseline=name,
        calibration_rows=CALIBRATION,
        unknown=UNKNOWN,
        verdict=verdict(run, evaluation),
        benefit=benefit(evaluation),
        refused=[gate for gate in evaluation.gates if not gate.passed],
    )


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure for a person."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share for a person."""
    return UNKNOWN if value is None else f"{value:.{digits}%}"


def spread(interval: Spread | None, digits: int = 3) -> str:
    """Return the bounds of an interval."""
    return "" if interval is None else f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"


def verdict(run: Run, figures: Figures) -> str:
    """Return the evaluation in one sentence."""
    counts, auc, over = figures.counts or Counts(), figures.roc_auc, figures.over_lace
    text = (
        f"On {counts.discharges:,} discharges of {counts.patients:,} patients held out from training, "
        f"{counts.readmissions:,} were followed by a readmission{within(None if run.table else run.return_days)}. "
    )
    if auc is None:
        return text + "That is too few, or of one kind only, to tell how good the model is."
    text += f"The model ranked them with a ROC-AUC of {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    return text + (f", {over.value:+.3f} against {figures.baseline_name}." if over else ".")


def benefit(figures: Figures) -> str:
    """Return what the net benefit means, in words."""
    net = figures.net_benefit or Benefit()
    threshold, model = net.threshold, net.model.whole if net.model else None
    over = net.over_default.whole if net.over_default else None
    if model is None or over is None or threshold is None or not 0 < threshold < 1:
        return "There are too few outcomes to weigh readmissions found against needless follow-up."
    return (
        f"Who acts from a risk of {threshold:.0%} holds one missed readmission to be as bad as "
        f"{(1 - threshold) / threshold:.1f} needless follow-ups. Weighed so, alerting by the model is worth "
        f"{1000 * model[0]:.0f} readmissions found, without one needless follow-up, in 1,000 discharges: "
        f"{1000 * over[0]:.0f} more than the better of alerting for everybody and for nobody "
        f"(95 % interval {1000 * over[1]:.0f} to {1000 * over[2]:.0f})."
    )
