"""What is served is what was trained: risks, reasons and features of a release."""

from pathlib import Path

import numpy as np
import pytest

from model.curated.run import ingest
from model.errors import UserError
from model.features.build import build
from model.scoring import Scorer
from model.scoring.latest_discharge import latest, latest_of_bundle
from model.training.run import read_pipeline, read_run
from tests.support.model.model_world import RING, bundle, world, write_bundle
from tests.support.model.release_world import released

pytestmark = pytest.mark.process


def test_what_is_served_is_what_was_trained(tmp_path: Path) -> None:
    scorer = Scorer.open(released(tmp_path).place)
    discharge = latest(str(world().features), "any")
    values = scorer.matrix(discharge.columns)
    found = scorer.score(values)[0]
    pipeline = read_pipeline(world().run, read_run(world().run))
    assert found.risk == pytest.approx(pipeline.predict_proba(values)[0, 1], abs=1e-12)
    assert found.decision in {"high", "medium", "low"}
    sizes = [abs(reason.contribution) for reason in found.reasons]
    assert len(sizes) == 3
    assert sizes == sorted(sizes, reverse=True)
    assert all((reason.contribution > 0) == (reason.direction == "raises") for reason in found.reasons)


def test_a_bundle_gives_the_features_that_the_tables_give(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "patient.json", bundle())
    ingest(str(path), hospital="north", out=str(tmp_path / "curated"), ring=RING)
    build(str(tmp_path / "curated"), out=str(tmp_path / "features.parquet"))
    tabled = latest(str(tmp_path / "features.parquet"), "any").columns
    tabled.pop("age")
    found = latest_of_bundle(str(path)).columns
    age = found.pop("age")[0]
    assert found == tabled
    assert age is not None
    assert 18 <= age <= 90


def test_contributions_add_up_to_the_risk(tmp_path: Path) -> None:
    scorer = Scorer.open(released(tmp_path).place)
    values = scorer.matrix(latest(str(world().features), "any").columns)
    pipeline = read_pipeline(world().run, read_run(world().run))
    parts = pipeline[:-1].transform(values) * pipeline[-1].coef_[0]
    logit = parts.sum() + pipeline[-1].intercept_[0]
    assert scorer.score(values)[0].risk == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-12)


def test_features_that_do_not_fit_the_contract_are_refused(tmp_path: Path) -> None:
    scorer = Scorer.open(released(tmp_path).place)
    good = {name: [0.0] for name in scorer.names}
    for bad in (
        good | {"shoe_size": [1.0]},
        {"age": [1.0]},
        good | {"age": [1.0, 2.0]},
        good | {"age": [float("inf")]},
    ):
        with pytest.raises(UserError):
            scorer.matrix(bad)
