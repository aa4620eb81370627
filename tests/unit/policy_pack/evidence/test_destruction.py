"""What became of a hospital that left, told from two states."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from policy_pack.command import app
from policy_pack.errors import PackError
from policy_pack.evidence.destruction import Fate, destruction
from policy_pack.facts.ownership import Places
from policy_pack.settings import load
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import KEY
from tests.policy import world
from tests.policy.made import STACK
from tests.unit.policy_pack.test_stacks import exported


def written(path: Path, resources: list[Resource], **marks: Any) -> Path:
    state = exported(resources)
    for entry in state["deployment"]["resources"]:
        entry |= marks.get(entry["urn"].rpartition("::")[2], {})
    path.write_text(json.dumps(state))
    return path


WHOSE = Places(Graph(world.resources(), STACK), load())


def of_north(resource: Resource) -> bool:
    return WHOSE.of(resource).hospital == "north"


@pytest.fixture
def states(tmp_path: Path) -> tuple[Path, Path]:
    everything = list(world.resources())
    kept = {"hmlops-prod-north-audit": {"retainOnDelete": True}, "north-audit": {"retainOnDelete": True}}
    before = written(tmp_path / "before.json", everything, **kept)
    return before, written(tmp_path / "after.json", [r for r in everything if not of_north(r)])


def test_all_of_a_hospital_is_gone_but_what_the_law_keeps(states: tuple[Path, Path]) -> None:
    found = destruction(STACK, "north", *states, load())
    fates = {entry.name: entry.fate for entry in found.ended if entry.kind.startswith("aws:")}
    assert not found.faults
    assert fates["hmlops-prod-north-raw"] is Fate.DESTROYED
    assert fates["hmlops-prod-north-audit"] is Fate.KEPT
    keys = {entry.name: (entry.fate, entry.detail) for entry in found.ended if entry.kind == KEY}
    assert keys["north-raw"] == (Fate.WAITING, "30 days")
    assert keys["north-audit"] == (Fate.KEPT, "")
    assert not [entry for entry in found.ended if "south" in entry.name]


def test_what_remains_is_told_and_ends_with_one(states: tuple[Path, Path], tmp_path: Path) -> None:
    left = [r for r in world.resources() if not of_north(r) or r.name == "hmlops-prod-north-curated"]
    after = written(tmp_path / "left.json", left)
    given = ["--stack", STACK, "--hospital", "north", "--before", str(states[0])]
    done = CliRunner().invoke(app, ["destruction", *given, "--after", str(after)])
    assert done.exit_code == 1
    assert "is still in the stack" in done.output
    whole = CliRunner().invoke(app, ["destruction", *given, "--after", str(states[1]), "--json"])
    assert whole.exit_code == 0
    assert json.loads(whole.output)["hospital"] == "north"


def test_the_account_has_the_last_word(states: tuple[Path, Path]) -> None:
    asked: list[str] = []

    def ask(resource: Resource, fate: Fate) -> tuple[str, str]:
        asked.append(resource.name)
        return (
            ("enabled", "is not to be deleted") if resource.name == "north-raw" and fate is Fate.WAITING else ("", "")
        )

    found = destruction(STACK, "north", *states, load(), ask)
    assert [entry.wrong for entry in found.faults] == ["is not to be deleted"]
    assert "north-raw" in asked
    assert found.asked_account


def test_a_hospital_that_was_never_there_is_one_sentence(states: tuple[Path, Path]) -> None:
    with pytest.raises(PackError, match="holds nothing of hospital west"):
        destruction(STACK, "west", *states, load())
    given = ["--stack", STACK, "--hospital", "west", "--before", str(states[0]), "--after", str(states[1])]
    assert CliRunner().invoke(app, ["destruction", *given]).exit_code == 2
