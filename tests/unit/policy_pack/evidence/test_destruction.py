"""What became of a hospital that left, told from two states."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from policy_pack.command import app
from policy_pack.errors import PackError
from policy_pack.evidence.destruction import Disposition, destruction
from policy_pack.facts.ownership import OwnershipIndex
from policy_pack.settings import load
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import KEY
from tests.policy import world
from tests.policy.builders import STACK
from tests.policy.states import exported


def written(path: Path, resources: list[Resource], **marks: Any) -> Path:
    state = exported(resources)
    for entry in state["deployment"]["resources"]:
        entry |= marks.get(entry["urn"].rpartition("::")[2], {})
    path.write_text(json.dumps(state))
    return path


OWNERS = OwnershipIndex(Graph(world.resources(), STACK), load())


def of_north(resource: Resource) -> bool:
    return OWNERS.of(resource).hospital == "north"


@pytest.fixture
def states(tmp_path: Path) -> tuple[Path, Path]:
    everything = list(world.resources())
    kept = {"hmlops-prod-north-audit": {"retainOnDelete": True}, "north-audit": {"retainOnDelete": True}}
    before = written(tmp_path / "before.json", everything, **kept)
    return before, written(tmp_path / "after.json", [r for r in everything if not of_north(r)])


def test_all_resources_are_destroyed_but_the_retained_ones(states: tuple[Path, Path]) -> None:
    result = destruction(STACK, "north", *states, load())
    dispositions = {entry.name: entry.disposition for entry in result.resources if entry.kind.startswith("aws:")}
    assert not result.problems
    assert dispositions["hmlops-prod-north-raw"] is Disposition.DESTROYED
    assert dispositions["hmlops-prod-north-audit"] is Disposition.RETAINED
    keys = {entry.name: (entry.disposition, entry.detail) for entry in result.resources if entry.kind == KEY}
    assert keys["north-raw"] == (Disposition.PENDING_DELETION, "30 days")
    assert keys["north-audit"] == (Disposition.RETAINED, "")
    assert not [entry for entry in result.resources if "south" in entry.name]


def test_a_remaining_resource_is_shown_with_exit_code_one(states: tuple[Path, Path], tmp_path: Path) -> None:
    remaining = [r for r in world.resources() if not of_north(r) or r.name == "hmlops-prod-north-curated"]
    after = written(tmp_path / "left.json", remaining)
    arguments = ["--stack", STACK, "--hospital", "north", "--before", str(states[0])]
    command_result = CliRunner().invoke(app, ["destruction", *arguments, "--after", str(after)])
    assert command_result.exit_code == 1
    assert "is still in the stack" in command_result.output
    json_result = CliRunner().invoke(app, ["destruction", *arguments, "--after", str(states[1]), "--json"])
    assert json_result.exit_code == 0
    assert json.loads(json_result.output)["hospital"] == "north"


def test_the_account_decides_about_keys_and_buckets(states: tuple[Path, Path]) -> None:
    checked: list[str] = []

    def check(resource: Resource, disposition: Disposition) -> tuple[str, str]:
        checked.append(resource.name)
        return (
            ("enabled", "is not scheduled for deletion")
            if resource.name == "north-raw" and disposition is Disposition.PENDING_DELETION
            else ("", "")
        )

    result = destruction(STACK, "north", *states, load(), check)
    assert [entry.problem for entry in result.problems] == ["is not scheduled for deletion"]
    assert "north-raw" in checked
    assert result.account_checked


def test_an_unknown_hospital_is_refused_in_one_sentence(states: tuple[Path, Path]) -> None:
    with pytest.raises(PackError, match="has no resources of hospital west"):
        destruction(STACK, "west", *states, load())
    arguments = ["--stack", STACK, "--hospital", "west", "--before", str(states[0]), "--after", str(states[1])]
    assert CliRunner().invoke(app, ["destruction", *arguments]).exit_code == 2
