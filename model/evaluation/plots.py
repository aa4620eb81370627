"""Plots of an evaluation, as reproducible PNG."""

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours that a colour-blind reader tells apart (Okabe and Ito 2008), each with a line style of its own for print.
MODEL, LACE, PLAIN, DARK = "#0072B2", "#D55E00", "#7a7a7a", "#222222"
STYLE_FILE = Path(__file__).parent / "plots.mplstyle"
SIZE = (5.2, 4.1)
FEATURES = 15


def plots(evaluation: dict[str, Any]) -> dict[str, bytes]:
    """Return the pictures by file name; one whose figures could not be computed is left out."""
    makers: dict[str, tuple[Callable[[Axes, dict[str, Any]], None], bool, float]] = {
        "roc.png": (_roc, bool(evaluation["curves"]["roc"]), SIZE[1]),
        "precision_recall.png": (_precision_recall, bool(evaluation["curves"]["precision_recall"]), SIZE[1]),
        "calibration.png": (_calibration, evaluation["calibration"] is not None, SIZE[1]),
        "decision_curve.png": (_decision_curve, True, SIZE[1]),
        "subgroups.png": (_subgroups, any(g["roc_auc"] for g in evaluation["subgroups"]), 0.0),
        "importance.png": (_importance, bool(_important(evaluation)), 0.0),
    }
    found = {}
    with rc_context(fname=str(STYLE_FILE)):
        for name, (maker, there, height) in makers.items():
            if there:
                figure = Figure(figsize=(SIZE[0], height or _height(name, evaluation)), layout="constrained")
                maker(figure.subplots(), evaluation)
                found[name] = _png(figure)
    return found


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()


def _height(name: str, evaluation: dict[str, Any]) -> float:
    rows = len(_important(evaluation)) if name == "importance.png" else len(_measured(evaluation))
    return 1.1 + 0.27 * rows


def _roc(axes: Axes, evaluation: dict[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color=PLAIN, linestyle=":", label="chance")
    if evaluation["curves"]["lace_roc"] and evaluation["lace_roc_auc"]:
        label = f"{evaluation['baseline_name']}, {evaluation['lace_roc_auc']['value']:.3f}"
        axes.plot(*zip(*evaluation["curves"]["lace_roc"], strict=True), color=LACE, linestyle="--", label=label)
    label = f"model, {evaluation['roc_auc']['value']:.3f}" if evaluation["roc_auc"] else "model"
    axes.plot(*zip(*evaluation["curves"]["roc"], strict=True), color=MODEL, linewidth=2, label=label)
    axes.set(xlabel="false positive rate", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.005))
    axes.legend(loc="lower right", title="area under the curve")


def _precision_recall(axes: Axes, evaluation: dict[str, Any]) -> None:
    counts = evaluation["counts"]
    share = counts["readmissions"] / counts["discharges"]
    axes.axhline(share, color=PLAIN, linestyle=":", label=f"alerting for all, {share:.3f}")
    label = f"model, {evaluation['pr_auc']['value']:.3f}" if evaluation["pr_auc"] else "model"
    axes.plot(*zip(*evaluation["curves"]["precision_recall"], strict=True), color=MODEL, linewidth=2, label=label)
    axes.set(xlabel="sensitivity", ylabel="precision", xlim=(0, 1), ylim=(0, 1.005))
    axes.legend(loc="upper right", title="average precision")


def _calibration(axes: Axes, evaluation: dict[str, Any]) -> None:
    bins = [b for b in evaluation["calibration"]["bins"] if b["discharges"]]
    risks, observed = [b["risk"] for b in bins], [b["observed"] for b in bins]
    highs = [b["interval"]["high"] if b["interval"] else b["observed"] for b in bins]
    lows = [b["interval"]["low"] if b["interval"] else b["observed"] for b in bins]
    top = min(1.0, 1.1 * max(*risks, *highs, 0.05))
    axes.plot([0, top], [0, top], color=PLAIN, linestyle=":", label="perfect")
    below = [max(0.0, o - low) for o, low in zip(observed, lows, strict=True)]
    above = [max(0.0, high - o) for o, high in zip(observed, highs, strict=True)]
    axes.errorbar(
        risks, observed, yerr=[below, above], color=MODEL, marker="o", markersize=4, linewidth=1.2, label="model"
    )
    axes.set(ylabel="observed share readmitted", xlabel="predicted risk", xlim=(0, top), ylim=(0, top))
    axes.legend(loc="upper left")
    spread = evaluation["curves"]["spread"]
    edges = spread["edges"]
    widths = [b - a for a, b in pairwise(edges)]
    total = [a + b for a, b in zip(spread["readmitted"], spread["others"], strict=True)]
    under = axes.inset_axes((0, -0.36, 1, 0.16))
    under.bar(edges[:-1], total, width=widths, align="edge", color=MODEL, alpha=0.55)
    under.set(xlim=(0, top), ylabel="n", yticks=[0, max(total)], xticks=[])
    under.grid(visible=False)


def _decision_curve(axes: Axes, evaluation: dict[str, Any]) -> None:
    points = evaluation["decision_curve"]
    at = [p["threshold"] for p in points]
    axes.axhline(0, color=DARK, linewidth=1, label="alert for nobody")
    axes.plot(at, [p["treat_all"] for p in points], color=PLAIN, linestyle=":", label="alert for all")
    if any(p["lace"] is not None for p in points):
        axes.plot(at, [p["lace"] for p in points], color=LACE, linestyle="--", label="LACE 10 and more")
    known = [p for p in points if p["low"] is not None]
    axes.fill_between(
        [p["threshold"] for p in known], [p["low"] for p in known], [p["high"] for p in known], color=MODEL, alpha=0.15
    )
    axes.plot(at, [p["model"] for p in points], color=MODEL, linewidth=2, label="model")
    threshold = evaluation["at_high"]["threshold"]
    axes.axvline(threshold, color=DARK, linewidth=0.8, linestyle="-.", label=f"policy, {threshold:.2f}")
    top = max([p["treat_all"] for p in points] + [p["high"] or 0 for p in points] + [0.01])
    axes.set(xlabel="threshold risk", ylabel="net benefit", xlim=(0, at[-1]), ylim=(-0.25 * top, 1.08 * top))
    axes.legend(loc="upper right")


def _measured(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    return [group for group in evaluation["subgroups"] if group["roc_auc"]]


def _subgroups(axes: Axes, evaluation: dict[str, Any]) -> None:
    groups = _measured(evaluation)[::-1]
    values = [group["roc_auc"] for group in groups]
    spread = [[v["value"] - v["low"] for v in values], [v["high"] - v["value"] for v in values]]
    rows = range(len(groups))
    axes.errorbar([v["value"] for v in values], rows, xerr=spread, fmt="o", color=MODEL, markersize=5, capsize=2)
    if evaluation["roc_auc"]:
        axes.axvline(evaluation["roc_auc"]["value"], color=PLAIN, linestyle="--", label="everybody")
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.12), borderaxespad=0)
    axes.set_yticks(list(rows), [f"{g['group']}  (n {g['discharges']:,})" for g in groups])
    axes.set(xlabel="ROC-AUC with its 95 % interval", ylim=(-0.6, len(groups) - 0.4))
    axes.grid(visible=False, axis="y")


def _important(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    found = [f for f in evaluation["importance"]["features"] if f["log_loss_rise"]]
    return found[:FEATURES]


def _importance(axes: Axes, evaluation: dict[str, Any]) -> None:
    features = _important(evaluation)[::-1]
    spreads = [feature["log_loss_rise"] for feature in features]
    around = [
        [max(0.0, s["value"] - s["low"]) for s in spreads],
        [max(0.0, s["high"] - s["value"]) for s in spreads],
    ]
    axes.barh(range(len(features)), [s["value"] for s in spreads], xerr=around, color=MODEL, alpha=0.75, ecolor=DARK)
    axes.axvline(0, color=DARK, linewidth=0.8)
    axes.set_yticks(range(len(features)), [feature["feature"] for feature in features])
    axes.set(xlabel="rise of the log loss without the feature, with its 95 % interval")
    axes.grid(visible=False, axis="y")
