"""Groups of patients beside the features: no column of the model comes from them."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from model.curated.run import ingest
from model.dataset.dataset import labelled
from model.definitions.features import GROUPS, definitions, group_column
from model.errors import UserError
from model.features.build import build
from model.features.feature_file import file_content, load
from model.fhir.resource_types import NEEDED
from model.fhir_server.credentials import Auth, Credentials
from model.fhir_server.wire import Clock, Wire
from model.gates import gate_table
from model.training.run import read_pipeline, read_run, read_test
from model.training.sources import from_features
from model.training.train import train
from tests.support.model.model_world import RING, world

pytestmark = pytest.mark.process


def _permuted(table: pa.Table, seed: int) -> pa.Table:
    order = np.random.default_rng(seed).permutation(table.num_rows)
    for name in GROUPS:
        column = table[group_column(name)].combine_chunks().take(pa.array(order))
        table = table.set_column(table.column_names.index(group_column(name)), group_column(name), column)
    return table


def test_no_column_of_the_model_comes_from_a_group_and_predictions_do_not_depend_on_them(tmp_path: Path) -> None:
    names = set(map(group_column, GROUPS))
    table, made_from = load(str(world().features))
    assert names <= set(table.column_names)
    assert all(table[name].null_count < table.num_rows for name in names - {"group_deprivation"})
    changed = _permuted(table, 3)
    assert not changed.equals(table)
    (tmp_path / "permuted.parquet").write_bytes(file_content(changed, made_from))
    train(str(tmp_path / "permuted.parquet"), out=tmp_path / "run", profile="demonstration", gates=gate_table())
    first, second = read_run(world().run), read_run(tmp_path / "run")
    assert set(first.features) <= set(definitions().names)
    assert not names & {*first.features, *(column.name for column in first.columns), *first.left_out}
    assert (first.features, first.columns, first.definition_digest) == (
        second.features,
        second.columns,
        second.definition_digest,
    )
    assert first.pipeline_sha256 == second.pipeline_sha256
    tests = [read_test(world().run), read_test(tmp_path / "run")]
    assert np.array_equal(tests[0].values, tests[1].values, equal_nan=True)
    assert any((tests[0].groups[name] != tests[1].groups[name]).any() for name in GROUPS)
    risks = [
        read_pipeline(run, read_run(run)).predict_proba(tests[0].values) for run in (world().run, tmp_path / "run")
    ]
    assert np.array_equal(*risks)


def test_a_group_cannot_be_named_as_a_feature(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Unknown feature group_race"):
        from_features(str(world().features), without=["group_race"], attributes=None)
    table, _ = load(str(world().features))
    data = labelled(table, definitions().names)
    assert not [name for name in data.names if name in GROUPS or name.startswith("group_")]


def test_features_do_not_change_with_the_groups_of_the_curated_tables(tmp_path: Path) -> None:
    table, _ = load(str(world().features))
    source = world().root / "fhir"
    (tmp_path / "fhir").mkdir()
    for path in source.glob("*.json"):
        content = json.loads(path.read_text())
        kept = [e for e in content["entry"] if e["resource"]["resourceType"] != "Coverage"]
        for entry in kept:
            if entry["resource"]["resourceType"] == "Patient":
                entry["resource"]["extension"] = entry["resource"]["extension"][:1]
        (tmp_path / "fhir" / path.name).write_text(json.dumps(content | {"entry": kept}))
    ingest(str(tmp_path / "fhir"), hospital="north", out=str(tmp_path / "out"), ring=RING)
    build(str(tmp_path / "out"), out=str(tmp_path / "features.parquet"))
    bare, _ = load(str(tmp_path / "features.parquet"))
    names = [name for name in table.column_names if not name.startswith("group_")]
    assert bare.select(names).equals(table.select(names))
    assert all(pc.all(bare[group_column(name)].is_null()).as_py() for name in GROUPS)


def test_a_features_file_from_before_has_no_groups_and_still_trains(tmp_path: Path) -> None:
    table, made_from = load(str(world().features))
    without = table.drop_columns([group_column(name) for name in GROUPS])
    (tmp_path / "old.parquet").write_bytes(file_content(without, made_from))
    source = from_features(str(tmp_path / "old.parquet"), without=[], attributes=None)
    assert not set(GROUPS) & set(source.data.groups)
    only = from_features(str(world().features), without=[], attributes=["race"])
    assert set(only.data.groups) == {"race"}
    assert len(only.data.groups["race"]) == len(only.data)


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        (None, False),
        ("system/*.rs", False),
        ("system/Patient.rs system/Coverage.rs", True),
        ("system/Coverage.read", True),
    ],
)
def test_a_server_is_asked_for_coverage_where_the_scope_names_it(scope: str | None, asked: bool) -> None:
    wire = Wire("https://fhir.example/r4", Credentials(auth=Auth.NONE, scope=scope), Clock())
    assert ("Coverage" in wire.kinds) == bool(asked)
    assert wire.kinds[: len(NEEDED)] == NEEDED
    wire.close()
