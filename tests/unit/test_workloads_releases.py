"""A release's papers: told by the server that loads it, and refused where they are not what was released."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.errors import SettingsError
from tests.unit.mocked_stack import RELEASE, RELEASE_DIGEST, RELEASE_FILES, Stack, declare, settings
from workloads.releases import Papers

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
        "training-data": "d" * 64,
        "gates": "clinical:passed",
        "approval": "cmio:A. Example",
        "evaluated": "true",
        "fallback": "lace",
    }


@pytest.mark.parametrize("missing", ["files.json", "signature.json", "lineage.json", "metrics.json"])
def test_a_release_that_is_not_there_is_refused_before_anything_is_made(tmp_path: Path, missing: str) -> None:
    files = {name: text for name, text in RELEASE_FILES.items() if name != missing}
    with pytest.raises(SettingsError) as refused:
        served(tmp_path, files)
    [sentence] = str(refused.value).splitlines()
    for told in ("hospital north", RELEASE, missing, "hmlops-prod-north-models", "publish the release first"):
        assert told in sentence


def test_nothing_is_declared_but_the_account_when_a_release_is_refused(tmp_path: Path) -> None:
    seen = Stack()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.unit.mocked_stack.Stack", lambda: seen)
        with pytest.raises(SettingsError, match="v1@ffffffffffff"):
            served(tmp_path, release="v1@ffffffffffff")
    assert {resource.type for resource in seen.resources} == {"pulumi:providers:aws"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("files.json", "{}", "files.json of it .* is not what was released"),
        ("metrics.json", json.dumps({"evaluation": {"passed": True, "by": "hand"}}), "metrics.json .* not what was"),
        ("lineage.json", "{}", "lineage.json .* not what was released"),
        ("signature.json", "[]", "of another form"),
        ("signature.json", "{", "of another form"),
        ("signature.json", "", "says that it is application/json and no text"),
    ],
)
def test_a_changed_release_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=f"hospital north .*{told}") as refused:
        served(tmp_path, {**RELEASE_FILES, name: text})
    assert len(str(refused.value).splitlines()) == 1


def test_what_a_release_lacks_is_not_told() -> None:
    papers = Papers(
        place="s3://b/r",
        digest="a" * 64,
        signature="ed25519:x",
        card=False,
        training_data="d" * 64,
        profile="demonstration",
        passed=False,
        approval="",
    )
    found = {name.removeprefix(PREFIX): value for name, value in papers.notes.items()}
    assert found.keys() == {"release-digest", "signature", "training-data", "gates", "evaluated", "fallback"}
    assert found["gates"] == "demonstration:failed"


def test_a_fault_is_a_user_s_and_no_stack_trace(tmp_path: Path) -> None:
    with pytest.raises(pulumi.RunError):
        served(tmp_path, {})
