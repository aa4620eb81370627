import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.deid.subject import Subject, secret_input
from model.identity_store.identity_values import (
    PatientValues,
    StayValues,
    local_day,
    patient_values,
    search_text,
    stay_values,
    unit_of,
)
from tests.support.model.model_world import RING

SUBJECT = Subject(RING.secrets([secret_input("north", "p1")])[0])
MR = {"coding": [{"code": "MR"}]}


def of_patient(**elements: Any) -> PatientValues:
    return patient_values({"resourceType": "Patient", "id": "p1", **elements}, SUBJECT)


def of_stay(**elements: Any) -> StayValues:
    return stay_values({"resourceType": "Encounter", "id": "e1", **elements}, "p1", SUBJECT, UTC)


def test_a_patient_has_the_values_by_which_a_coordinator_knows_one() -> None:
    values = of_patient(
        name=[
            {"use": "maiden", "family": "Díaz"},
            {"use": "official", "family": "Quackenbush", "given": ["Ann", "Lee"]},
        ],
        identifier=[{"value": "H55", "type": {"coding": [{"code": "SS"}]}}, {"value": " MRN1 ", "type": MR}],
        birthDate="1931-07-04",
        telecom=[
            {"system": "email", "value": "a@b"},
            {"system": "phone", "use": "old", "value": "1"},
            {"system": "phone", "use": "home", "value": "2"},
            {"system": "phone", "use": "mobile", "value": "3"},
        ],
    )
    assert values.patient == SUBJECT.pseudonym("Patient", "p1")
    assert (values.name, values.record_number) == ("Quackenbush, Ann Lee", "MRN1")
    assert (values.birth_date, values.telephone) == ("1931-07-04", "3")
    assert set(values.searched) == {
        "patient-id|p1",
        "record-number|mrn1",
        "name|diaz",
        "name|quackenbush",
        "name|ann lee",
        "name|ann lee quackenbush",
        "birth-date|1931-07-04",
    }


def test_a_patient_without_anything_has_an_id() -> None:
    values = of_patient()
    assert (values.name, values.record_number, values.birth_date, values.telephone) == (None, None, None, None)
    assert values.searched == ("patient-id|p1",)


def test_an_identifier_without_a_type_is_the_record_number_when_there_is_no_other() -> None:
    assert of_patient(identifier=[{"value": "A"}, {"value": "B"}]).record_number == "A"
    assert of_patient(identifier=[{"value": "A"}, {"value": "B", "type": MR}]).record_number == "B"
    assert of_patient(identifier=[{"value": "S", "type": {"coding": [{"code": "SS"}]}}]).record_number is None


def test_a_name_may_be_a_text_alone() -> None:
    assert of_patient(name=[{"text": "Ann Lee"}]).name == "Ann Lee"


def test_a_stay_has_its_true_times_and_the_last_unit() -> None:
    values = of_stay(
        status="finished",
        period={"start": "2026-05-01T10:00:00-04:00", "end": "2026-05-03T23:30:00-04:00"},
        location=[
            {"location": {"display": "Emergency"}, "period": {"start": "2026-05-01T10:00:00Z"}},
            {"location": {"display": " 4 West ", "reference": "Location/4w"}, "period": {"start": "2026-05-02"}},
        ],
    )
    assert values.encounter == SUBJECT.pseudonym("Encounter", "e1")
    assert (values.unit, values.open) == ("4 West", False)
    assert values.started_at == "2026-05-01T14:00:00+00:00"
    assert values.ended_at == "2026-05-04T03:30:00+00:00"
    assert set(values.searched) == {"encounter-id|e1", "discharge-day|2026-05-04"}


def test_the_day_of_a_discharge_is_the_hospitals() -> None:
    resource = {"resourceType": "Encounter", "id": "e1", "period": {"end": "2026-05-03T23:30:00-04:00"}}
    values = stay_values(resource, "p1", SUBJECT, ZoneInfo("America/New_York"))
    assert "discharge-day|2026-05-03" in values.searched


@pytest.mark.parametrize(
    ("elements", "unit"),
    [
        ({}, None),
        ({"location": [{"location": {"reference": "Location/4w"}}]}, "4w"),
        ({"location": [{"location": {"display": "A"}, "status": "active"}, {"location": {"display": "B"}}]}, "A"),
        ({"location": [{"location": {}}]}, None),
    ],
)
def test_the_unit_is_the_display_or_the_id_of_the_current_location(elements: dict[str, Any], unit: str | None) -> None:
    assert of_stay(**elements).unit == unit


@pytest.mark.parametrize(
    ("status", "period", "is_open"),
    [
        ("in-progress", {"start": "2026-05-01T10:00:00Z"}, True),
        ("onleave", None, True),
        ("in-progress", {"end": "2026-05-01T10:00:00Z"}, False),
        ("finished", {"start": "2026-05-01T10:00:00Z"}, False),
        ("entered-in-error", None, False),
        (None, None, False),
    ],
)
def test_a_stay_is_open_while_it_goes_on(status: str | None, period: dict[str, str] | None, is_open: bool) -> None:
    assert of_stay(status=status, period=period).open is is_open


def test_a_search_ignores_case_accents_and_spaces() -> None:
    assert search_text("name", "  MÜLLER   Anna ") == search_text("name", "Muller anna")
    assert search_text("name", "a") != search_text("record-number", "a")


WHOLE: dict[str, Any] = {
    "identifier": [{"value": "MRN1", "type": MR}],
    "name": [{"use": "official", "family": "Quackenbush", "given": ["Ann"], "text": "Ann"}],
    "birthDate": "1931-07-04",
    "telecom": [{"system": "phone", "use": "home", "value": "2"}],
    "status": "finished",
    "period": {"start": "2026-01-01", "end": "2026-01-03"},
    "location": [{"location": {"display": "Cardiology"}, "period": {"start": "2026-01-01"}, "status": "active"}],
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "a\0b", "\ud800", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)


def places(content: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(content.items() if isinstance(content, dict) else enumerate(content)):
        yield content, key
        if isinstance(value, dict | list):
            yield from places(value)


@given(st.data())
def test_elements_of_other_types_are_left_out(data: st.DataObject) -> None:
    changed = copy.deepcopy(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        holder, key = data.draw(st.sampled_from(list(places(changed))))
        holder[key] = data.draw(ANYTHING)
    patient, stay = of_patient(**changed), of_stay(**changed)
    for text in (patient.name, patient.record_number, patient.telephone, patient.birth_date, stay.unit):
        assert text is None or "\0" not in text.encode().decode()
    assert unit_of(changed) == stay.unit


def test_the_last_day_of_all_has_a_day_in_every_zone() -> None:
    assert local_day(datetime(9999, 12, 31, 23, tzinfo=UTC), ZoneInfo("Pacific/Auckland")) == "9999-12-31"
