"""Corrections and deletions: what counts is the newest version of each record, and nothing of what was deleted."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.curated.ingested import Ingested
from model.curated.run import ingest
from tests.support.model.curated_rows import rows
from tests.support.model.model_world import RING, write_bundle

pytestmark = pytest.mark.process

Resource = dict[str, Any]

PATIENT: Resource = {"resourceType": "Patient", "id": "p1", "gender": "male"}
CONDITION: Resource = {
    "resourceType": "Condition",
    "id": "c1",
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
    "recordedDate": "2024-03-02",
}


def run(tmp_path: Path, **options: Any) -> Ingested:
    return ingest(str(tmp_path / "in"), hospital="north", out=str(tmp_path / "out"), ring=RING, **options)


def lines(path: Path, *resources: Resource) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources))


def deleting(*urls: str, kind: str = "transaction", at: str | None = None) -> Resource:
    answer = {"response": {"status": "204", "lastModified": at}} if at else {}
    entries = [{"request": {"method": "DELETE", "url": url}} | answer for url in urls]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def version(resource: Resource, gender: str, **meta: str) -> Resource:
    return resource | {"gender": gender, "meta": meta}


@pytest.mark.parametrize(
    ("versions", "counts"),
    [
        ([version(PATIENT, "male", lastUpdated="2024-02-01T00:00:00Z"),
          version(PATIENT, "female", lastUpdated="2024-01-01T00:00:00Z")], "male"),
        ([version(PATIENT, "male", lastUpdated="2024-01-01T01:00:00+02:00"),
          version(PATIENT, "female", lastUpdated="2024-01-01T00:00:00Z")], "female"),
        ([version(PATIENT, "male", versionId="10"), version(PATIENT, "female", versionId="9")], "male"),
        ([version(PATIENT, "male", versionId="b"), version(PATIENT, "female", versionId="a")], "female"),
        ([version(PATIENT, "male", lastUpdated="2024-02-01T00:00:00Z"), version(PATIENT, "female")], "female"),
    ],
)  # fmt: skip
def test_the_newest_version_counts(tmp_path: Path, versions: list[Resource], counts: str) -> None:
    for number, resource in enumerate(versions):
        lines(tmp_path / "in" / f"{number}.ndjson", resource)
    done = run(tmp_path)
    assert [row["sex"] for row in rows(tmp_path / "out", "patient")] == [counts]
    assert done.counts["not_in_force"] == 1


def test_a_history_goes_back_in_time(tmp_path: Path) -> None:
    entries: list[Resource] = [{"resource": PATIENT | {"gender": gender}} for gender in ("female", "male", "other")]
    write_bundle(tmp_path / "in" / "a.json", {"resourceType": "Bundle", "type": "history", "entry": entries})
    run(tmp_path)
    assert [row["sex"] for row in rows(tmp_path / "out", "patient")] == ["female"]


def test_what_a_history_begins_by_deleting_is_gone(tmp_path: Path) -> None:
    history = deleting("Patient/p1", kind="history")
    history["entry"].append({"resource": PATIENT})
    write_bundle(tmp_path / "in" / "a.json", history)
    run(tmp_path)
    assert rows(tmp_path / "out", "patient") == []


def test_a_new_version_without_codes_removes_the_old_rows(tmp_path: Path) -> None:
    words_alone = {name: value for name, value in CONDITION.items() if name != "code"} | {"code": {"text": "x"}}
    lines(tmp_path / "in" / "1.ndjson", PATIENT, CONDITION)
    lines(tmp_path / "in" / "2.ndjson", words_alone)
    run(tmp_path)
    assert rows(tmp_path / "out", "condition") == []


def test_a_record_that_moves_to_another_patient_leaves_the_first(tmp_path: Path) -> None:
    moved = CONDITION | {"subject": {"reference": "Patient/p2"}}
    lines(tmp_path / "in" / "1.ndjson", PATIENT, PATIENT | {"id": "p2", "gender": "female"}, CONDITION)
    lines(tmp_path / "in" / "2.ndjson", moved)
    run(tmp_path)
    owner = next(row["patient_id"] for row in rows(tmp_path / "out", "patient") if row["sex"] == "female")
    assert [row["patient_id"] for row in rows(tmp_path / "out", "condition")] == [owner]


def test_a_deleted_record_is_gone(tmp_path: Path) -> None:
    lines(tmp_path / "in" / "1.ndjson", PATIENT, CONDITION, CONDITION | {"id": "c2"})
    lines(tmp_path / "in" / "2.ndjson", deleting("https://ehr.example/r4/Condition/c1"))
    done = run(tmp_path)
    assert done.counts["deletions"] == 1
    assert len(rows(tmp_path / "out", "condition")) == 1


def test_a_deleted_patient_takes_all_along(tmp_path: Path) -> None:
    lines(tmp_path / "in" / "1.ndjson", PATIENT, PATIENT | {"id": "p2"}, CONDITION)
    lines(tmp_path / "in" / "2.ndjson", deleting("Patient/p1"))
    lines(tmp_path / "in" / "3.ndjson", CONDITION | {"id": "late"})
    run(tmp_path)
    assert len(rows(tmp_path / "out", "patient")) == 1
    assert rows(tmp_path / "out", "condition") == []


def test_what_is_made_again_after_its_deletion_is_there(tmp_path: Path) -> None:
    lines(tmp_path / "in" / "1.ndjson", PATIENT, CONDITION)
    lines(tmp_path / "in" / "2.ndjson", deleting("Patient/p1", "Condition/c1"))
    lines(tmp_path / "in" / "3.ndjson", PATIENT | {"gender": "female"})
    run(tmp_path)
    assert [row["sex"] for row in rows(tmp_path / "out", "patient")] == ["female"]
    assert rows(tmp_path / "out", "condition") == []


def test_a_deletion_ends_only_what_is_older_where_both_tell_the_time(tmp_path: Path) -> None:
    later = PATIENT | {"meta": {"lastUpdated": "2024-03-01T00:00:00Z"}}
    lines(tmp_path / "in" / "1.ndjson", later)
    lines(tmp_path / "in" / "2.ndjson", deleting("Patient/p1", at="2024-02-01T00:00:00Z"))
    run(tmp_path)
    assert len(rows(tmp_path / "out", "patient")) == 1


def test_a_deletion_by_an_unclear_search_is_excluded(tmp_path: Path) -> None:
    lines(tmp_path / "in" / "1.ndjson", PATIENT, deleting("Patient?identifier=7"))
    done = run(tmp_path)
    assert done.counts == {"accepted": 2, "excluded": 1, "used": 1}
    assert done.excluded == {"Patient.conditional-delete": 1}


def test_a_file_that_vanished_takes_what_came_only_from_it(tmp_path: Path) -> None:
    lines(tmp_path / "in" / "1.ndjson", PATIENT)
    lines(tmp_path / "in" / "2.ndjson", CONDITION)
    run(tmp_path)
    assert len(rows(tmp_path / "out", "condition")) == 1
    (tmp_path / "in" / "2.ndjson").unlink()
    assert run(tmp_path).changed
    assert rows(tmp_path / "out", "condition") == []
    assert len(rows(tmp_path / "out", "patient")) == 1


def test_the_patient_may_be_in_another_file(tmp_path: Path) -> None:
    urn = "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    for number, reference in enumerate((f"Patient/{urn}", f"urn:uuid:{urn}", f"https://ehr.example/Patient/{urn}")):
        lines(
            tmp_path / "in" / f"{number}.ndjson", CONDITION | {"id": f"c{number}", "subject": {"reference": reference}}
        )
    lines(tmp_path / "in" / "z.ndjson", PATIENT | {"id": urn})
    run(tmp_path)
    owner = rows(tmp_path / "out", "patient")[0]["patient_id"]
    assert [row["patient_id"] for row in rows(tmp_path / "out", "condition")] == [owner] * 3


def test_a_bundle_of_requests_and_answers(tmp_path: Path) -> None:
    entries: list[Resource] = [
        {"request": {"method": "GET", "url": "Patient/7"}},
        {"response": {"status": "201"}},
        {"resource": PATIENT, "search": {"mode": "match"}},
        {"resource": {"resourceType": "OperationOutcome", "issue": []}, "search": {"mode": "outcome"}},
        {"resource": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": CONDITION}]}},
        {"fullUrl": "urn:uuid:11111111-2222-4333-8444-555555555555",
         "resource": {name: value for name, value in CONDITION.items() if name != "id"}},
    ]  # fmt: skip
    write_bundle(tmp_path / "in" / "a.json", {"resourceType": "Bundle", "type": "batch-response", "entry": entries})
    assert run(tmp_path).counts == {"accepted": 3, "not_needed": 3, "used": 3}
    assert len(rows(tmp_path / "out", "condition")) == 2


@pytest.mark.parametrize("where", ["contained", "beside"])
def test_a_drug_is_found_in_the_medication_that_is_named(tmp_path: Path, where: str) -> None:
    code = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "310965"}]}
    drug: Resource = {"resourceType": "Medication", "id": "m", "code": code}
    request: Resource = {
        "resourceType": "MedicationRequest",
        "id": "r1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2024-03-02",
        "medicationReference": {"reference": "#m" if where == "contained" else "Medication/m"},
    }
    inside = {"contained": [drug]} if where == "contained" else {}
    entries = [{"resource": PATIENT}, {"resource": request | inside}, {"resource": drug}]
    write_bundle(tmp_path / "in" / "a.json", {"resourceType": "Bundle", "type": "collection", "entry": entries})
    run(tmp_path)
    assert [row["code"] for row in rows(tmp_path / "out", "medication_request")] == ["310965"]
