"""Plots of an evaluation, as reproducible PNG."""

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.metrics.figure_parts import CalibrationFigures, Spread
from model.metrics.figures import Curves, FeatureImportance, Figures, RiskDistribution, Subgroup

# Colours that a colour-blind reader tells apart (Okabe and Ito 2008), each with a line style of its own for print.
MODEL, LACE, PLAIN, DARK = "#0072B2", "#D55E00", "#7a7a7a", "#222222"
STYLE_FILE = Path(__file__).parent / "plots.mplstyle"
SIZE = (5.2, 4.1)
FEATURES = 15


def plots(figures: Figures) -> dict[str, bytes]:
    """Return the pictures by file name; one whose figures could not be computed is left out."""
    curves = figures.curves or Curves()
    makers: dict[str, tuple[Callable[[Axes, Figures], None], bool, float]] = {
        "roc.png": (_roc, bool(curves.roc), SIZE[1]),
        "precision_recall.png": (_precision_recall, bool(curves.precision_recall), SIZE[1]),
        "calibration.png": (_calibration, figures.calibration is not None, SIZE[1]),
        "decision_curve.png": (_decision_curve, True, SIZE[1]),
        "subgroups.png": (_subgroups, bool(_measured(figures)), 0.0),
        "importance.png": (_importance, bool(_important(figures)), 0.0),
    }
    pictures = {}
    with rc_context(fname=str(STYLE_FILE)):
        for name, (maker, there, height) in makers.items():
            if there:
                picture = Figure(figsize=(SIZE[0], height or _height(name, figures)), layout="constrained")
                maker(picture.subplots(), figures)
                pictures[name] = _png(picture)
    return pictures


def _png(picture: Figure) -> bytes:
    sink = io.BytesIO()
    picture.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()


def _height(name: str, figures: Figures) -> float:
    rows = len(_important(figures)) if name == "importance.png" else len(_measured(figures))
    return 1.1 + 0.27 * rows


def _labelled(text: str, spread: Spread | None) -> str:
    return f"{text}, {spread.value:.3f}" if spread else text


def _roc(axes: Axes, figures: Figures) -> None:
    curves = figures.curves or Curves()
    axes.plot([0, 1], [0, 1], color=PLAIN, linestyle=":", label="chance")
    if curves.lace_roc and figures.lace_roc_auc:
        label = _labelled(figures.baseline_name, figures.lace_roc_auc)
        axes.plot(*zip(*curves.lace_roc, strict=True), color=LACE, linestyle="--", label=label)
    label = _labelled("model", figures.roc_auc)
    axes.plot(*zip(*curves.roc, strict=True), color=MODEL, linewidth=2, label=label)
    axes.set(xlabel="false positive rate", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.005))
    axes.legend(loc="lower right", title="area under the curve")


def _precision_recall(axes: Axes, figures: Figures) -> None:
    curves, counts = figures.curves or Curves(), figures.counts
    share = counts.readmissions / counts.discharges if counts and counts.discharges else 0.0
    axes.axhline(share, color=PLAIN, linestyle=":", label=f"alerting for all, {share:.3f}")
    label = _labelled("model", figures.pr_auc)
    axes.plot(*zip(*curves.precision_recall, strict=True), color=MODEL, linewidth=2, label=label)
    axes.set(xlabel="sensitivity", ylabel="precision", xlim=(0, 1), ylim=(0, 1.005))
    axes.legend(loc="upper right", title="average precision")


def _calibration(axes: Axes, figures: Figures) -> None:
    bins = [one for one in (figures.calibration or CalibrationFigures()).bins if one.discharges]
    risks, observed = [one.risk or 0.0 for one in bins], [one.observed or 0.0 for one in bins]
    bounds = [(one.interval and one.interval.whole) or (0.0, one.observed, one.observed) for one in bins]
    lows, highs = [low or 0.0 for _, low, _ in bounds], [high or 0.0 for _, _, high in bounds]
    top = min(1.0, 1.1 * max(*risks, *highs, 0.05))
    axes.plot([0, top], [0, top], color=PLAIN, linestyle=":", label="perfect")
    below = [max(0.0, o - low) for o, low in zip(observed, lows, strict=True)]
    above = [max(0.0, high - o) for o, high in zip(observed, highs, strict=True)]
    axes.errorbar(
        risks, observed, yerr=[below, above], color=MODEL, marker="o", markersize=4, linewidth=1.2, label="model"
    )
    axes.set(ylabel="observed share readmitted", xlabel="predicted risk", xlim=(0, top), ylim=(0, top))
    axes.legend(loc="upper left")
    spread = (figures.curves or Curves()).spread or RiskDistribution()
    widths = [b - a for a, b in pairwise(spread.edges)]
    total = [a + b for a, b in zip(spread.readmitted, spread.others, strict=True)]
    under = axes.inset_axes((0, -0.36, 1, 0.16))
    under.bar(spread.edges[:-1], total, width=widths, align="edge", color=MODEL, alpha=0.55)
    under.set(xlim=(0, top), ylabel="n", yticks=[0, max(total)], xticks=[])
    under.grid(visible=False)


def _decision_curve(axes: Axes, figures: Figures) -> None:
    points = figures.decision_curve
    at = [point.threshold or 0.0 for point in points]
    axes.axhline(0, color=DARK, linewidth=1, label="alert for nobody")
    axes.plot(at, [_plotted(point.treat_all) for point in points], color=PLAIN, linestyle=":", label="alert for all")
    if any(point.lace is not None for point in points):
        lace = [_plotted(point.lace) for point in points]
        axes.plot(at, lace, color=LACE, linestyle="--", label="LACE 10 and more")
    banded = [point for point in points if point.low is not None]
    axes.fill_between(
        [point.threshold or 0.0 for point in banded],
        [_plotted(point.low) for point in banded],
        [_plotted(point.high) for point in banded],
        color=MODEL,
        alpha=0.15,
    )
    axes.plot(at, [_plotted(point.model) for point in points], color=MODEL, linewidth=2, label="model")
    threshold = figures.at_high.threshold if figures.at_high and figures.at_high.threshold else 0.0
    axes.axvline(threshold, color=DARK, linewidth=0.8, linestyle="-.", label=f"policy, {threshold:.2f}")
    top = max([point.treat_all or 0 for point in points] + [point.high or 0 for point in points] + [0.01])
    axes.set(xlabel="threshold risk", ylabel="net benefit", xlim=(0, at[-1]), ylim=(-0.25 * top, 1.08 * top))
    axes.legend(loc="upper right")


def _plotted(value: float | None) -> float:
    return float("nan") if value is None else value


def _measured(figures: Figures) -> list[tuple[Subgroup, tuple[float, float, float]]]:
    groups = [(group, group.roc_auc.whole) for group in figures.subgroups if group.roc_auc]
    return [(group, interval) for group, interval in groups if interval]


def _subgroups(axes: Axes, figures: Figures) -> None:
    groups = _measured(figures)[::-1]
    values = [value for _, (value, _, _) in groups]
    spread = [[value - low for _, (value, low, _) in groups], [high - value for _, (value, _, high) in groups]]
    rows = range(len(groups))
    axes.errorbar(values, rows, xerr=spread, fmt="o", color=MODEL, markersize=5, capsize=2)
    if figures.roc_auc and figures.roc_auc.value is not None:
        axes.axvline(figures.roc_auc.value, color=PLAIN, linestyle="--", label="everybody")
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.12), borderaxespad=0)
    axes.set_yticks(list(rows), [f"{group.group}  (n {group.discharges:,})" for group, _ in groups])
    axes.set(xlabel="ROC-AUC with its 95 % interval", ylim=(-0.6, len(groups) - 0.4))
    axes.grid(visible=False, axis="y")


def _important(figures: Figures) -> list[tuple[FeatureImportance, tuple[float, float, float]]]:
    features = figures.importance.features if figures.importance else ()
    rises = [(feature, feature.log_loss_rise.whole) for feature in features if feature.log_loss_rise]
    return [(feature, interval) for feature, interval in rises if interval][:FEATURES]


def _importance(axes: Axes, figures: Figures) -> None:
    features = _important(figures)[::-1]
    around = [
        [max(0.0, value - low) for _, (value, low, _) in features],
        [max(0.0, high - value) for _, (value, _, high) in features],
    ]
    values = [value for _, (value, _, _) in features]
    axes.barh(range(len(features)), values, xerr=around, color=MODEL, alpha=0.75, ecolor=DARK)
    axes.axvline(0, color=DARK, linewidth=0.8)
    axes.set_yticks(range(len(features)), [feature.feature for feature, _ in features])
    axes.set(xlabel="rise of the log loss without the feature, with its 95 % interval")
    axes.grid(visible=False, axis="y")
