"""Training on a hospital's own table: dirty columns are understood, told, or refused, never silently learnt."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model.dataset.columns import OTHER, Column, codes
from model.dataset.tables import Words
from model.errors import GateError, UserError
from model.gates import gate_table
from model.training.run import Run, read_pipeline, read_run, read_test
from model.training.train import train

pytestmark = pytest.mark.process

ROWS = 900
WORDS = Words(label="readmitted", patient="patient_id", positive="<30", time="discharged", groups=("sex",))


def hospital() -> pd.DataFrame:
    chance = np.random.default_rng(3)
    patient = chance.integers(0, 500, ROWS)
    age, sodium = chance.normal(60, 15, ROWS).round(), chance.normal(138, 4, ROWS)
    ward = chance.choice(["med", "surg", "icu", "rare 1", "rare 2"], ROWS, p=[0.5, 0.3, 0.19, 0.005, 0.005])
    risk = 1 / (1 + np.exp(1.4 - (age - 60) / 12 - (ward == "icu")))
    again = chance.random(ROWS) < risk
    days = pd.to_datetime("2019-01-01") + pd.to_timedelta(chance.integers(0, 1500, ROWS), unit="D")
    return pd.DataFrame(
        {
            "patient_id": [f"P{p:05d}" for p in patient],
            "encounter": np.arange(ROWS) + 5_000_000,
            "readmitted": np.where(again, "<30", np.where(chance.random(ROWS) < 0.3, ">30", "NO")),
            "discharged": days.strftime("%Y-%m-%d"),
            "admitted": days.strftime("%d.%m.%Y"),
            "age": age.astype(int),
            "sodium": np.where(chance.random(ROWS) < 0.2, "?", [f"{v:.1f}".replace(".", ",") for v in sodium]),
            "ward": np.where(chance.random(ROWS) < 0.1, "", ward),
            "sex": chance.choice(["female", "male"], ROWS),
            "icu": ward == "icu",
            "note": [f"seen by nurse {i} of the day" for i in range(ROWS)],
            "always": 1,
        }
    )


def trained(
    tmp_path: Path, table: pd.DataFrame, *, words: Words = WORDS, profile: str = "demonstration", without: str = ""
) -> Run:
    table.to_csv(tmp_path / "table.csv", index=False, sep=";")
    left = [without] if without else []
    return train(
        str(tmp_path / "table.csv"),
        out=tmp_path / "run",
        profile=profile,
        gates=gate_table(),
        table=words,
        without=left,
    )


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run of the hospital's table as it is lies, which tests only read."""
    folder = tmp_path_factory.mktemp("hospital")
    trained(folder, hospital())
    return folder / "run"


def test_a_dirty_table_is_understood(known: Path) -> None:
    run = read_run(known)
    kinds = {column.name: column.kind for column in run.columns}
    assert kinds == {"age": "numeric", "sodium": "numeric", "ward": "category", "sex": "category", "icu": "numeric"}
    assert set(run.left_out) == {"encounter", "admitted", "note", "always"}
    assert run.candidates["logistic-regression"]["roc_auc"]["low"] > 0.6
    ward = next(column for column in run.columns if column.name == "ward")
    assert ward.categories == ("icu", "med", "surg", OTHER)
    test = read_test(known)
    assert set(test.groups["sex"]) == {"female", "male"}
    assert test.later.any()
    assert not test.later.all()
    unseen = test.values[:3].copy()
    unseen[:, test.names.index("ward")] = [99.0, np.nan, 0.0]
    assert np.isfinite(read_pipeline(known, run).predict_proba(unseen)).all()


def test_parquet_with_its_own_types_gives_the_same_model(known: Path, tmp_path: Path) -> None:
    table = hospital()
    typed = table.assign(sodium=pd.to_numeric(table["sodium"].str.replace(",", "."), errors="coerce"))
    typed["discharged"] = pd.to_datetime(typed["discharged"])
    typed.to_parquet(tmp_path / "table.parquet")
    place = str(tmp_path / "table.parquet")
    second = train(place, out=tmp_path / "b", profile="demonstration", gates=gate_table(), table=WORDS)
    assert read_run(known).pipeline_sha256 == second.pipeline_sha256


@pytest.mark.parametrize("leak", ["copy", "days_until_return", "text"])
def test_a_column_that_tells_the_outcome_is_refused(tmp_path: Path, leak: str) -> None:
    table = hospital()
    hit = table["readmitted"] == "<30"
    leaks: dict[str, pd.Series[Any]] = {
        "copy": pd.Series(np.where(hit, 1, 0)),
        "days_until_return": pd.Series(np.where(hit, 12.0, np.nan)),
        "text": pd.Series(np.where(hit, "z", "q")),
    }
    table = table.assign(extra=leaks[leak])
    with pytest.raises(GateError, match=r"extra alone predicts the outcome.*--without extra"):
        trained(tmp_path, table)
    assert "extra" not in trained(tmp_path, table, without="extra").features


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (Words("readmited", "patient_id"), "did you mean readmitted"),
        (Words("readmitted", "patientid"), "did you mean patient_id"),
        (Words("readmitted", "patient_id"), "--positive"),
        (Words("readmitted", "patient_id", positive="soon"), "check its spelling"),
        (Words("readmitted", "patient_id", positive="<30", time="ward"), "cannot be read as dates"),
        (Words("note", "patient_id", positive="x", groups=("nothing",)), "no column nothing"),
    ],
)
def test_wrong_words_are_one_sentence(tmp_path: Path, words: Words, told: str) -> None:
    with pytest.raises(UserError, match=told):
        trained(tmp_path, hospital(), words=words)


def test_what_cannot_make_a_model_is_refused(tmp_path: Path) -> None:
    table = hospital()
    with pytest.raises(GateError, match=r"always.*--without always"):
        trained(tmp_path, table, profile="clinical")
    with pytest.raises(GateError, match="discharges to train on"):
        trained(tmp_path, table.head(10))
    with pytest.raises(GateError, match="needs both outcomes"):
        trained(tmp_path, table.assign(readmitted="<30"))
    with pytest.raises(UserError, match="Unknown feature agee in --without; did you mean age"):
        trained(tmp_path, table, without="agee")
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_table_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"PAR1 but not really")
    with pytest.raises(UserError, match="cannot be read as Parquet or CSV"):
        train(str(tmp_path / "x.csv"), out=tmp_path / "r", profile="clinical", gates=gate_table(), table=WORDS)


def test_codes_know_rare_and_empty_values() -> None:
    column = Column("ward", "category", ("icu", "med", OTHER))
    assert codes(column, ["med", "never seen", "icu"]).tolist() == [1, 2, 0]
    assert np.isnan(codes(column, [None, " ", float("nan")])).all()
    assert np.isnan(codes(Column("ward", "category", ("icu",)), ["med"])).all()


def test_the_run_names_what_it_was_told(known: Path) -> None:
    written = json.loads((known / "run.json").read_text())
    assert written["made_from"]["table"]["label"] == "readmitted"
    assert written["left_out"]["note"] == "a text that tells rows or patients apart"
    assert "P000" not in json.dumps(written)
