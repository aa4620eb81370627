"""The features file in memory: looked up by both pseudonyms, read again when it changes, never fresher than it is."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.definitions.features import definitions
from model.features.feature_file import load
from services.planning.online_features import OnlineFeatures
from tests.support.model.model_world import world


def opened(place: Path) -> OnlineFeatures:
    online = OnlineFeatures(str(place))
    online.refresh()
    return online


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return Path(shutil.copy(world().features, tmp_path / "features.parquet"))


@pytest.fixture
def rows(place: Path) -> pa.Table:
    return load(str(place))[0]


def write(place: Path, rows: pa.Table) -> None:
    half = place.with_name("half")
    pq.write_table(rows, half)
    half.replace(place)


def test_a_row_is_found_by_both_pseudonyms(place: Path, rows: pa.Table) -> None:
    online = opened(place)
    for row in rows.to_pylist():
        found = online.row(row["index_id"], row["patient_id"])
        assert found is not None
        assert found.values == {name: row[name] for name in definitions().names}
        assert found.lace == row["lace"]
    first, other = rows.to_pylist()[0], rows.to_pylist()[-1]
    assert online.row(first["index_id"], other["patient_id"]) is None
    assert online.row("v1-000000", first["patient_id"]) is None


def test_its_age_is_that_of_the_file(place: Path, rows: pa.Table) -> None:
    row = rows.to_pylist()[0]
    written = datetime.now(UTC).timestamp() - 5 * 3600
    os.utime(place, (written, written))
    found = opened(place).row(row["index_id"], row["patient_id"])
    assert found is not None
    assert found.freshness_hours == pytest.approx(5, abs=0.1)


def test_a_new_file_is_read_at_the_next_look(place: Path, rows: pa.Table) -> None:
    online = opened(place)
    row = rows.to_pylist()[0]
    key = (row["index_id"], row["patient_id"])
    assert online.row(*key) is not None
    write(place, rows.slice(1))
    assert online.row(*key) is not None
    online.refresh()
    assert online.row(*key) is None


@pytest.mark.parametrize("change", ["removed", "other file", "other definitions"])
def test_a_file_that_cannot_be_read_leaves_the_one_before(
    place: Path, rows: pa.Table, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    online = opened(place)
    row = rows.to_pylist()[0]
    key = (row["index_id"], row["patient_id"])
    before = online.row(*key)
    assert before is not None
    if change == "removed":
        place.unlink()
    elif change == "other file":
        place.write_bytes(b"not parquet")
    else:
        write(place, rows.replace_schema_metadata({b"healthcare-mlops": b'{"definition_digest": "0"}'}))
    online.refresh()
    after = online.row(*key)
    assert after is not None
    assert after.freshness_hours >= before.freshness_hours
    assert online.available
    assert row["patient_id"] not in caplog.text
    assert "Online features" in caplog.text


def test_no_file_at_the_start_is_looked_for_again(place: Path, rows: pa.Table, tmp_path: Path) -> None:
    later = tmp_path / "later.parquet"
    online = opened(later)
    row = rows.to_pylist()[0]
    assert not online.available
    assert online.row(row["index_id"], row["patient_id"]) is None
    place.rename(later)
    online.refresh()
    assert online.row(row["index_id"], row["patient_id"]) is not None
