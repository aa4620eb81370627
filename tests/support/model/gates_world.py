"""Runs of the small hospital with figures that a test chooses: so good that every gate lets them pass, or not."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.artifact import files
from model.evaluation.run import EVALUATION_FILE
from model.release.publish import Released, release
from model.release.signing import LocalSigner
from tests.support.model.model_world import evaluated

OFFICER = "clinical-safety-officer:J. Smith"
ANSWERS = {
    "developer": "Ward informatics, informatics@hospital.example",
    "funding": "The hospital's own budget",
    "validity_monitoring": "Each month, by the informatics team",
    "fairness_monitoring": "Each quarter, by the informatics team",
    # The groups of so small a population are withheld, so the hospital has to answer.
    "fairness": "Judged on the discharges of all wards of last year",
}
ETHICS = {"ethics_approved_by": "ethics-committee:R. Roe", "ethics_reason": "EC-2026-014"}
APPROVED: dict[str, Any] = {"answers": ANSWERS, "approved_by": OFFICER, "reason": "reviewed"} | ETHICS
ENOUGH = {"training_discharges": 2000, "training_readmissions": 300, "training_patients": 900}


def interval(low: float, value: float, high: float) -> dict[str, float]:
    return {"low": low, "value": value, "high": high}


def good_figures() -> dict[str, Any]:
    """Return figures that satisfy every gate of the clinical profile."""
    calibration = {
        "slope": interval(0.9, 1, 1.1),
        "intercept": interval(-0.1, 0, 0.1),
        "ece": interval(0.01, 0.02, 0.03),
    }
    gap = interval(0.0, 0.02, 0.04)
    return {
        "counts": {"discharges": 900, "patients": 400, "readmissions": 150},
        "roc_auc": interval(0.66, 0.7, 0.74),
        "over_lace": interval(0.01, 0.04, 0.07),
        "brier_skill": interval(0.03, 0.06, 0.09),
        "calibration": {"slope": 1.0, "intercept": 0.0, "ece": 0.02, "intervals": calibration, "bins": []},
        "net_benefit": {"over_default": interval(0.01, 0.03, 0.05), "threshold": 0.2},
        "gaps": {"roc_auc": gap, "calibration": gap},
    }


def prepared(tmp_path: Path, profile: str = "clinical", *, figures: dict[str, Any] | None = None, **run: Any) -> Path:
    """Return a copy of the run under another profile, with figures that every gate lets pass, or the ones given."""
    folder = tmp_path / "run"
    if not folder.exists():
        shutil.copytree(evaluated(), folder)
    change(folder / "run.json", profile=profile, **run)
    counts = json.loads((folder / "run.json").read_text())["counts"]
    change(folder / "run.json", counts=counts | ENOUGH)
    change(folder / EVALUATION_FILE, **good_figures() | {"gates": []} | (figures or {}))
    return folder


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def published(tmp_path: Path, run: Path, version: str = "v1", **options: Any) -> Released:
    to, signer = str(tmp_path / "models"), LocalSigner(tmp_path / "key")
    return release(run, version=version, to=to, signer=signer, **options)


def forged(tmp_path: Path, place: str, name: str, **values: Any) -> str:
    """Return a release of which one file was changed, and list, folder and signature made to fit by its own key."""
    folder = Path(place)
    change(folder / name, **values)
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    for own in (files.LIST_FILE, files.SIGNATURE_FILE):
        del contents[own]
    listed = files.listed(contents)
    (folder / files.LIST_FILE).write_bytes(listed)
    signature = LocalSigner(tmp_path / "key").sign(listed)
    (folder / files.SIGNATURE_FILE).write_text(json.dumps(asdict(signature)))
    return str(folder.rename(folder.with_name(files.digest_of(listed)[:12])))
