"""Release metadata: annotations of the InferenceService, and releases that are refused."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.settings import SettingsError
from policy_pack.facts.releases import source_attributes
from tests.support.model.cards import card
from tests.support.stack.mocked_stack import RELEASE, RELEASE_DIGEST, RELEASE_FILES, Stack, declare, settings
from workloads.blocks.release_metadata import ReleaseMetadata, answered

PREFIX = "healthcare-mlops/"


def served(folder: Path, files: Mapping[str, str] = RELEASE_FILES, release: str = RELEASE) -> Stack:
    def change(written: dict[str, Any]) -> None:
        written["hospitals"][0]["release"] = release

    return declare(settings("prod", folder, change), files)


def notes(stack: Stack) -> dict[str, str]:
    [service] = stack.of("InferenceService")
    found = service.metadata["annotations"]
    return {name.removeprefix(PREFIX): value for name, value in found.items() if name.startswith(PREFIX)}


def test_a_server_tells_what_its_release_says_of_itself(tmp_path: Path) -> None:
    found = notes(served(tmp_path))
    assert found.pop("release-digest").startswith(RELEASE_DIGEST)
    place = f"s3://hmlops-prod-north-models/readmission/v1/{RELEASE_DIGEST}"
    assert found == {
        "signature": "ed25519:c2lnbmVk",
        "model-card": f"{place}/MODEL_CARD.md",
        "source-attributes": " ".join(attribute.id for attribute in source_attributes()),
        "training-data": "d" * 64,
        "gates": "clinical:passed",
        "approval": "cmio:A. Example",
        "ethics-approval": "ethics-committee:R. Roe",
        "evaluated": "true",
        "fallback": "lace",
    }


@pytest.mark.parametrize("missing", ["files.json", "signature.json", "lineage.json", "metrics.json"])
def test_a_release_that_is_not_there_is_refused_before_anything_is_made(tmp_path: Path, missing: str) -> None:
    files = {name: text for name, text in RELEASE_FILES.items() if name != missing}
    with pytest.raises(SettingsError) as refused:
        served(tmp_path, files)
    [sentence] = str(refused.value).splitlines()
    for told in ("hospital north", RELEASE, missing, "hmlops-prod-north-models", "publish the release"):
        assert told in sentence


def test_nothing_is_declared_but_the_account_when_a_release_is_refused(tmp_path: Path) -> None:
    seen = Stack()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.stack.mocked_stack.Stack", lambda: seen)
        with pytest.raises(SettingsError, match="v1@ffffffffffff"):
            served(tmp_path, release="v1@ffffffffffff")
    assert {resource.type for resource in seen.resources} == {"pulumi:providers:aws"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("files.json", "{}", "files.json in bucket .* was modified after the release"),
        (
            "metrics.json",
            json.dumps({"evaluation": {"passed": True, "by": "hand"}}),
            "metrics.json .* was modified",
        ),
        ("lineage.json", "{}", "lineage.json .* was modified after the release"),
        ("signature.json", "[]", "do not have the format of a release"),
        ("signature.json", "{", "do not have the format of a release"),
        ("signature.json", "", "has the content type application/json, so it cannot be read"),
    ],
)
def test_a_changed_release_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=f"hospital north: .*{told}") as refused:
        served(tmp_path, {**RELEASE_FILES, name: text})
    assert len(str(refused.value).splitlines()) == 1


def released(**lineage: Any) -> dict[str, str]:
    """Return the files of a release whose lineage and figures are changed, and whose list fits them."""
    passed = lineage.pop("passed", True)
    files = {
        "lineage.json": json.dumps(json.loads(RELEASE_FILES["lineage.json"]) | lineage),
        "metrics.json": json.dumps({"evaluation": {"passed": passed}}),
    }
    rows = [{"path": name, "sha256": hashlib.sha256(text.encode()).hexdigest()} for name, text in files.items()]
    return {**RELEASE_FILES, **files, "files.json": json.dumps({"files": rows})}


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"profile": "demonstration"}, "has the gates profile demonstration, which is not for use on patients"),
    ({"profile": "development"}, "has the gates profile development"),
    ({"profile": "Clinical"}, "has the gates profile Clinical"),
    ({"evaluated": False}, "was not evaluated"),
    ({"evaluated": "true"}, "was not evaluated"),
    ({"evaluated": None}, "was not evaluated"),
    ({"passed": False}, "did not pass its gates"),
    ({"passed": "yes"}, "did not pass its gates"),
    ({"approval": None}, "has no clinical approval"),
    ({"approval": {"by": "", "reason": "x"}}, "has no clinical approval"),
    ({"ethics_approval": None}, "has no ethics approval of its thresholds"),
    ({"ethics_approval": {"by": "", "reason": "x"}}, "has no ethics approval of its thresholds"),
]


@pytest.mark.parametrize(("lineage", "told"), UNFIT)
def test_production_refuses_a_release_that_is_not_for_patients_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lineage: dict[str, Any], told: str
) -> None:
    files, seen = released(**lineage), Stack()
    digest = hashlib.sha256(files["files.json"].encode()).hexdigest()[:12]
    monkeypatch.setattr("tests.support.stack.mocked_stack.RELEASE_DIGEST", digest)
    monkeypatch.setattr("tests.support.stack.mocked_stack.Stack", lambda: seen)
    with pytest.raises(SettingsError, match=rf"release v1@{digest} of hospital north {told}"):
        served(tmp_path, files, f"v1@{digest}")
    assert {resource.type for resource in seen.resources} == {"pulumi:providers:aws"}


def test_development_serves_a_demonstration_and_says_that_it_was_not_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = released(profile="demonstration", approval=None, ethics_approval=None, evaluated=False)
    digest = hashlib.sha256(files["files.json"].encode()).hexdigest()[:12]
    monkeypatch.setattr("tests.support.stack.mocked_stack.RELEASE_DIGEST", digest)

    def change(written: dict[str, Any]) -> None:
        written["hospitals"] = [written["hospitals"][0] | {"release": f"v1@{digest}"}]

    found = notes(declare(settings("dev", tmp_path, change), files))
    assert (found["gates"], found["evaluated"]) == ("demonstration:passed", "false")


def test_a_source_attribute_without_answer_is_not_one_that_the_card_answers() -> None:
    ids = [attribute.id for attribute in source_attributes()]
    assert list(answered(card())) == ids
    assert list(answered(card(unanswered="1.i", missing="2.i"))) == [i for i in ids if i not in ("1.i", "2.i")]
    assert answered("# A card") == ()


def test_what_a_release_lacks_is_not_told() -> None:
    metadata = ReleaseMetadata(
        url="s3://b/r",
        digest="a" * 64,
        signature="ed25519:x",
        model_card=False,
        training_data="d" * 64,
        profile="demonstration",
        passed=False,
        approval="",
    )
    found = {name.removeprefix(PREFIX): value for name, value in metadata.annotations.items()}
    assert found.keys() == {"release-digest", "signature", "training-data", "gates", "evaluated", "fallback"}
    assert found["gates"] == "demonstration:failed"


def test_a_fault_is_a_user_s_and_no_stack_trace(tmp_path: Path) -> None:
    with pytest.raises(pulumi.RunError):
        served(tmp_path, {})
