"""Metrics, lineage and policy of a release: the bytes of the run's plain JSON, and typed when they are read."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.artifact import files
from model.errors import UserError
from model.evaluation.run import EVALUATION_FILE, read_evaluation
from model.gates import Evaluation
from model.release.metrics import ReleaseMetrics
from model.scoring.lineage import Lineage
from model.scoring.policy import DecisionPolicy
from model.training.run import RUN_FILE, read_run
from tests.support.model.model_world import evaluated
from tests.support.model.release_world import released

pytestmark = pytest.mark.process


def plain(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def as_written(values: dict[str, Any]) -> bytes:
    return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False).encode()


def test_a_release_s_metrics_are_the_evaluation_s_with_its_headline(tmp_path: Path) -> None:
    place, evaluation = Path(released(tmp_path).place), plain(evaluated() / EVALUATION_FILE)
    headline = {name: evaluation[name]["value"] for name in ("roc_auc", "lace_roc_auc", "pr_auc", "brier")}
    headline["calibration_slope"] = evaluation["calibration"]["slope"]
    assert (place / files.METRICS_FILE).read_bytes() == as_written(headline | {"evaluation": evaluation})
    assert ReleaseMetrics.read(files.read(str(place))).evaluation == read_evaluation(evaluated())


def test_a_release_s_lineage_is_the_run_s_with_who_approved_it(tmp_path: Path) -> None:
    place, run = Path(released(tmp_path).place), plain(evaluated() / RUN_FILE)
    written = plain(place / files.LINEAGE_FILE)
    own = {"model", "version", "release_class", "approval", "evaluated", "not_evaluated", "compiled"}
    kept = {name: value for name, value in run.items() if name not in ("gates", "thresholds", "features", "columns")}
    assert (place / files.LINEAGE_FILE).read_bytes() == as_written(kept | {name: written[name] for name in own})
    lineage = Lineage.parse((place / files.LINEAGE_FILE).read_text())
    assert (lineage.profile, lineage.approval, lineage.evaluated) == ("demonstration", None, True)
    assert lineage.counts.training_discharges == read_run(evaluated()).counts["training_discharges"]


def test_a_run_that_was_read_is_written_with_the_same_values() -> None:
    assert json.loads(json.dumps(read_run(evaluated()).written())) == plain(evaluated() / RUN_FILE)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"model": "m", "version": "v1", "made_from": {}, "approval": "jane"}']
)
def test_a_lineage_of_another_form_is_one_sentence(text: str) -> None:
    with pytest.raises(UserError, match=r"lineage\.json of the release cannot be read; release the run again"):
        Lineage.parse(text)


def test_an_unknown_headline_is_written_as_null() -> None:
    written = ReleaseMetrics.of(Evaluation()).written()
    assert written == {
        **dict.fromkeys(("roc_auc", "lace_roc_auc", "pr_auc", "brier", "calibration_slope")),
        "evaluation": {},
    }


def test_a_release_s_policy_is_written_as_it_is_read(tmp_path: Path) -> None:
    written = (Path(released(tmp_path).place) / files.POLICY_FILE).read_bytes()
    policy = DecisionPolicy.parse(written.decode())
    assert as_written(policy.written()) == written
    assert (policy.bands[0].name, policy.bands[-1].start) == ("high", 0.0)
    with pytest.raises(UserError, match=r"policy\.json of the release cannot be read"):
        DecisionPolicy.parse('{"bands": [{"name": "high"}]}')
