"""Gate decisions on ordinary synthetic populations, which should pass: ``python -m bench.gates``."""

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.support.figures import Json
from bench.synthetic import HOSPITAL, RING
from model.curated.run import ingest
from model.errors import GateError
from model.evaluation.run import evaluate
from model.features.build import build
from model.gates import Evaluation, Verdict, gate_table, verdicts
from model.io.console import progress
from model.metrics.figure_parts import Counts
from model.synthesis.run import synthesize
from model.training.train import train

PROFILES = ("development", "clinical")


@dataclass(frozen=True)
class Decision:
    """Decision of a profile's gates on one population, with the failed gates and warnings."""

    passed: bool
    refused: tuple[str, ...]
    warned: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The decision as text."""
        if not self.passed:
            return f"refused: {', '.join(self.refused)}"
        return f"passed, warnings: {', '.join(self.warned)}" if self.warned else "passed"


@dataclass(frozen=True)
class Population:
    """One population and the decisions on it; ``untrained`` is the reason why training failed."""

    seed: int
    discharges: int
    readmissions: int
    roc_auc: float | None
    untrained: str
    decisions: dict[str, Decision]


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Number of populations, with consecutive seeds from --first.")] = 20,
    first: Annotated[int, typer.Option(help="The first seed.")] = 1,
    patients: Annotated[int, typer.Option(min=100, help="Patients of each population.")] = 1500,
    as_json: Json = False,
) -> None:
    """Simulate, ingest, train and evaluate populations, and apply the gates to each: two minutes per population."""
    results = []
    with progress("populations", seeds) as advance:
        for seed in range(first, first + seeds):
            results.append(_population(seed, patients))
            advance(1)
    passed = {
        profile: sum(profile in one.decisions and one.decisions[profile].passed for one in results)
        for profile in PROFILES
    }
    if as_json:
        rows = [asdict(one) for one in results]
        print(
            json.dumps({"bench": "gates", "patients": patients, "passed": passed, "populations": rows}, sort_keys=True)
        )
    else:
        _show(results, passed, patients)
    raise typer.Exit(0 if passed["development"] == seeds else 1)


def _population(seed: int, patients: int) -> Population:
    with tempfile.TemporaryDirectory(prefix="gates-") as scratch:
        root = Path(scratch)
        synthesize(patients=patients, seed=seed, out=str(root / "fhir"), ndjson=True)
        ingest(str(root / "fhir"), hospital=HOSPITAL, out=str(root / "curated"), ring=RING)
        build(str(root / "curated"), out=str(root / "features.parquet"))
        try:
            train(str(root / "features.parquet"), out=root / "run", profile="development", gates=gate_table())
        except GateError as fault:
            return Population(seed, 0, 0, None, str(fault), {})
        return _judged(seed, evaluate(root / "run"))


def _judged(seed: int, evaluation: Evaluation) -> Population:
    counts = evaluation.counts or Counts()
    return Population(
        seed=seed,
        discharges=counts.discharges,
        readmissions=counts.readmissions,
        roc_auc=evaluation.roc_auc.value if evaluation.roc_auc else None,
        untrained="",
        decisions={profile: _decision(verdicts(gate_table(), profile, evaluation)) for profile in PROFILES},
    )


def _decision(judged: list[Verdict]) -> Decision:
    return Decision(
        passed=all(verdict.passed for verdict in judged),
        refused=tuple(verdict.name for verdict in judged if not verdict.passed),
        warned=tuple(verdict.name for verdict in judged if verdict.warning),
    )


def _show(results: list[Population], passed: dict[str, int], patients: int) -> None:
    summary = ", ".join(f"{profile} passes {count} of {len(results)}" for profile, count in passed.items())
    table = Table(title=f"gates on populations of {patients} patients", caption=summary, title_justify="left")
    for heading in ("seed", "test discharges", "readmissions", "ROC-AUC"):
        table.add_column(heading, justify="right")
    for heading in ("development", "clinical, figures alone"):
        table.add_column(heading)
    for one in results:
        decisions = [one.decisions[name].shown if name in one.decisions else one.untrained for name in PROFILES]
        area = "" if one.roc_auc is None else f"{one.roc_auc:.3f}"
        table.add_row(str(one.seed), str(one.discharges), str(one.readmissions), area, *decisions)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
