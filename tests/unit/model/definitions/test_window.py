"""The readmission window is one number: with another one in the definitions, everything that depends on it moves."""

import functools
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from model.artifact import files
from model.artifact.files import REPORT_FILE
from model.cli.app import app
from model.curated.run import ingest
from model.definitions import features as module
from model.definitions.features import LABEL, Definitions, definitions
from model.definitions.window import UNRECORDED_DAYS
from model.errors import UserError
from model.evaluation.run import evaluate
from model.features.build import Featurised, build
from model.gates import gate_table
from model.release.publish import release
from model.release.signing import LocalSigner
from model.scoring import Scorer
from model.scoring.lineage import Lineage
from model.synthesis.population import simulate
from model.training.run import RUN_FILE, read_run
from model.training.train import train
from tests.support.model.model_world import RING, world
from tests.support.repository import REPOSITORY as REPOSITORY

pytestmark = pytest.mark.process

CACHED = (module.definitions, module.digest)
LINE = "  return_days: {}\n"


@dataclass(frozen=True)
class Built:
    """What a hospital gives under another window."""

    root: Path
    features: Featurised
    said: str
    release: str


def forget() -> None:
    for cached in CACHED:
        cached.cache_clear()


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    yield
    forget()


def widen(monkeypatch: pytest.MonkeyPatch, folder: Path, days: object) -> None:
    """Let the definitions' file say another window, and nothing else."""
    text, shipped = module.DEFINITIONS_FILE.read_text(encoding="utf-8"), definitions().stay.return_days
    assert text.count(LINE.format(shipped)) == 1
    changed = folder / "definitions.yaml"
    changed.write_text(text.replace(LINE.format(shipped), LINE.format(days)), encoding="utf-8")
    monkeypatch.setattr(module, "DEFINITIONS_FILE", changed)
    forget()


@functools.cache
def before() -> Featurised:
    root = world().root
    return build(str(world().curated), out=str(root / "again.parquet"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    root, monkeypatch = tmp_path_factory.mktemp("window"), pytest.MonkeyPatch()
    before()
    widen(monkeypatch, root, 60)
    ingest(str(world().fhir), hospital="north", out=str(root / "curated"), ring=RING)
    asked = ["features", str(root / "curated"), "--out", str(root / "f.parquet")]
    said = CliRunner().invoke(app, asked, catch_exceptions=False).output
    done = build(str(root / "curated"), out=str(root / "f.parquet"))
    train(str(root / "f.parquet"), out=root / "run", profile="demonstration", gates=gate_table())
    evaluate(root / "run")
    signer = LocalSigner(root / "key")
    place = release(root / "run", version="v1", to=str(root / "models"), signer=signer).place
    monkeypatch.undo()
    forget()
    return Built(root, done, said, place)


def test_the_counts_of_labelled_and_readmitted_move(built: Built) -> None:
    narrow, wide = before(), built.features
    assert (narrow.return_days, wide.return_days) == (definitions().stay.return_days, 60)
    assert wide.discharges == narrow.discharges
    assert wide.labelled < narrow.labelled
    assert wide.readmitted > narrow.readmitted


def test_a_label_is_known_when_the_window_was_observed(built: Built) -> None:
    keys = ["patient_id", "index_id"]
    rows = {
        days: pq.read_table(place).sort_by([(key, "ascending") for key in keys]).to_pylist()
        for days, place in ((30, world().root / "again.parquet"), (60, built.root / "f.parquet"))
    }
    pairs = list(zip(rows[30], rows[60], strict=True))
    assert all([one[key] for key in keys] == [other[key] for key in keys] for one, other in pairs)
    moved = {(one[LABEL], other[LABEL]) for one, other in pairs}
    # Nothing becomes known, and no readmission is lost, by waiting longer.
    assert moved <= {(a, b) for a in (True, False, None) for b in (True, False, None)} - {(None, True), (None, False)}
    assert {(False, True), (False, None)} <= moved
    assert (True, False) not in moved


def test_messages_split_reports_and_cards_name_it(built: Built) -> None:
    run = read_run(built.root / "run")
    assert "readmitted within 60 days" in built.said
    assert (run.return_days, run.made_from["return_days"]) == (60, 60)
    assert "(60 days of follow-up)" in run.split
    texts = {
        "report": (built.root / "run" / REPORT_FILE).read_text(encoding="utf-8"),
        "card": Path(built.release, files.CARD_FILE).read_text(encoding="utf-8"),
    }
    assert "<h1>60-day readmission: evaluation</h1>" in texts["report"]
    assert "followed by a readmission within 60 days" in texts["report"]
    assert "followed by a readmission within 60 days" in texts["card"]
    assert "inpatient stay within 60 days of discharge" in texts["card"]
    assert "those whose 60 days were not yet observed" in texts["card"]
    for text in texts.values():
        assert not re.search(r"\b30[ -]day", text)


def test_training_waits_for_outcomes_as_long_as_the_window(built: Built) -> None:
    counts = {
        days: json.loads((folder / RUN_FILE).read_text())["counts"]
        for days, folder in ((30, world().run), (60, built.root / "run"))
    }
    assert counts[60]["training_discharges"] < counts[30]["training_discharges"]


def test_a_release_keeps_the_window_that_it_was_built_for(built: Built) -> None:
    assert definitions().stay.return_days != 60
    assert Scorer.open(built.release).return_days == 60
    asked = ["score", built.release, str(built.root / "rows.parquet"), "--json"]
    pq.write_table(pq.read_table(world().features), built.root / "rows.parquet")
    answer = json.loads(CliRunner().invoke(app, asked, catch_exceptions=False).output)
    assert answer["return_days"] == 60
    shown = CliRunner().invoke(app, asked[:-1], catch_exceptions=False).output
    assert re.search(r"risk [0-9.]+% within 60 days, ", shown)


def test_tables_and_features_of_another_window_are_refused(built: Built) -> None:
    with pytest.raises(UserError, match=r"window of 60 days, but \S+ has return_days: 30"):
        build(str(built.root / "curated"), out=str(built.root / "no.parquet"))
    with pytest.raises(UserError, match="other feature definitions"):
        train(str(built.root / "f.parquet"), out=built.root / "no", profile="demonstration", gates=gate_table())


def test_a_release_from_before_it_was_recorded_has_the_one_of_then() -> None:
    about = {"model": "readmission-risk-v1", "version": "v1"}
    assert Lineage.model_validate(about | {"made_from": {}}).window == UNRECORDED_DAYS
    assert Lineage.model_validate(about | {"made_from": {}, "return_days": 7}).window == 7
    assert Lineage.model_validate(about | {"made_from": {"table": {}}, "return_days": 7}).window is None


def test_the_synthetic_population_returns_within_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def waits() -> list[timedelta]:
        lives = [simulate(number, 3).stays for number in range(150)]
        return [b.start - a.end for stays in lives for a, b in itertools.pairwise(stays)]

    narrow = waits()
    widen(monkeypatch, tmp_path, 90)
    wide = waits()
    days = definitions().stay.return_days
    assert days == 90
    # Nobody returns on the last half day of the window, nor on the day after it: then the truth file would be blurred.
    edge = timedelta(days=1)
    for window, found in ((timedelta(days=30), narrow), (timedelta(days=90), wide)):
        assert not [wait for wait in found if window - edge / 2 < wait < window + edge]
        assert [wait for wait in found if wait <= window]
    assert [wait for wait in wide if timedelta(days=60) < wait < timedelta(days=89)]


@pytest.mark.parametrize("days", [0, -30, 1.5, '"a month"', "null", ".inf"])
def test_what_is_not_a_number_of_days_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, days: object) -> None:
    widen(monkeypatch, tmp_path, days)
    with pytest.raises(ValidationError, match="return_days"):
        definitions()


def test_without_it_there_are_no_definitions() -> None:
    table: dict[str, Any] = definitions().model_dump()
    del table["stay"]["return_days"]
    with pytest.raises(ValidationError, match="return_days"):
        Definitions.model_validate(table)


def test_no_other_place_writes_the_number() -> None:
    days = definitions().stay.return_days
    written = re.compile(rf"\b({days}|thirty)[- ]days?\b|_days:? *=? *{days}\b|days={days}\b", re.IGNORECASE)
    places = [p for folder in ("model", "services", "bench") for p in (REPOSITORY / folder).rglob("*.*") if p.is_file()]
    text = {p: p.read_text(encoding="utf-8") for p in places if p.suffix in {".py", ".yaml", ".sql", ".md", ".html"}}
    page = REPOSITORY / "docs" / "model.md"
    text[page] = page.read_text(encoding="utf-8")
    found = {f"{p.relative_to(REPOSITORY)}: {line.strip()}" for p, all_ in text.items() for line in all_.splitlines()
             if written.search(line)}  # fmt: skip
    assert found == {
        f"model/definitions/features.yaml: return_days: {days}",
        f"model/definitions/window.py: UNRECORDED_DAYS = {days}",
    }
    assert yaml.safe_load(module.DEFINITIONS_FILE.read_text())["stay"]["return_days"] == days
