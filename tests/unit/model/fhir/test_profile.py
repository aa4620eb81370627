"""The profile: what the features need beyond valid FHIR, and how a refusal is told."""

import json
from collections import Counter
from typing import Any

import pytest

from model.fhir.profile import profile
from model.fhir.resource_types import ACCEPTED
from model.fhir.shapes import surely_valid
from model.fhir.validation import faults_of, outcome

ENCOUNTER: dict[str, Any] = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "finished",
    "class": {"code": "IMP"},
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2024-01-01T10:00:00Z", "end": "2024-01-03"},
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"text": "x"},
    "effectiveDateTime": "2024-01-01",
}


def judged(resource: dict[str, Any]) -> tuple[list[tuple[str, str | None]], Counter[str]]:
    warnings: Counter[str] = Counter()
    return [(fault.code, fault.expression) for fault in faults_of(resource, warnings)], warnings


@pytest.mark.parametrize(
    ("change", "code", "expression"),
    [
        ({"period": {"start": "2024-01-03", "end": "2024-01-01"}}, "invariant", "Encounter.period.end"),
        (
            {"period": {"start": "2024-01-03T10:00:00+02:00", "end": "2024-01-03T07:59:00Z"}},
            "invariant",
            "Encounter.period.end",
        ),
        ({"period": {"end": "2024-01-03"}}, "required", "Encounter.period.start"),
        ({"period": {"start": "2024-01-01"}}, "required", "Encounter.period.end"),
        ({"period": {"start": "2024", "end": "2024-01-03"}}, "value", "Encounter.period.start"),
        ({"status": "done"}, "code-invalid", "Encounter.status"),
        ({"status": None}, "required", "Encounter.status"),
        ({"period": {"start": "2023-02-30"}}, "value", "Encounter.period.start"),
        ({"class": "IMP"}, "value", "Encounter.class"),
        ({"id": "x" * 65}, "required", "Encounter.id"),
        ({"location": [{"modifierExtension": [{"url": "u"}]}]}, "not-supported", "Encounter.modifierExtension"),
    ],
)
def test_an_unfit_encounter_is_refused_for_the_right_reason(change: dict[str, Any], code: str, expression: str) -> None:
    faults, _ = judged(ENCOUNTER | change)
    assert faults[0] == (code, expression)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"period": {"start": "2024-01-01T10:00:00Z", "end": "2024-01-01"}},
        {"period": {"start": "2024-01", "end": "2024"}, "status": "planned"},
        {"status": "in-progress", "period": {"start": "2024-01-01"}},
        {"class": {"code": "AMB"}, "period": {"start": "2024-01-01"}},
    ],
)
def test_what_fhir_allows_is_taken(change: dict[str, Any]) -> None:
    assert judged(ENCOUNTER | change) == ([], Counter())


def test_what_only_lessens_the_use_is_counted() -> None:
    assert judged({"resourceType": "Patient", "id": "p1", "birthDate": "1950"}) == (
        [],
        Counter({"patient-gender": 1, "patient-birth-day": 1}),
    )
    assert judged(OBSERVATION | {"effectiveDateTime": "2024"})[1] == Counter({"observation-day": 1})
    assert judged(OBSERVATION | {"effectivePeriod": {"start": "2024-01-01"}})[0] != []


def test_a_refusal_repeats_nothing_of_the_resource() -> None:
    broken = {"resourceType": "Patient", "id": "p1", "Quackenbush": 1, "name": [{"Quackenbush": {}, "given": "Quack"}]}
    told = outcome(sha256="0" * 64, index=3, kind="Patient", faults=faults_of(broken, Counter()))
    assert "Quack" not in json.dumps(told)
    assert {issue["code"] for issue in told["issue"]} == {"structure"}
    assert all(issue["diagnostics"].startswith("Patient at entry 3 of") for issue in told["issue"])


def test_every_rule_can_be_kept_and_names_a_type_that_is_read() -> None:
    rules = profile().rules
    assert {rule.resource for rule in rules} <= set(ACCEPTED)
    assert len({rule.id for rule in rules}) == len(rules)
    assert all(rule.reference and rule.why for rule in rules)
    assert surely_valid(ENCOUNTER, "Encounter")


@pytest.mark.parametrize(
    ("resource", "release", "element"),
    [
        ({"resourceType": "Condition", "assertedDate": "2024-03-02"}, "STU3", "assertedDate"),
        ({"resourceType": "Condition", "clinicalStatus": "active"}, "STU3", "clinicalStatus"),
        (
            {"resourceType": "Observation", "status": "final", "context": {"reference": "Encounter/e"}},
            "STU3",
            "context",
        ),
        ({"resourceType": "Encounter", "status": "finished", "reason": [{"text": "x"}]}, "STU3", "reason"),
        ({"resourceType": "Encounter", "status": "completed", "actualPeriod": {}}, "R5", "actualPeriod"),
        ({"resourceType": "Encounter", "status": "completed", "class": [{"text": "x"}]}, "R5", "class"),
        ({"resourceType": "MedicationRequest", "medication": {}, "status": "active"}, "R5", "medication"),
        ({"resourceType": "Condition", "dateRecorded": "2024-03-02"}, "DSTU2", "dateRecorded"),
    ],
)
def test_another_fhir_release_is_recognised(resource: dict[str, Any], release: str, element: str) -> None:
    (fault,) = faults_of(resource | {"id": "x", "subject": {"reference": "Patient/p"}}, Counter())
    assert f"FHIR {release}, as its element {element} shows" in fault.said
    assert fault.expression == f"{resource['resourceType']}.{element}"
