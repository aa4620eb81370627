"""The ``evaluate`` command: figures on the patients that training did not see, and the gates' verdict."""

import json
from pathlib import Path
from typing import Any

from model.dataset import Floats
from model.errors import GateError, UserError
from model.evaluation.figures import figures
from model.gates import Verdict, judge, table_of_run
from model.gates import refuse as refuse_by
from model.training.run import read_pipeline, read_run, read_test

EVALUATION_FILE = "evaluation.json"


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
    table = table_of_run(run.gates)
    profile = table.profile(run.profile)
    bands = {name: run.thresholds[name] for name, band in table.policy.items() if band.top_share < 1}
    evaluation = figures(test, risk, bands, small=table.small_group)
    verdicts = judge(profile, evaluation)
    evaluation |= {
        "pipeline_sha256": run.pipeline_sha256,
        "profile": run.profile,
        "gates": [v.model_dump() for v in verdicts],
    }
    evaluation["passed"] = all(v.passed for v in verdicts)
    text = json.dumps(evaluation, indent=2, sort_keys=True)
    (folder / EVALUATION_FILE).write_text(text, encoding="utf-8")
    return evaluation


def refuse(evaluation: dict[str, Any]) -> None:
    """Raise when a gate refused, with every refusal and by how much."""
    refuse_by(evaluation["profile"], [Verdict.model_validate(gate) for gate in evaluation["gates"]])


def read_evaluation(folder: Path) -> dict[str, Any]:
    """Return what ``evaluate`` wrote."""
    try:
        found: dict[str, Any] = json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{folder} has no evaluation; run python -m model evaluate {folder} first.") from None
    return found
