"""Only a compiled model that equals the evaluated pipeline is released, verified and served."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.artifact import files
from model.artifact.reference import TOLERANCE
from model.compiled.document import LinearDocument, TreesDocument
from model.errors import UserError
from model.release import equality
from model.release.equality import difference, proved
from model.release.signing import LocalSigner
from model.release.verify import verify
from model.scoring import Scorer
from tests.support.model.compiled_world import SHA256, Fitted, fitted, rows
from tests.support.model.gates_world import forged
from tests.support.serving.model_servers import copied, released, without_compiled_model


def changed(document: LinearDocument | TreesDocument) -> list[LinearDocument | TreesDocument]:
    """Return compiled forms with one number that is a little another one."""
    if isinstance(document, LinearDocument):
        weights = [
            feature.model_copy(update={"weight": feature.weight + 1e-9}) if feature.kind == "number" else feature
            for feature in document.features
        ]
        return [
            document.model_copy(update={"intercept": document.intercept + 1e-10}),
            document.model_copy(update={"features": tuple(weights)}),
        ]
    first, *rest = document.trees
    leaves = tuple(value + 1e-9 if value else value for value in first.value)
    return [
        document.model_copy(update={"slope": document.slope * (1 + 1e-9)}),
        document.model_copy(update={"trees": (first.model_copy(update={"value": leaves}), *rest)}),
        document.model_copy(update={"trees": tuple(rest)}),
    ]


@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_a_compiled_model_that_differs_a_little_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found: Fitted = fitted("linear" if kind == "linear" else "trees")
    tried = rows(found, seed=3)
    assert proved(found.pipeline, found.contract, SHA256, tried) == found.document
    assert difference(found.document, found.pipeline, found.contract, tried).equal
    for other in changed(found.document):
        monkeypatch.setattr(equality, "compiled", lambda *_, other=other: other)
        with pytest.raises(UserError, match="differs from the evaluated pipeline"):
            proved(found.pipeline, found.contract, SHA256, tried)


def test_a_difference_that_is_no_number_is_a_difference() -> None:
    found = fitted("linear")
    tried = rows(found, seed=3)
    assert isinstance(found.document, LinearDocument)
    features = [
        feature.model_copy(update={"weight": np.nan}) if feature.kind == "number" else feature
        for feature in found.document.features
    ]
    other = found.document.model_copy(update={"features": tuple(features)})
    assert not difference(other, found.pipeline, found.contract, tried).equal


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released(tmp_path_factory.mktemp("release"))


@pytest.fixture
def own(release: Path, tmp_path: Path) -> Path:
    return copied(release, tmp_path)


@pytest.mark.process
def test_a_release_says_that_it_was_proved_on_the_whole_test_set(release: Path) -> None:
    lineage = json.loads((release / files.LINEAGE_FILE).read_text())
    assert lineage["compiled"] == {
        "kind": "linear",
        "test_rows": lineage["counts"]["test_discharges"],
        "tolerance": TOLERANCE,
    }
    checks = {check.name: check for check in verify(str(release)).checks}
    assert checks["compiled model"].holds
    assert "compiled again from the pipeline" in checks["compiled model"].found


def reweighted(document: dict[str, Any], amount: float = 0.25) -> dict[str, Any]:
    feature = next(feature for feature in document["features"] if feature["weight"])
    feature["weight"] += amount
    return document


def hidden(document: dict[str, Any]) -> dict[str, Any]:
    """Change what no reference input shows: the weight of one bin in the middle."""
    for feature in document["features"]:
        if len(feature["bins"]) > 4:
            feature["bins"][len(feature["bins"]) // 2] += 3.0
    return document


FORGED: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "another pipeline": (lambda d: d | {"pipeline_sha256": "1" * 64}, "is of another pipeline"),
    "other features": (lambda d: d | {"names": [*d["names"][1:], d["names"][0]]}, "other features than its contract"),
    "an unknown field": (lambda d: d | {"command": "x"}, "compiled model cannot be read"),
}


@pytest.mark.process
@pytest.mark.parametrize("kind", FORGED)
def test_a_compiled_model_of_something_else_is_not_opened_even_with_the_release_s_own_key(
    own: Path, tmp_path: Path, kind: str
) -> None:
    change, says = FORGED[kind]
    document = change(json.loads((own / files.COMPILED_FILE).read_text()))
    place = forged(tmp_path, str(own), files.COMPILED_FILE, **document)
    with pytest.raises(UserError, match=says):
        Scorer.open(place, trusted=LocalSigner(tmp_path / "key").public_keys().values())


@pytest.mark.process
def test_other_weights_than_the_pipeline_s_are_seen_by_the_reference_predictions(own: Path, tmp_path: Path) -> None:
    document = reweighted(json.loads((own / files.COMPILED_FILE).read_text()))
    place = forged(tmp_path, str(own), files.COMPILED_FILE, **document)
    assert not Scorer.open(place).deviation() <= TOLERANCE
    failed = {check.name: check.found for check in verify(place).checks if not check.holds}
    assert "differ from the evaluated pipeline" in failed["reference prediction"]
    assert "is not what the release's pipeline gives" in failed["compiled model"]


@pytest.mark.process
def test_verify_sees_a_weight_that_no_reference_input_reaches(own: Path, tmp_path: Path) -> None:
    document = hidden(json.loads((own / files.COMPILED_FILE).read_text()))
    place = forged(tmp_path, str(own), files.COMPILED_FILE, **document)
    failed = {check.name: check.found for check in verify(place).checks if not check.holds}
    assert "is not what the release's pipeline gives" in failed["compiled model"]


@pytest.mark.process
def test_a_release_from_before_compiled_models_scores_the_same(release: Path, own: Path, tmp_path: Path) -> None:
    place = str(without_compiled_model(tmp_path, own))
    old, new = Scorer.open(place), Scorer.open(str(release))
    assert (old.compiled, new.compiled) == (False, True)
    assert verify(place).holds
    reference = json.loads((release / files.REFERENCE_FILE).read_text())
    values = np.array(reference["inputs"], dtype=np.float64)
    assert old.deviation() <= TOLERANCE
    for one, other in zip(old.score(values), new.score(values), strict=True):
        assert abs(one.risk - other.risk) <= TOLERANCE
        assert [reason.text for reason in one.reasons] == [reason.text for reason in other.reasons]
