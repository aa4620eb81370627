"""Encounters, diagnoses and orders in the shapes that vendors' public documentation shows."""

from pathlib import Path

from tests.support.model.fhir_records import LATER, RXNORM, Resource, answer, concept, encounter, patient

EPIC = "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784"
CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
ICD10_OID = "urn:oid:2.16.840.1.113883.6.90"


def test_epic(tmp_path: Path) -> None:
    """A class in Epic's own OID, told by its name; a diagnosis of an encounter without dates; a drug by reference."""
    stay = encounter("p", "stay", "2024-03-01T15:10:00Z", "2024-03-05T20:30:00Z") | {
        "class": {"system": f"{EPIC}.13260", "code": "1", "display": "Inpatient"},
        "type": [{"coding": [{"system": f"{EPIC}.30", "code": "3", "display": "Hospital Encounter"}]}],
        "hospitalization": {
            "dischargeDisposition": {"coding": [{"system": f"{EPIC}.18888", "code": "1"}], "text": "Home or Self Care"}
        },
    }
    diagnosis: Resource = {
        "resourceType": "Condition",
        "id": "p-c",
        "category": [concept(CATEGORY, "encounter-diagnosis")],
        "code": {
            "coding": [
                {"system": "urn:oid:2.16.840.1.113883.3.247.1.1", "code": "57245"},
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I50.9"},
            ],
            "text": "Heart failure",
        },
        "subject": {"reference": "Patient/p"},
        "encounter": {"reference": "Encounter/p-stay"},
    }
    drug: Resource = {"resourceType": "Medication", "id": "d", "code": concept(RXNORM, "197361")}
    ordered: Resource = {
        "resourceType": "MedicationRequest",
        "id": "p-m",
        "status": "completed",
        "intent": "order",
        "medicationReference": {"reference": "Medication/d", "display": "amlodipine"},
        "subject": {"reference": "Patient/p"},
        "encounter": {"reference": "Encounter/p-stay"},
        "authoredOn": "2024-03-02T08:00:00Z",
    }
    found = answer(tmp_path, [ordered, diagnosis, stay, patient("p"), drug, *LATER])
    (row,) = found.of("p")
    assert (row["heart_failure"], row["drugs"]) == (1, 1)
    assert not found.ingested.excluded


def test_oracle_health(tmp_path: Path) -> None:
    """A class of ActCode with a local type, local codes beside the standard ones, offsets, an order in two codings."""
    stay = encounter("p", "97953477", "2024-03-01T09:00:00.000-06:00", "2024-03-05T09:00:00.000-06:00") | {
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "IMP",
            "display": "inpatient encounter",
            "userSelected": False,
        },
        "type": [{"coding": [{"system": "https://fhir.example/codeSet/71", "code": "309308", "userSelected": True}]}],
    }
    diagnosis: Resource = {
        "resourceType": "Condition",
        "id": "d572364249",
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "category": [concept(CATEGORY, "encounter-diagnosis")],
        "code": {"coding": [{"system": ICD10_OID, "code": "N18.5"}, {"system": "http://snomed.info/sct", "code": "1"}]},
        "subject": {"reference": "Patient/p"},
        "encounter": {"reference": "Encounter/p-97953477"},
        "recordedDate": "2024-03-02",
    }
    ordered: Resource = {
        "resourceType": "MedicationRequest",
        "id": "313757847",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [
                {"system": RXNORM, "code": "197361", "userSelected": False},
                {"system": "http://cap.mcis.com/mkc", "code": "2746", "userSelected": False},
            ]
        },
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2024-03-02T07:00:00.000-06:00",
        "doNotPerform": False,
    }
    found = answer(tmp_path, [patient("p"), stay, diagnosis, ordered, *LATER])
    (row,) = found.of("p")
    assert (row["kidney_disease"], row["drugs"], row["stay_days"]) == (1, 1, 4)
    assert found.ingested.zone == "UTC-06:00"
    assert not found.ingested.excluded
