"""The command line: its words, its exit codes, and one sentence for every fault."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from model.cli.app import app
from tests.support.model.model_command import call
from tests.support.model.model_world import world

pytestmark = pytest.mark.process

COMMANDS = (
    "synthesize", "ingest", "features", "train", "evaluate",
    "submit", "release", "verify", "score", "card", "reidentify",
)  # fmt: skip


def test_the_words_are_those_of_the_contract() -> None:
    assert (
        tuple(command.name or command.callback.__name__ for command in app.registered_commands if command.callback)
        == COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert call(monkeypatch, command, "--help") == 0
    assert "--json" in capsys.readouterr().out


def test_the_whole_way_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str, code: int = 0) -> dict[str, object]:
        assert call(monkeypatch, *words, "--json") == code
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    key, sign = ("--key-file", str(tmp_path / "key")), ("--key-file", str(tmp_path / "sign"))
    fhir, curated, table, run = (str(tmp_path / name) for name in ("fhir", "curated", "f.parquet", "run"))
    assert said("synthesize", "--patients", "160", "--seed", "5", "--out", fhir)["patients"] == 160
    assert said("ingest", fhir, "--hospital", "north", "--out", curated, *key)["changed"] is True
    assert said("ingest", fhir, "--hospital", "north", "--out", curated, *key)["changed"] is False
    assert said("features", curated, "--out", table)["discharges"]
    assert said("train", table, "--out", run, "--profile", "demonstration")["profile"] == "demonstration"
    assert said("evaluate", run)["passed"] is True
    place = str(said("release", run, "--version", "v1", "--to", str(tmp_path / "m"), *sign)["place"])
    assert said("verify", place, *sign)["trusted"] is True
    score = said("score", place, table)
    assert 0 < float(str(score["risk"])) < 1
    assert str(score["reasons"]).count("contribution") == 3
    said("card", place, "--out", str(tmp_path / "card.html"))
    assert (tmp_path / "card.html").read_text().startswith("<!doctype html>")


def test_a_gate_is_exit_code_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(world().features).slice(0, 30), few)
    assert call(monkeypatch, "train", str(few), "--out", str(tmp_path / "run"), "--profile", "clinical") == 1
    told = capsys.readouterr().err
    assert told.startswith("refused: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("synthesize", "--patients", "0", "--out", "x"),
        ("ingest", "/nowhere", "--hospital", "north", "--out", "/nowhere/out", "--key-file", "{tmp}/key"),
        ("features", "/nowhere", "--out", "x"),
        ("train", "/nowhere", "--out", "x"),
        ("train", "/nowhere", "--out", "x", "--gates", "/nowhere"),
        ("evaluate", "/nowhere"),
        ("release", "/nowhere", "--version", "v1", "--to", "x"),
        ("verify", "/nowhere"),
        ("score", "/nowhere", "/nowhere"),
        ("card", "/nowhere", "--out", "x"),
    ],
)
def test_bad_input_is_exit_code_two_and_one_sentence(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *(word.format(tmp=tmp_path) for word in words)) == 2
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert told.err.splitlines()[-1].startswith("error: ")
    assert told.out == ""


def loaded(module: str, *asked: str) -> list[str]:
    """Return which of the modules asked for are loaded by importing one."""
    code = f"import sys, {module}; print(*(m for m in {asked!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_no_command_loads_what_another_needs() -> None:
    assert loaded("model.cli.app", "pyarrow", "sklearn", "pydantic") == []
    assert loaded("model.curated.run", "mlserver", "sklearn", "boto3") == []


def test_the_server_loads_only_what_its_image_has() -> None:
    absent = ("duckdb", "ibis", "boto3", "hvac", "jinja2", "mistune", "cyclonedx", "mlflow", "yaml")
    assert loaded("model.scoring", *absent) == []
    assert loaded("services.model_server", *absent) == []
