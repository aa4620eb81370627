"""Which interpreter runs a program, and what an import shows."""

import sys
import unittest.mock
from pathlib import Path
from types import SimpleNamespace

import pytest

from local.errors import UserError
from local.plugins.host.interpreters import find, install_command
from local.plugins.host.language import Host


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("UV_PROJECT_ENVIRONMENT", raising=False)
    return tmp_path


def environment(folder: Path) -> Path:
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return python


def test_without_options_the_host_s_own_interpreter_runs_it(project: Path) -> None:
    assert find({}, project, project) == Path(sys.executable)


def test_an_active_environment_is_used(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = environment(project / "active")
    monkeypatch.setenv("VIRTUAL_ENV", str(project / "active"))
    assert find({}, project, project) == python


def test_a_named_environment_is_relative_to_the_project(project: Path) -> None:
    python = environment(project / "venv")
    assert find({"virtualenv": "venv"}, project, project / "src") == python


def test_uv_looks_upwards(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = environment(project / ".venv")
    assert find({"toolchain": "uv"}, project, project / "src") == python
    chosen = environment(project / "src" / "elsewhere")
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", "elsewhere")
    assert find({"toolchain": "uv"}, project, project / "src") == chosen


def test_a_missing_environment_says_how_to_make_it(project: Path) -> None:
    with pytest.raises(UserError, match="does not exist; run `pulumi install` or `uv sync`"):
        find({"virtualenv": "venv"}, project, project)


def test_another_toolchain_is_refused(project: Path) -> None:
    with pytest.raises(UserError, match="toolchain poetry"):
        find({"toolchain": "poetry"}, project, project)


def test_dependencies_are_installed_with_what_the_program_has(project: Path) -> None:
    assert install_command({}, project, project) == []
    (project / "requirements.txt").touch()
    made, installed = install_command({"virtualenv": "venv"}, project, project)
    assert made[1:3] == ["-m", "venv"]
    assert installed[1:3] == ["-m", "pip"]
    (project / "uv.lock").touch()
    assert install_command({}, project, project) == [["uv", "sync"]]


def test_what_was_imported_is_shown_as_a_comment() -> None:
    request = SimpleNamespace(source={"b.pp": "resource b {\n}", "a.pp": "resource a {\n\n}"})
    answer = Host("").GenerateProgram(request, unittest.mock.Mock())
    [(name, text)] = answer.source.items()
    lines = text.decode().splitlines()
    assert name == "__main__.py"
    assert lines[1:] == ["# resource a {", "#", "# }", "# resource b {", "# }"]
