"""The record that an EHR sends with a hook, from a hospital's FHIR files of each form."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from local.errors import UserError
from local.hospitals import patient_record
from local.hospitals.patient_record import choose, prefetch
from model.synthesis.run import synthesize
from services.care.hooks import PREFETCH


def encounter(identity: str, patient: str, start: str, status: str = "finished", kind: str = "IMP") -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": identity,
        "status": status,
        "class": {"code": kind},
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": start},
    }


def ndjson(folder: Path, *resources: dict[str, Any]) -> list[Path]:
    path = folder / "all.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(one) for one in resources).encode()))
    return [path]


def test_who_is_longest_in_hospital_is_discharged_next(tmp_path: Path) -> None:
    files = ndjson(
        tmp_path,
        encounter("e1", "a", "2026-11-20", "in-progress"),
        encounter("e2", "b", "2026-11-10", "in-progress"),
        encounter("e3", "b", "2026-11-29"),
        encounter("e4", "c", "2026-10-01", "in-progress", "AMB"),
        encounter("e5", "c", "2026-10-02"),
        encounter("e6", "c", "2026-10-03"),
    )
    assert choose(files).encounter == "e2"
    assert choose(files, "a").encounter == "e1"
    newest = choose(files, "c")
    assert (newest.encounter, newest.ongoing) == ("e6", False)
    with pytest.raises(UserError, match="The patient d has no inpatient encounter: name another with PATIENT="):
        choose(files, "d")


def test_files_without_a_stay_are_one_sentence(tmp_path: Path) -> None:
    files = ndjson(tmp_path, {"resourceType": "Patient", "id": "a"}, {"resourceType": "Basic"})
    with pytest.raises(UserError, match="FHIR files have no inpatient encounter"):
        choose(files)
    files = ndjson(tmp_path, encounter("e1", "a", "2026-11-20"))
    with pytest.raises(UserError, match="have no Patient a"):
        prefetch(files, choose(files))


@pytest.mark.parametrize("form", ["bundles", "ndjson"])
def test_the_prefetch_is_the_patient_s_and_of_the_templates(tmp_path: Path, form: str) -> None:
    synthesize(patients=5, seed=2, out=str(tmp_path), ndjson=form == "ndjson")
    files = sorted(tmp_path.iterdir())
    stay = choose(files)
    sent = prefetch(files, stay)
    assert sent.keys() == PREFETCH.keys()
    assert (sent["patient"]["id"], sent["encounter"]["id"]) == (stay.patient, stay.encounter)
    for name, kind in patient_record.SEARCHES.items():
        found = [entry["resource"] for entry in sent[name]["entry"]]
        assert found
        assert sent[name]["total"] == len(found)
        assert {one["resourceType"] for one in found} == {kind}
        assert {one["subject"]["reference"] for one in found} == {f"Patient/{stay.patient}"}
    assert "urn:uuid:" not in json.dumps(sent)


def test_observations_of_other_categories_are_not_asked_for(tmp_path: Path) -> None:
    def observation(identity: str, *codes: str) -> dict[str, Any]:
        category = [{"coding": [{"code": code}]} for code in codes]
        subject = {"reference": "https://ehr.example/Patient/a/_history/2"}
        return {"resourceType": "Observation", "id": identity, "category": category, "subject": subject}

    files = ndjson(
        tmp_path,
        {"resourceType": "Patient", "id": "a"},
        encounter("e1", "a", "2026-11-20"),
        observation("o1", "survey", "vital-signs"),
        observation("o2", "survey"),
        observation("o3"),
    )
    found = prefetch(files, choose(files))["observations"]["entry"]
    assert [entry["resource"]["id"] for entry in found] == ["o1"]
