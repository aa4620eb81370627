"""A state that cannot be read is refused in one sentence."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from policy_pack.command import app
from policy_pack.errors import PackError
from policy_pack.evidence import state_reader as sources
from tests.policy.states import run_evidence, state


@pytest.mark.parametrize(
    "content", ["no json", "{}", '{"deployment": {"resources": []}}', '{"deployment": {"resources": [{}]}}']
)
def test_an_invalid_state_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    code, output, out = run_evidence(tmp_path, content)
    assert code == 2
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert not out.exists()


def test_another_stack_s_state_is_refused(tmp_path: Path) -> None:
    code, output, _ = run_evidence(tmp_path, state(), stack="staging")
    assert code == 2
    assert "is of stack prod and not of staging" in output


def test_an_unknown_stack_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "pulumi"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho \"error: no stack named 'nowhere' found\" >&2\nexit 255\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    result = CliRunner().invoke(app, ["evidence", "--stack", "nowhere", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.output.startswith("error: pulumi cannot export stack nowhere (no stack named 'nowhere' found)")
    assert result.output.count("\n") == 1


def test_without_the_engine_a_state_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackError, match="--state"):
        sources.read("prod")
