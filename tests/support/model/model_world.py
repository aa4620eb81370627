"""A small synthetic hospital, made once for all tests of the model package."""

import functools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.curated.run import ingest
from model.deid.keys import LocalKeyring
from model.evaluation.run import EVALUATION_FILE, evaluate
from model.features.build import build
from model.gates import gate_table
from model.synthesis.bundles import BundleWriter
from model.synthesis.population import simulate
from model.synthesis.run import synthesize
from model.training.train import train

PATIENTS = 260
RING = LocalKeyring(bytes(range(32)))


@dataclass(frozen=True)
class World:
    """Where the small hospital's files are."""

    root: Path

    @property
    def fhir(self) -> Path:
        return self.root / "fhir"

    @property
    def curated(self) -> Path:
        return self.root / "curated"

    @property
    def features(self) -> Path:
        return self.root / "features.parquet"

    @property
    def run(self) -> Path:
        return self.root / "run"


@functools.cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="model-world-")


@functools.cache
def world() -> World:
    made = World(Path(folder().name))
    synthesize(patients=PATIENTS, seed=7, out=str(made.fhir))
    ingest(str(made.fhir), hospital="north", out=str(made.curated), ring=RING)
    build(str(made.curated), out=str(made.features))
    train(str(made.features), out=made.run, profile="demonstration", gates=gate_table())
    return made


def evaluated() -> Path:
    """Return the folder of the run, with its evaluation."""
    if not (world().run / EVALUATION_FILE).exists():
        evaluate(world().run)
    return world().run


def bundle(number: int = 3) -> dict[str, Any]:
    """Return one patient's bundle with at least one stay."""
    while not simulate(number, 7).stays:
        number += 1
    return BundleWriter(simulate(number, 7), 7).bundle()


def write_bundle(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path
