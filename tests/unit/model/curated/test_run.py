"""Ingestion: what is taken, what is set aside, and that the same input changes nothing."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from model.curated import curated_tables
from model.curated.ingested import Ingested
from model.curated.run import ingest
from model.errors import GateError, UserError
from model.synthesis.run import synthesize
from tests.support.model.curated_rows import rows
from tests.support.model.model_world import RING, bundle, world, write_bundle

pytestmark = pytest.mark.process


def run(source: Path, out: Path, **options: Any) -> Ingested:
    return ingest(str(source), hospital="north", out=str(out), ring=RING, **options)


def told(out: Path) -> list[str]:
    lines = [line for path in out.parent.rglob("*.ndjson") for line in path.read_text().splitlines()]
    return [json.loads(line)["issue"][0]["diagnostics"] for line in lines]


def test_the_same_input_changes_nothing(tmp_path: Path) -> None:
    write_bundle(tmp_path / "in" / "a.json", bundle())
    first = run(tmp_path / "in", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    second = run(tmp_path / "in", tmp_path / "out")
    assert first.changed
    assert not second.changed
    assert first.rows == second.rows
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}


def test_another_key_or_content_changes_the_tables(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "in" / "a.json", bundle())
    first = run(tmp_path / "in", tmp_path / "out")
    content = bundle()
    content["entry"] = content["entry"][:3]
    write_bundle(path, content)
    second = run(tmp_path / "in", tmp_path / "out")
    assert second.changed
    assert second.run != first.run
    assert len(rows(tmp_path / "out", "observation")) < first.rows["observation"]
    assert len(list((tmp_path / "out").rglob("*.parquet"))) == len(curated_tables.TABLES)


def test_a_broken_resource_is_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = bundle()
    good = len(content["entry"])
    content["entry"] += [
        {"resource": {"resourceType": "Encounter", "id": "e1", "status": "finished"}},
        {"resource": {"resourceType": "Observation", "id": "o1", "status": ["x"]}},
        {"resource": {"resourceType": "Condition", "code": {"text": "no id"}}},
        {
            "resource": {
                "resourceType": "Patient",
                "id": "m1",
                "modifierExtension": [{"url": "urn:x", "valueBoolean": True}],
            }
        },
        {"resource": {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Group/7"}}},
        {"resource": None},
        {"resource": {"resourceType": "Organization", "id": "org"}},
    ]
    write_bundle(tmp_path / "in" / "a.json", content)
    done = run(tmp_path / "in", tmp_path / "out", max_bad_share=0.5)
    assert {name: done.counts[name] for name in ("accepted", "refused", "not_needed")} == {
        "accepted": good,
        "refused": 6,
        "not_needed": 1,
    }
    assert done.counts["used"] + sum(done.excluded.values()) == good
    assert sum(done.refused.values()) == 6
    reasons = "\n".join(told(tmp_path / "out"))
    assert "Encounter at entry" in reasons
    assert "modifierExtension" in reasons
    assert "names no patient" in reasons
    assert "has no id" in reasons


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("cut.json.gz", gzip.compress(b'{"resourceType": "Patient"}' * 50, mtime=0)[:-20], "gzip"),
        ("latin.json", '{"resourceType": "Patient", "id": "é"}'.encode("latin-1"), "UTF-8"),
        ("open.json", b'{"resourceType": ', "not valid"),
        ("deep.json", b"[" * 100_000, "not valid|nested"),
        ("nan.json", b'{"resourceType": "Observation", "id": "o", "valueQuantity": {"value": NaN}}', "not valid"),
        ("list.json", b"[1, 2]", "not an object"),
        ("null.json", b"null", "not an object"),
        ("empty.json", b"", "not valid"),
        ("date.json", b'{"resourceType": "Patient", "id": "p", "birthDate": "2023-02-30"}', "birthDate"),
    ],
)
def test_a_broken_file_is_set_aside(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    write_bundle(tmp_path / "in" / "a.json", bundle())
    (tmp_path / "in" / name).write_bytes(content)
    done = run(tmp_path / "in", tmp_path / "out", max_bad_share=0.5)
    assert done.counts["refused"] == 1
    assert any(word in told(tmp_path / "out")[0] for word in why.split("|"))


def test_too_many_broken_ones_stop_before_anything_is_published(tmp_path: Path) -> None:
    write_bundle(tmp_path / "in" / "a.json", {"resourceType": "Patient", "id": "p", "gender": 7})
    with pytest.raises(GateError, match="nothing was published"):
        run(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bundles_ndjson_and_gzip_say_the_same(tmp_path: Path) -> None:
    synthesize(patients=4, seed=3, out=str(tmp_path / "bundles"))
    synthesize(patients=4, seed=3, out=str(tmp_path / "bulk"), ndjson=True)
    (tmp_path / "packed").mkdir()
    for path in (tmp_path / "bulk").iterdir():
        (tmp_path / "packed" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    found = []
    for name in ("bundles", "bulk", "packed"):
        run(tmp_path / name, tmp_path / f"{name}-out")
        plain = {"source", "source_sha256", "ingest_run"}
        tables = (rows(tmp_path / f"{name}-out", table) for table in curated_tables.TABLES)
        found.append([[{k: v for k, v in row.items() if k not in plain} for row in table] for table in tables])
    assert found[0] == found[1] == found[2]


def test_references_are_followed_however_they_are_written(tmp_path: Path) -> None:
    condition = {
        "resourceType": "Condition",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
        "recordedDate": "2024-03-02",
    }
    ways = [
        "Patient/p1",
        "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "https://ehr.example/r4/Patient/p1/_history/3",
    ]
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            "resource": {"resourceType": "Patient", "id": "p1", "gender": "male"},
        }
    ]
    entries += [{"resource": condition | {"id": f"c{i}", "subject": {"reference": way}}} for i, way in enumerate(ways)]
    write_bundle(tmp_path / "in.json", {"resourceType": "Bundle", "type": "collection", "entry": entries})
    run(tmp_path / "in.json", tmp_path / "out")
    owners = {row["patient_id"] for row in rows(tmp_path / "out", "condition")}
    assert owners == {rows(tmp_path / "out", "patient")[0]["patient_id"]}


def test_the_last_of_two_versions_of_a_record_counts(tmp_path: Path) -> None:
    patient = {"resourceType": "Patient", "id": "p1", "gender": "male"}
    write_bundle(tmp_path / "in" / "1.json", patient)
    write_bundle(tmp_path / "in" / "2.json", patient | {"gender": "female"})
    run(tmp_path / "in", tmp_path / "out")
    assert [row["sex"] for row in rows(tmp_path / "out", "patient")] == ["female"]


def test_the_end_of_the_record_is_not_published() -> None:
    found = rows(world().curated, "encounter")
    assert {row["followed"] for row in found} == {True, False}
    assert all("shift" not in name and "until" not in name for name in found[0])


@pytest.mark.parametrize(
    ("source", "hospital", "why"),
    [
        ("nowhere", "north", "check the path"),
        ("in", "North Hospital", "lower-case letters"),
        ("https://x", "north", "files, a folder"),
    ],
)
def test_bad_arguments_are_one_sentence(tmp_path: Path, source: str, hospital: str, why: str) -> None:
    place = source if source.startswith("https") else str(tmp_path / source)
    with pytest.raises(UserError, match=why):
        ingest(place, hospital=hospital, out=str(tmp_path / "out"), ring=RING)


def test_a_source_without_a_needed_resource_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "in" / "a.json", {"resourceType": "Organization", "id": "o"})
    with pytest.raises(UserError, match="no resource of a needed type"):
        run(tmp_path / "in", tmp_path / "out")


def test_a_changed_table_is_not_read(tmp_path: Path) -> None:
    write_bundle(tmp_path / "in" / "a.json", bundle())
    run(tmp_path / "in", tmp_path / "out")
    next((tmp_path / "out").rglob("patient/*.parquet")).write_bytes(b"changed")
    with pytest.raises(UserError, match="differs from its manifest"):
        curated_tables.download(str(tmp_path / "out"), tmp_path / "down")
