"""The figures of an evaluation."""

from dataclasses import asdict
from typing import Any

import numpy as np

from model.dataset import Dataset, Floats
from model.evaluation import metrics

SMALL_GROUP = 10
AGE_BANDS = {"under 65": (0.0, 65.0), "65 to 79": (65.0, 80.0), "80 and over": (80.0, 200.0)}


def figures(test: Dataset, risk: Floats, threshold: float) -> dict[str, Any]:
    """Return all figures as plain values; one that cannot be computed is null."""
    label, patient = test.label, test.patient
    both = len(np.unique(label)) == 2
    measures = {
        "roc_auc": lambda rows: metrics.roc_auc(label[rows], risk[rows]),
        "pr_auc": lambda rows: metrics.pr_auc(label[rows], risk[rows]),
        "brier": lambda rows: metrics.brier(label[rows], risk[rows]),
        "brier_skill": lambda rows: metrics.brier_skill(label[rows], risk[rows]),
        "lace_roc_auc": lambda rows: metrics.roc_auc(label[rows], test.baseline[rows]),
        "over_lace": lambda rows: (
            metrics.roc_auc(label[rows], risk[rows]) - metrics.roc_auc(label[rows], test.baseline[rows])
        ),
    }
    found: dict[str, Any] = {
        "counts": {"discharges": len(test), "patients": test.patients, "readmissions": int(label.sum())}
    }
    for name, measure in measures.items():
        spread = metrics.interval(measure, label, patient)
        found[name] = asdict(spread) if spread else None
    found["calibration"] = metrics.calibration(label, risk) if both else None
    found["at_high"] = metrics.at_threshold(label, risk, threshold)
    found["subgroups"] = _subgroups(test, risk)
    large = [group["roc_auc"] for group in found["subgroups"] if group["roc_auc"]]
    found["largest_gap"] = max(g["value"] for g in large) - min(g["value"] for g in large) if large else None
    # What remains when each group has the benefit of its interval: chance alone makes small groups differ.
    found["sure_gap"] = max(0.0, max(g["low"] for g in large) - min(g["high"] for g in large)) if large else None
    return found


def _subgroups(test: Dataset, risk: Floats) -> list[dict[str, Any]]:
    female, age = test.column("female"), test.column("age")
    groups = {"sex: female": female == 1, "sex: male": female == 0}
    groups |= {f"age: {name}": (age >= low) & (age < high) for name, (low, high) in AGE_BANDS.items()}
    described = []
    for name, chosen in groups.items():
        part, scores = test.rows(chosen), risk[chosen]
        positives = int(part.label.sum())
        entry: dict[str, Any] = {"group": name, "discharges": len(part), "readmissions": positives, "roc_auc": None}
        if min(positives, len(part) - positives) >= SMALL_GROUP:
            spread = metrics.interval(_auc(part, scores), part.label, part.patient)
            entry |= {"roc_auc": asdict(spread) if spread else None, "brier": metrics.brier(part.label, scores)}
        described.append(entry)
    return described


def _auc(part: Dataset, scores: Floats) -> metrics.Figure:
    return lambda rows: metrics.roc_auc(part.label[rows], scores[rows])
