"""A release of an own table: verified, carded, scored and served with its own columns, text in, code inside."""

import asyncio
import json
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pytest
from mlserver.errors import InferenceError
from mlserver.settings import ModelSettings
from mlserver.types import Datatype, InferenceRequest, InferenceResponse, RequestInput

from model.artifact import files
from model.artifact.trust import TRUSTED_KEYS
from model.dataset.columns import OTHER
from model.dataset.tables import Rows, Words, describe, read_table
from model.errors import UserError
from model.evaluation.run import evaluate
from model.gates import gate_table
from model.release.publish import release
from model.release.signing import LocalSigner
from model.release.verify import verify
from model.scoring import Contract, Scorer
from model.scoring.latest_row import latest_row
from model.training.run import read_fit, read_run
from model.training.train import train
from services.model_server import ReadmissionModel

pytestmark = pytest.mark.process

ROWS = 700
T = TypeVar("T")


def hospital() -> pd.DataFrame:
    chance = np.random.default_rng(11)
    ward = chance.choice(["med", "surg", "icu", "annex"], ROWS, p=[0.5, 0.3, 0.195, 0.005])
    age = chance.normal(62, 14, ROWS).round()
    again = chance.random(ROWS) < 1 / (1 + np.exp(2.2 - (age - 60) / 15 - 1.5 * (ward == "icu")))
    days = pd.to_datetime("2021-01-01") + pd.to_timedelta(chance.integers(0, 900, ROWS), unit="D")
    sodium = [f"{value:.1f}".replace(".", ",") for value in chance.normal(138, 4, ROWS)]
    return pd.DataFrame(
        {
            "mrn": chance.integers(100, 480, ROWS).astype(str),
            "left on": days.strftime("%d/%m/%Y"),
            "age": age.astype(int).astype(str),
            "sodium": np.where(chance.random(ROWS) < 0.03, "<120", sodium),
            "ward": np.where(chance.random(ROWS) < 0.1, "?", ward),
            "clinic": chance.choice(["1", "2", "30"], ROWS),
            "smoker": chance.choice(["True", "False", ""], ROWS),
            "always": "x",
            "back": np.where(again, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder of a table, its run and its release."""
    folder = tmp_path_factory.mktemp("own")
    hospital().to_csv(folder / "table.csv", index=False, sep=";")
    words = Words(label="back", patient="mrn", time="left on", categorical=("clinic",), groups=("ward",))
    place, run = str(folder / "table.csv"), folder / "run"
    train(place, out=run, profile="demonstration", gates=gate_table(), table=words, hospital="south")
    evaluate(run)
    done = release(run, version="v1", to=str(folder / "models"), signer=LocalSigner(folder / "key"))
    Path(done.place).rename(folder / done.digest[:12])
    (folder / "release").symlink_to(folder / done.digest[:12])
    return folder


@pytest.fixture
def place(made: Path) -> Path:
    return (made / "release").resolve()


@pytest.fixture
def scorer(place: Path) -> Scorer:
    return Scorer.open(str(place))


def row(made: Path, scorer: Scorer, tmp_path: Path, **changed: str) -> dict[str, Any]:
    """Return what the score command takes of a table of one row, without outcome and patient."""
    table = hospital().head(1).drop(columns=["back", "always", "mrn"]).assign(**changed)
    table.to_csv(tmp_path / "one.csv", index=False)
    assert scorer.contract.table is not None
    found = latest_row(str(tmp_path / "one.csv"), scorer.contract, scorer.contract.table, "any")
    return dict(found.columns)


def test_such_a_release_holds(made: Path, place: Path) -> None:
    found = verify(str(place))
    assert [check.name for check in found.checks if not check.holds] == []
    assert "5 columns of the hospital's own table" in {c.name: c.found for c in found.checks}["contract"]
    text = (place / files.CARD_FILE).read_text()
    assert "south" in text
    assert "feature definitions" not in text
    assert json.loads((made / "run" / "evaluation.json").read_text())["data_contract"]["same_definitions"] is None


@pytest.mark.parametrize("name", [files.SERVER_FILE, files.REFERENCE_FILE, files.CONTRACT_FILE])
def test_a_contract_that_another_file_does_not_share_fails(place: Path, tmp_path: Path, name: str) -> None:
    content = {path.name: path.read_bytes() for path in place.iterdir() if path.name != files.SIGNATURE_FILE}
    content.pop(files.LIST_FILE)
    changed = json.loads(content[name])
    listed = {files.SERVER_FILE: "inputs", files.REFERENCE_FILE: "names", files.CONTRACT_FILE: "required"}[name]
    changed[listed] = changed[listed][::-1]
    content[name] = json.dumps(changed).encode()
    file_list = files.listed(content)
    folder = tmp_path / files.digest_of(file_list)[:12]
    shutil.copytree(place, folder)
    (folder / name).write_bytes(content[name])
    (folder / files.LIST_FILE).write_bytes(file_list)
    signature = LocalSigner(tmp_path / "key").sign(file_list)
    (folder / files.SIGNATURE_FILE).write_text(json.dumps(vars(signature)))
    failed = {check.name: check.found for check in verify(str(folder)).checks if not check.holds}
    assert f"{name} has other features" in failed["contract"]


def test_every_row_is_read_as_training_read_it(made: Path, scorer: Scorer) -> None:
    run, table = read_run(made / "run"), read_table(str(made / "table.csv")).frame
    everybody = np.ones(ROWS, dtype=bool)
    rows, words = Rows(everybody, everybody, np.zeros(0)), Words(label="back", patient="mrn", categorical=("clinic",))
    assert scorer.contract.table is not None
    for number in range(0, ROWS, 70):
        one = table.iloc[[number]]
        one.to_csv(made / "row.csv", index=False)
        found = latest_row(str(made / "row.csv"), scorer.contract, scorer.contract.table, "any")
        values = scorer.matrix(found.columns)[0]
        for place, column in enumerate(run.columns):
            category = column.kind == "category"
            whole = describe(table[column.name], rows, words)
            assert not isinstance(whole, str)
            if category:
                texts = column.categories[int(values[place])] if not np.isnan(values[place]) else "?"
                assert texts in (one[column.name].iloc[0], OTHER)
            else:
                assert np.array_equal(values[place], whole.values[number], equal_nan=True)


def test_unknown_levels_numbers_and_missing_columns(made: Path, scorer: Scorer, tmp_path: Path) -> None:
    known = row(made, scorer, tmp_path, ward="icu", sodium="141,5", smoker="true", clinic="30")
    assert known | {"age": []} == {"age": [], "sodium": [141.5], "ward": ["icu"], "clinic": ["30"], "smoker": [1.0]}
    assert row(made, scorer, tmp_path, sodium="<120", ward="?")["sodium"] == [120.0]
    assert row(made, scorer, tmp_path, sodium="hemolysed", ward="?")["sodium"] == [None]
    strange = scorer.matrix(row(made, scorer, tmp_path, ward="Atlantis"))
    [score] = scorer.score(strange)
    assert scorer.contract.features[scorer.names.index("ward")].shown(strange[0, scorer.names.index("ward")]) == OTHER
    assert any("ward: a level rare or absent in the training data" in warning for warning in score.warnings)
    hospital().drop(columns=["ward", "age"]).to_csv(tmp_path / "less.csv", index=False)
    assert scorer.contract.table is not None
    with pytest.raises(UserError, match=r"lacks age, ward, which the release takes"):
        latest_row(str(tmp_path / "less.csv"), scorer.contract, scorer.contract.table, "any")
    with pytest.raises(UserError, match="not FHIR"):
        latest_row(str(tmp_path / "patient.json"), scorer.contract, scorer.contract.table, "any")


def test_the_latest_row_of_a_patient_is_chosen(made: Path, scorer: Scorer) -> None:
    table, place = hospital(), str(made / "table.csv")
    assert scorer.contract.table is not None
    someone = table["mrn"].value_counts().index[0]
    moments = pd.to_datetime(table["left on"], format="%d/%m/%Y")
    newest = table.loc[moments[table["mrn"] == someone].sort_values(kind="stable").index[-1]]
    found = latest_row(place, scorer.contract, scorer.contract.table, f" {someone} ")
    assert (found.patient, found.columns["age"]) == (someone, [float(newest["age"])])
    with pytest.raises(UserError, match="no row of that patient") as fault:
        latest_row(place, scorer.contract, scorer.contract.table, "990099")
    assert "990099" not in str(fault.value)


def test_times_and_numbers_are_read_as_training_decided_by_its_whole_columns(
    made: Path, scorer: Scorer, tmp_path: Path
) -> None:
    table = scorer.contract.table
    assert table is not None
    assert table.time_written == "day-first"
    two = hospital().head(2).assign(mrn="1", sodium=["1.138,4", "x"])
    # No day over 12 here: what the training table showed decides.
    two.assign(**{"left on": ["03/02/2024", "02/03/2024"], "age": ["40", "70"]}).to_csv(tmp_path / "a.csv", index=False)
    assert latest_row(str(tmp_path / "a.csv"), scorer.contract, table, "1").columns["age"] == [70.0]
    two.assign(**{"left on": ["02/03/2024", "03/02/2024"], "age": ["40", "70"]}).to_csv(tmp_path / "b.csv", index=False)
    found = latest_row(str(tmp_path / "b.csv"), scorer.contract, table, "1")
    assert (found.columns["age"], found.columns["sodium"]) == ([40.0], [None])
    assert found.cautions == ("sodium is not written as in training, so it is taken as missing",)
    two.assign(**{"left on": ["02/03/2024", "02/28/2024"]}).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(UserError, match="1 of the patient's 2 times are not written as in training"):
        latest_row(str(tmp_path / "c.csv"), scorer.contract, table, "1")


def test_a_contract_of_before_reads_numbers_as_before_and_times_by_the_table_itself(
    place: Path, scorer: Scorer, tmp_path: Path
) -> None:
    schema = json.loads((place / files.CONTRACT_FILE).read_text())
    schema["x-table"] = {"patient": "mrn", "time": "left on"}
    for name, about in schema["properties"].items():
        about.pop("x-missing")
        about |= {"x-written": {"sodium": ",", "smoker": "true"}.get(name, ".")} if "x-written" in about else {}
    before = Contract(schema)
    assert before.table is not None
    row = hospital().head(1).assign(mrn="1", sodium="141,5", smoker="True")
    row.assign(**{"left on": "28/02/2024"}).to_csv(tmp_path / "a.csv", index=False)
    found = latest_row(str(tmp_path / "a.csv"), before, before.table, "1").columns
    assert (found["sodium"], found["smoker"]) == ([141.5], [1.0])
    row.assign(**{"left on": "02/03/2024"}).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(UserError, match="does not show whether the day or the month"):
        latest_row(str(tmp_path / "b.csv"), before, before.table, "1")


def test_the_card_names_what_was_decided_and_compared(made: Path, place: Path) -> None:
    evaluation = json.loads((made / "run" / "evaluation.json").read_text())
    assert evaluation["baseline_name"] == "age alone"
    assert evaluation["over_lace"]["value"] == pytest.approx(
        evaluation["roc_auc"]["value"] - evaluation["lace_roc_auc"]["value"]
    )
    assert evaluation["net_benefit"]["over_lace"] is None
    text = (place / files.CARD_FILE).read_text()
    assert "so the model is compared with age alone and with the base rate" in text
    assert "ROC-AUC over age alone" in text
    assert "left on: dates read as day/month/year because" in text
    assert "LACE index on the same discharges" not in text


def asked(runtime: ReadmissionModel, columns: dict[str, Any], **kinds: str) -> InferenceResponse:
    inputs = [
        RequestInput(
            name=name,
            datatype=kinds.get(name, "BYTES" if isinstance(values[0], str | bytes) else "FP64"),
            shape=[len(values), 1],
            data=values,
        )
        for name, values in columns.items()
    ]
    return finished(runtime.predict(InferenceRequest(inputs=inputs)))


def finished(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def test_the_server_takes_categories_as_text(
    made: Path, place: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED_KEYS, LocalSigner(made / "key").public_keys()["v1"])
    settings = ModelSettings.parse_file(str(place / files.SERVER_FILE))
    assert {i.name: Datatype(i.datatype) for i in settings.inputs}["ward"] is Datatype.BYTES
    runtime = ReadmissionModel(settings)
    assert finished(runtime.load())
    good: dict[str, Any] = {"age": [70], "sodium": [140.5], "ward": ["icu"], "clinic": ["30"], "smoker": [None]}
    wanted = scorer.risks(scorer.matrix(good)).tolist()
    levels = scorer.contract.features[scorer.names.index("ward")].categories
    for same in (good, good | {"ward": [b"icu"]}, good | {"ward": [levels.index("icu")]}):
        answer = asked(runtime, same)
        assert {output.name: output.data.root for output in answer.outputs}["risk"] == pytest.approx(wanted, abs=1e-12)
    with pytest.raises(InferenceError, match="age is a number and was given as text"):
        asked(runtime, good | {"age": ["seventy"]})
    with pytest.raises(InferenceError, match="clinic is a category whose levels are numbers; give the level as text"):
        asked(runtime, good | {"clinic": [1]})
    with pytest.raises(InferenceError, match="must be UTF-8"):
        asked(runtime, good | {"ward": [b"\xff"]})
    with pytest.raises(InferenceError, match="must be texts or null"):
        asked(runtime, good | {"ward": [1.5]}, ward="BYTES")
    with pytest.raises(InferenceError, match="must be numbers or null"):
        asked(runtime, good | {"ward": ["icu"]}, ward="FP64")
    with pytest.raises(InferenceError, match="missing: ward"):
        asked(runtime, {name: values for name, values in good.items() if name != "ward"})


def test_a_hospital_s_name_must_be_one_that_keys_and_registry_take(made: Path, tmp_path: Path) -> None:
    words = Words(label="back", patient="mrn")
    with pytest.raises(UserError, match="--hospital must be lower-case letters"):
        train(
            str(made / "table.csv"),
            out=tmp_path / "run",
            profile="demonstration",
            gates=gate_table(),
            table=words,
            hospital="St. Mary/A:1",
        )


def test_training_rows_and_contract_have_the_same_columns(made: Path, scorer: Scorer) -> None:
    assert read_fit(made / "run").names == scorer.names
    assert "always" not in scorer.names
