"""Separation of training and release: training stores candidates, promotion alone writes and signs releases."""

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from infra.settings import SettingsError
from model.cli.app import app
from tests.support.stack.mocked_stack import Stack, declare, settings

CHOSEN = {
    "candidate": "3f9c2d4be071",
    "version": "v2",
    "approvedBy": "clinical-safety-officer:J. Smith",
    "reason": "reviewed on 2 May",
}
ETHICS = {"ethicsApprovedBy": "ethics-committee:R. Roe", "ethicsReason": "EC-2026-014"}


def promoted(written: dict[str, Any]) -> None:
    written["hospitals"][0]["promotion"] = CHOSEN | ETHICS


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev"), promoted))


def pod(stack: Stack, name: str) -> dict[str, Any]:
    [job] = [job for job in stack.of("CronJob") if job.name == name]
    found: dict[str, Any] = job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def test_training_stores_a_candidate(stack: Stack) -> None:
    spec = pod(stack, "north-train")
    commands = [container["args"][2] for container in (*spec["initContainers"], *spec["containers"])]
    assert commands == ["train", "evaluate", "submit"]
    assert "s3://hmlops-dev-north-curated/candidates/" in spec["containers"][0]["args"]


def test_promotion_publishes_the_approved_candidate(stack: Stack) -> None:
    spec = pod(stack, "north-release")
    assert spec["serviceAccountName"] == "promoter"
    assert spec["containers"][0]["args"][2:] == [
        "release",
        "s3://hmlops-dev-north-curated/candidates/3f9c2d4be071",
        *("--version", "v2", "--hospital", "north", "--to", "s3://hmlops-dev-north-models/readmission/"),
        *("--approve", "clinical-safety-officer:J. Smith", "--reason", "reviewed on 2 May"),
        *("--ethics-approve", "ethics-committee:R. Roe", "--ethics-reason", "EC-2026-014", "--no-track"),
    ]
    group: Any = get_command(app)
    group.commands["release"].make_context("release", spec["containers"][0]["args"][3:])


def test_without_a_promotion_it_is_the_newest_candidate_with_the_demonstration_s_approvals(stack: Stack) -> None:
    arguments = pod(stack, "south-release")["containers"][0]["args"]
    assert arguments[3] == "s3://hmlops-dev-south-curated/candidates/"
    approvals = dict(zip(arguments[10:18:2], arguments[11:18:2], strict=True))
    assert approvals == {
        "--approve": "clinical-safety-officer:demonstration",
        "--reason": "synthetic data",
        "--ethics-approve": "ethics-committee:demonstration",
        "--ethics-reason": "synthetic data",
    }


def test_in_production_a_candidate_without_a_promotion_has_no_approval(tmp_path: Path) -> None:
    arguments = pod(declare(settings("prod", tmp_path)), "north-release")["containers"][0]["args"]
    assert not {"--approve", "--reason", "--ethics-approve", "--ethics-reason"} & set(arguments)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("candidate", "newest"),
        ("version", "1"),
        ("approvedBy", "jane.doe"),
        ("reason", ""),
        ("ethicsApprovedBy", "jane.doe"),
        ("ethicsApprovedBy", "ethics-committee:R. Roe"),
        ("ethicsReason", "EC-2026-014"),
    ],
)
def test_a_promotion_names_all_that_is_approved(tmp_path: Path, field: str, value: str) -> None:
    def change(written: dict[str, Any]) -> None:
        written["hospitals"][0]["promotion"] = CHOSEN | {field: value}

    with pytest.raises(SettingsError, match=f"hospitals.*promotion.*{field}"):
        settings("dev", tmp_path, change)
