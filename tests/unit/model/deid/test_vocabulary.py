"""Codes as real systems send them: which are understood, and what is said of the others."""

import random
from datetime import UTC
from typing import Any

import pytest

from model.deid.rules import allow_list
from model.deid.subject import Subject, secret_input
from model.deid.transforms import Context, deidentify
from tests.support.model.model_world import RING

CLASS = ("act-code",)
DIAGNOSIS = ("icd10cm", "snomed", "icd9cm", "icd10gm")
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
EPIC = "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260"

# By system: the ways in which records name it. Written down apart from the table of the product.
NAMES: dict[str, list[str]] = {
    "icd10cm": ["http://hl7.org/fhir/sid/icd-10-cm", "urn:oid:2.16.840.1.113883.6.90", "2.16.840.1.113883.6.90",
                "ICD-10-CM", "icd10cm", "ICD10", "icd-10", "ICD 10 CM", "http://hl7.org/fhir/sid/icd-10-cm|2024"],
    "icd9cm": ["http://hl7.org/fhir/sid/icd-9-cm", "2.16.840.1.113883.6.103", "ICD-9-CM", "icd9"],
    "snomed": ["http://snomed.info/sct", "http://snomed.info/sct/731000124108", "SNOMED CT", "2.16.840.1.113883.6.96",
               "http://snomed.info/sct/900000000000207008/version/20240101", "http://snomed.info/sct|2024-03"],
    "loinc": ["http://loinc.org", "LOINC", "2.16.840.1.113883.6.1"],
    "rxnorm": ["http://www.nlm.nih.gov/research/umls/rxnorm", "RxNorm", "2.16.840.1.113883.6.88"],
}  # fmt: skip
CODES = {
    "icd10cm": ["I50.9", "E119", "U07.1"], "icd9cm": ["428.0", "4280", "V45.81"], "snomed": ["44054006", "84114007"],
    "loinc": ["2160-0", "718-7"], "rxnorm": ["197361", "617312"],
}  # fmt: skip


def written(draw: random.Random, uri: str) -> str:
    uri = uri.replace("http://", "https://") if draw.random() < 0.3 else uri
    uri = f"{uri}/" if draw.random() < 0.3 and uri.startswith("http") and "|" not in uri else uri
    return f" {uri.upper()} " if draw.random() < 0.2 else uri


@pytest.mark.parametrize("system", sorted(NAMES))
def test_fifty_spellings_of_a_coding(system: str) -> None:
    draw = random.Random(system)
    vocabulary = allow_list().vocabulary
    for _ in range(50):
        code = draw.choice(CODES[system])
        sent = code.lower() if system.startswith("icd") and draw.random() < 0.5 else code
        sent = draw.choice([sent, f"{sent} ", f" {sent}", f"{sent}\n"])
        uri = written(draw, draw.choice(NAMES[system]))
        assert vocabulary.meaning((system,), uri, sent) == (system, code), (uri, sent)
        assert (
            vocabulary.reading((system,), [{"system": "urn:local", "code": "x"}, {"system": uri, "code": sent}])
            == "understood"
        )


WORDS = {
    "inpatient": "IMP", "outpatient": "AMB", "ambulatory": "AMB", "emergency": "EMER", "home": "HH", "field": "FLD",
    "daytime": "AMB", "virtual": "VR", "IMP": "IMP", "ACUTE": "ACUTE", "NONAC": "NONAC", "EMER": "EMER", "AMB": "AMB",
    "OBSENC": "OBSENC",
}  # fmt: skip


def test_fifty_encounter_classes_in_words() -> None:
    draw = random.Random(8)
    systems = [None, "", ACT, "http://hl7.org/fhir/v3/ActCode"]
    for _ in range(50):
        word = draw.choice(sorted(WORDS))
        sent = draw.choice([word, word.lower(), word.upper(), word.capitalize(), f" {word} "])
        assert allow_list().meaning(CLASS, draw.choice(systems), sent) == ("act-code", WORDS[word])


@pytest.mark.parametrize(
    ("coding", "meant"),
    [
        ({"code": "I"}, "IMP"), ({"code": "ED"}, "EMER"), ({"system": "HL70004", "code": "i"}, "IMP"),
        ({"system": "2.16.840.1.113883.12.4", "code": "O"}, "AMB"), ({"system": "ActCode", "code": "IMP"}, "IMP"),
        ({"system": "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode", "code": "IMP"}, "IMP"),
        ({"system": "http://hl7.org/fhir/encounter-class", "code": "inpatient"}, "IMP"),
        ({"system": EPIC, "code": "1", "display": "Inpatient"}, "IMP"),
        ({"system": EPIC, "code": "13", "display": "support OP  encounter"}, "AMB"),
        ({"system": "urn:oid:2.16.578.1.12.4.1.1.8406", "code": "1"}, "IMP"),
    ],
)  # fmt: skip
def test_a_class_that_is_certain_is_understood(coding: dict[str, Any], meant: str) -> None:
    assert allow_list().vocabulary.meaning_of(CLASS, coding) == ("act-code", meant)
    assert allow_list().vocabulary.reading(CLASS, coding) == "understood"


@pytest.mark.parametrize(
    ("wanted", "codings", "reading"),
    [
        (CLASS, {"system": EPIC, "code": "4"}, "code-shape"),
        (CLASS, {"system": EPIC, "code": "4", "display": "HOV"}, "code-shape"),
        (CLASS, {"system": "urn:hospital", "code": "IMP"}, "code-system"),
        (CLASS, {"system": "urn:hospital", "code": "4", "display": "Inpatient"}, "code-system"),
        (CLASS, {"code": "other"}, "code-system"), (CLASS, {"code": "R"}, "code-system"),
        (CLASS, {"system": "HL70004", "code": "R"}, "code-shape"), (CLASS, None, "no-coding"), (CLASS, {}, "no-coding"),
        (CLASS, {"system": ACT}, "no-coding"), (CLASS, {"system": ACT, "code": " "}, "no-coding"),
        (CLASS, {"system": ACT, "code": "Quackenbush"}, "code-shape"),
        (DIAGNOSIS, [{"code": "I50.9"}], "code-system"),
        (DIAGNOSIS, [{"system": "urn:oid:1.2.840.114350.1.13.0.1.7.2.696871", "code": "I50.9"}], "code-system"),
        (DIAGNOSIS, [{"system": "ICD-10-CM", "code": "MRN 4711"}], "code-shape"),
        (DIAGNOSIS, [{"system": 7, "code": "I50.9"}, "x"], "code-system"), (DIAGNOSIS, [], "no-coding"),
        (("rxnorm",), [{"system": "RxNorm", "code": "0"}], "code-shape"),
    ],
)  # fmt: skip
def test_what_is_not_understood_says_why(wanted: tuple[str, ...], codings: Any, reading: str) -> None:
    assert allow_list().vocabulary.reading(wanted, codings) == reading


def leaving(resource: dict[str, Any]) -> Any:
    subject = Subject(RING.secrets([secret_input("north", "p1")])[0])
    return deidentify(resource, Context(allow_list(), subject, lambda reference, _kind: reference, UTC))


def test_a_status_without_a_system_still_counts() -> None:
    condition = {"resourceType": "Condition", "verificationStatus": {"coding": [{"code": "Refuted"}]}}
    assert leaving(condition)["verificationStatus"] == {"coding": [{"system": "verification", "code": "refuted"}]}


@pytest.mark.parametrize("code", ["4711-0815-1", "555-0100-12", "00071015523", "1234567890", "123456789"])
def test_digits_under_the_name_of_a_drug_system_do_not_leave(code: str) -> None:
    coding = {"system": "http://hl7.org/fhir/sid/ndc", "code": code, "display": "Quackenbush"}
    order = {"resourceType": "MedicationRequest", "medicationCodeableConcept": {"coding": [coding]}}
    left = leaving(order)["medicationCodeableConcept"]["coding"][0]
    assert left["code"].startswith("v1-")
    digits = code.replace("-", "")
    assert digits not in str(left)
    assert code not in str(left)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("http://www.whocc.no/atc", "C10"), ("http://www.whocc.no/atc", "C10AA5"), ("ATC", "X10AA05"),
        ("http://hl7.org/fhir/sid/ndc", "Quackenbush"), ("http://hl7.org/fhir/sid/ndc", "12345678"),
        ("http://hl7.org/fhir/sid/ndc", "123456789012"), ("urn:local", "C10AA05"), (None, "C10AA05"), (None, "197361"),
    ],
)  # fmt: skip
def test_what_has_not_the_shape_of_a_drug_does_not_leave(system: str | None, code: str) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "medicationCodeableConcept": {"coding": [{"system": system, "code": code}]},
    }
    assert leaving(order) == {}
