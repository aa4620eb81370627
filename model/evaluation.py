"""The ``evaluate`` command: figures on the patients that training did not see, and the gates' verdict."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from model import metrics
from model.dataset import Dataset, Floats
from model.errors import GateError, UserError
from model.gates import GateTable, judge
from model.training.run import read_pipeline, read_run, read_test

EVALUATION_FILE = "evaluation.json"
SMALL_GROUP = 10
AGE_BANDS = {"under 65": (0.0, 65.0), "65 to 79": (65.0, 80.0), "80 and over": (80.0, 200.0)}


def evaluate(folder: Path) -> dict[str, Any]:
    """Evaluate a run, write the evaluation into its folder and return it.

    Raises
    ------
    GateError
        When a gate refuses; the evaluation is written all the same.
    """
    run = read_run(folder)
    test = read_test(folder)
    if not len(test):
        raise GateError("No discharge was kept for the evaluation; bring data of more patients.")
    risk: Floats = read_pipeline(folder, run).predict_proba(test.values)[:, 1]
    evaluation = figures(test, risk, run.thresholds["high"])
    profile = GateTable.model_validate(run.gates).profile(run.profile)
    verdicts = judge(profile, evaluation)
    evaluation |= {"profile": run.profile, "gates": [v.model_dump() for v in verdicts]}
    evaluation["passed"] = all(v.passed for v in verdicts)
    text = json.dumps(evaluation, indent=2, sort_keys=True)
    (folder / EVALUATION_FILE).write_text(text, encoding="utf-8")
    return evaluation


def refuse(evaluation: dict[str, Any]) -> None:
    """Raise when a gate refused, with every refusal and by how much."""
    missed = [
        f"{gate['name']} is {'unknown' if gate['value'] is None else round(gate['value'], 4)}, not {gate['demand']}"
        for gate in evaluation["gates"]
        if not gate["passed"]
    ]
    if missed:
        raise GateError(f"The profile {evaluation['profile']} refuses: {'; '.join(missed)}.")


def read_evaluation(folder: Path) -> dict[str, Any]:
    """Return what ``evaluate`` wrote."""
    try:
        found: dict[str, Any] = json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{folder} has no evaluation; run python -m model evaluate {folder} first.") from None
    return found


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
