"""Comparison of the trained model with the true risk of the synthetic population: ``python -m bench.synthetic``."""

import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bench.support.figures import Figure, Json, at_most, show
from model.curated.run import ingest
from model.dataset.dataset import Dataset, Floats
from model.deid.keys import LocalKeyring
from model.deid.subject import Subject, secret_input
from model.features.build import build
from model.gates import gate_table
from model.metrics import roc_auc
from model.synthesis.run import synthesize
from model.training.run import read_pipeline, read_run, read_test
from model.training.train import train

HOSPITAL = "north"
RING = LocalKeyring(bytes(range(32)))
STAYS_A_PATIENT = 2.3
RESAMPLES = 300


def main(
    discharges: Annotated[int, typer.Option(min=500, help="Approximate number of discharges to simulate.")] = 50_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same population.")] = 1,
    as_json: Json = False,
) -> None:
    """Simulate, ingest, compute features and train as a hospital does, and compare with the simulated risk."""
    with tempfile.TemporaryDirectory(prefix="synthetic-") as scratch:
        root = Path(scratch)
        truth, run = root / "truth.ndjson", root / "run"
        patients = int(discharges / STAYS_A_PATIENT)
        synthesize(patients=patients, seed=seed, out=str(root / "fhir"), ndjson=True, truth=str(truth))
        ingest(str(root / "fhir"), hospital=HOSPITAL, out=str(root / "curated"), ring=RING)
        build(str(root / "curated"), out=str(root / "features.parquet"))
        done = train(str(root / "features.parquet"), out=run, profile="development", gates=gate_table())
        test = read_test(run)
        risk: Floats = read_pipeline(run, read_run(run)).predict_proba(test.values)[:, 1]
        best = _true_risks(truth, test)
    both = np.isfinite(best)
    part = test.rows(both)
    gap = roc_auc.difference(best[both], risk[both], part.label, part.patient, RESAMPLES)
    figures = [
        Figure("ROC-AUC of the true risk", roc_auc.roc_auc(best[both], part.label)),
        Figure("ROC-AUC of the model", roc_auc.roc_auc(risk[both], part.label)),
        at_most("ROC-AUC below the true risk's", gap.value, 0.01),
        Figure("ROC-AUC below the true risk's, 95 % from", gap.low),
        Figure("ROC-AUC below the true risk's, 95 % to", gap.high),
        Figure("held-out discharges with a known risk", float(both.mean()), "share"),
    ]
    about = {"discharges": done.counts["discharges"], "held out": len(part), "algorithm": done.algorithm}
    show("synthetic", figures, as_json=as_json, about=about)


def _true_risks(truth: Path, test: Dataset) -> Floats:
    """Return the simulated risk of each held-out discharge; NaN if a stay was merged with another."""
    rows = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines() if line]
    names = sorted({row["patient"] for row in rows})
    secrets = RING.secrets([secret_input(HOSPITAL, name) for name in names])
    subjects = {name: Subject(secret) for name, secret in zip(names, secrets, strict=True)}
    whose = {name: subject.pseudonym("Patient", name) for name, subject in subjects.items()}
    true_risks: dict[tuple[str, int], float] = {}
    for row in rows:
        end = datetime.fromisoformat(row["end"]) + subjects[row["patient"]].shift
        true_risks[whose[row["patient"]], int(end.timestamp())] = row["risk"]
    times = test.time if test.time is not None else np.full(len(test), np.nan)
    risks = [true_risks.get((who, int(when)), np.nan) for who, when in zip(test.patient.tolist(), times, strict=True)]
    return np.array(risks)


if __name__ == "__main__":
    typer.run(main)
