"""The `hmlops` command: its groups are the packages' own commands, with their exit codes and completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hmlops.console import GROUPS
from tests.support.repository import REPOSITORY

pytestmark = pytest.mark.process


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hmlops", *words]
    return subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | env, capture_output=True, text=True, check=False, timeout=120
    )


def completed(line: str) -> set[str]:
    done = run(_HMLOPS_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" ")))
    return set(done.stdout.split())


def test_help_names_the_groups() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_the_packages_own_command(group: str) -> None:
    done = run(group, "--help")
    assert done.returncode == 0
    assert f"hmlops {group}" in done.stdout


def test_a_mistake_is_one_sentence_and_an_exit_code(tmp_path: Path) -> None:
    done = run("model", "card", str(tmp_path / "nothing"), "--out", str(tmp_path / "card.html"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert run("policy", "check", "--state", str(tmp_path / "nothing")).returncode == 2
    assert run("modle").returncode == 2


def test_commands_and_options_are_completed() -> None:
    assert completed("hmlops ") >= set(GROUPS)
    assert completed("hmlops model ver") == {"verify"}
    assert "up" in completed("hmlops local ")
