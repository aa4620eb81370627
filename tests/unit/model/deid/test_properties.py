"""What must hold for any patient and any JSON: exact intervals, stable and unlinkable pseudonyms, no exception."""

import json
import tempfile
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.curated.run import ingest
from model.deid.keys import LocalKeyring, PatientSecret
from model.deid.rules import allow_list
from model.deid.subject import Subject, secret_input
from model.deid.transforms import Context, deidentify
from model.fhir.resource_types import ACCEPTED

KEYS = st.binary(min_size=32, max_size=32)
NAMES = st.text(min_size=1, max_size=64)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["2023-02-30", "2023", "2020-01-01T00:00:00Z", "0001-01-01", "9999-12-31T23:59:59-14:00", "http://loinc.org"]
    )
)


def json_of(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return JSON whose names are those of the allow list, in places where they do not belong too."""
    steps = sorted({step for rule in allow_list().table.rules for step in rule.path.split(".")})
    names = st.sampled_from([*steps, "system", "code", "value", "unit", "comparator", "postalCode", "state"])
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6), max_leaves=30
    )


def subject(key: bytes, patient: str, hospital: str = "north") -> Subject:
    return Subject(LocalKeyring(key).secrets([secret_input(hospital, patient)])[0])


@given(st.sampled_from(ACCEPTED), json_of(LEAVES), st.sampled_from([UTC, ZoneInfo("Asia/Kathmandu")]))
def test_any_json_goes_through_without_an_exception(kind: str, content: Any, zone: tzinfo) -> None:
    resource = (content if isinstance(content, dict) else {"code": content}) | {"resourceType": kind}
    context = Context(allow_list(), subject(b"k" * 32, "p"), lambda reference, _kind: reference, zone)
    left = deidentify(resource, context)
    assert isinstance(left, dict)
    json.dumps(left, allow_nan=False)


@given(KEYS, KEYS, NAMES, st.integers(1, 9), st.integers(1, 9))
def test_other_keys_and_versions_cannot_be_linked(one: bytes, other: bytes, name: str, first: int, then: int) -> None:
    mine, yours = subject(one, name), subject(other, name)
    same = one == other
    assert (mine.pseudonym("Patient", name) == yours.pseudonym("Patient", name)) is same
    rotated = Subject(PatientSecret(f"v{then}", mine.secret.key[::-1]))
    held = Subject(PatientSecret(f"v{first}", mine.secret.key))
    assert held.pseudonym("Patient", name).split("-")[0] == f"v{first}"
    if mine.secret.key != mine.secret.key[::-1]:
        assert held.pseudonym("Patient", name).split("-")[1] != rotated.pseudonym("Patient", name).split("-")[1]


@given(KEYS, NAMES, NAMES)
def test_the_same_id_is_another_in_another_hospital_and_of_another_kind(key: bytes, name: str, record: str) -> None:
    found = {
        subject(key, name, hospital).pseudonym(kind, record)
        for hospital in ("north", "south")
        for kind in ("Patient", "Encounter", "Condition")
    }
    assert len(found) == 6
    assert found == {
        subject(key, name, hospital).pseudonym(kind, record)
        for hospital in ("north", "south")
        for kind in ("Patient", "Encounter", "Condition")
    }


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2024, 12, 31)).map(lambda moment: moment.replace(microsecond=0))


@settings(max_examples=8, deadline=None)
@given(
    stays=st.lists(st.tuples(MOMENTS, st.integers(1, 40)), min_size=2, max_size=5, unique_by=lambda stay: stay[0]),
    split=st.booleans(),
    name=st.from_regex(r"[A-Za-z0-9\-.]{1,64}", fullmatch=True),
)
def test_intervals_are_exact_across_resources_files_and_runs(
    stays: list[tuple[datetime, int]], split: bool, name: str
) -> None:
    ring = LocalKeyring(bytes(range(32)))
    shift = Subject(ring.secrets([secret_input("north", name)])[0]).shift
    patient = {"resourceType": "Patient", "id": name, "gender": "female", "birthDate": "1980-03-04"}
    encounters = [_encounter(name, number, start, days) for number, (start, days) in enumerate(stays)]
    with tempfile.TemporaryDirectory() as scratch:
        first = _published(Path(scratch) / "one", [[patient, *encounters]], ring)
        parted = [[patient], *([one] for one in reversed(encounters))] if split else [[*encounters, patient]]
        second = _published(Path(scratch) / "two", parted, ring)
    assert first == second
    starts = [start.replace(tzinfo=UTC) for start, _ in stays]
    assert sorted(found for found, _ in first) == sorted(start + shift for start in starts)
    assert sorted(end - start for start, end in first) == sorted(timedelta(days=days) for _, days in stays)


def _encounter(patient: str, number: int, start: datetime, days: int) -> dict[str, Any]:
    period = {"start": f"{start.isoformat()}Z", "end": f"{(start + timedelta(days=days)).isoformat()}Z"}
    return {
        "resourceType": "Encounter",
        "id": f"e{number}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{patient}"},
        "period": period,
    }


def _published(folder: Path, files: list[list[dict[str, Any]]], ring: LocalKeyring) -> set[tuple[datetime, datetime]]:
    (folder / "in").mkdir(parents=True)
    for number, resources in enumerate(files):
        content = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
        (folder / "in" / f"{number}.json").write_text(json.dumps(content))
    ingest(str(folder / "in"), hospital="north", out=str(folder / "out"), ring=ring)
    paths = list((folder / "out").rglob("encounter/*.parquet"))
    rows = pq.ParquetFile(paths[0]).read(columns=["started_at", "ended_at"]).to_pylist()
    return {(row["started_at"], row["ended_at"]) for row in rows}


@pytest.mark.parametrize("reference", ["urn:uuid:x", "Patient/x", "https://ehr.example/fhir/Patient/x/_history/3"])
def test_a_reference_is_the_same_patient_however_it_is_written(reference: str, tmp_path: Path) -> None:
    ring = LocalKeyring(bytes(range(32)))
    patient = {"resourceType": "Patient", "id": "x", "gender": "female", "birthDate": "1980-03-04"}
    stay = _encounter("x", 0, datetime(2020, 1, 1), 3) | {"subject": {"reference": reference}}
    (tmp_path / "in").mkdir()
    entries = [{"fullUrl": "urn:uuid:x", "resource": patient}, {"resource": stay}]
    content = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    (tmp_path / "in" / "one.json").write_text(json.dumps(content))
    ingest(str(tmp_path / "in"), hospital="north", out=str(tmp_path / "out"), ring=ring)
    known = Subject(ring.secrets([secret_input("north", "x")])[0]).pseudonym("Patient", "x")
    for table in ("patient", "encounter"):
        path = next((tmp_path / "out").rglob(f"{table}/*.parquet"))
        assert pq.ParquetFile(path).read(columns=["patient_id"])["patient_id"].to_pylist() == [known]
