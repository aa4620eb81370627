"""Conditional requests: records of one patient in different files, known by record numbers."""

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from model.fhir.conditional import UNCLEAR, derived_id, searched
from tests.support.model.curated_rows import rows
from tests.support.model.linked_records import (
    MRN,
    RXNORM,
    Resource,
    medication_order,
    message,
    owners,
    patient,
    posted,
    put,
    replaced_by,
    run,
    stay,
    write,
)

pytestmark = pytest.mark.process


def test_a_search_by_one_whole_identifier_is_understood() -> None:
    same = derived_id("Patient", MRN, "7|7")
    ways = [
        f"identifier={MRN}|7\\|7",
        f"Patient?identifier={quote(MRN, safe='')}%7C7%5C%7C7",
        f"?identifier={MRN}|7\\|7&_format=json",
    ]
    assert {searched("Patient", way) for way in ways} == {same}
    others = ["identifier=77", "identifier=|77", f"identifier={MRN}|", f"identifier={MRN}|1,{MRN}|2", "name=a", "",
              f"identifier={MRN}|1&birthdate=1950-01-01", f"identifier={MRN}|1&identifier={MRN}|2"]  # fmt: skip
    assert {searched("Patient", one) for one in others} == {UNCLEAR}


def test_two_messages_about_one_record_number_are_one_patient(tmp_path: Path) -> None:
    for number in (1, 2):
        urn = f"urn:uuid:{number}1111111-1111-4111-8111-111111111111"
        bundle = message(
            posted(urn, patient(None, (MRN, "77")), f"identifier={MRN}|77"),
            posted(f"{urn[:-1]}2", stay("", urn, day=number) | {"id": f"e{number}"}),
        )
        write(tmp_path, f"{number}.json", bundle)
    assert run(tmp_path).counts == {"accepted": 4, "not_in_force": 1, "used": 3}
    assert list(owners(tmp_path / "out").values()) == [2]
    assert len(rows(tmp_path / "out", "patient")) == 1


def test_a_conditional_create_is_ignored_where_the_patient_exists_and_an_update_is_not(tmp_path: Path) -> None:
    first = patient(None, (MRN, "1"), gender="male")
    write(tmp_path, "1.json", message(posted("urn:uuid:a", first, f"identifier={MRN}|1")))
    write(tmp_path, "2.json", message(posted("urn:uuid:b", first | {"gender": "other"}, f"identifier={MRN}|1")))
    run(tmp_path)
    assert [row["sex"] for row in rows(tmp_path / "out", "patient")] == ["male"]
    write(tmp_path, "3.json", message(put("urn:uuid:c", first | {"gender": "female"}, f"Patient?identifier={MRN}|1")))
    run(tmp_path)
    assert [row["sex"] for row in rows(tmp_path / "out", "patient")] == ["female"]
    write(tmp_path, "4.json", message({"request": {"method": "DELETE", "url": f"Patient?identifier={MRN}|1"}}))
    run(tmp_path)
    assert rows(tmp_path / "out", "patient") == []
    write(tmp_path, "5.json", message(posted("urn:uuid:d", first | {"gender": "unknown"}, f"identifier={MRN}|1")))
    run(tmp_path)
    assert [row["sex"] for row in rows(tmp_path / "out", "patient")] == ["unknown"]


def test_a_stay_that_is_updated_by_its_number_is_one_stay(tmp_path: Path) -> None:
    number = {"identifier": [{"system": "urn:visit", "value": "9"}]}
    for index, status in enumerate(["in-progress", "finished"]):
        visit = stay("x", "Patient/p1") | number | {"status": status}
        del visit["id"]
        write(tmp_path, f"{index}.json", message(put(f"urn:uuid:{index}", visit, "Encounter?identifier=urn:visit|9")))
    order = medication_order(1) | {"encounter": {"identifier": {"system": "urn:visit", "value": "9"}}}
    order["medicationCodeableConcept"] = {"coding": [{"system": RXNORM, "code": "197361"}]}
    write(tmp_path, "z.ndjson", patient("p1"), order)
    run(tmp_path)
    (found,) = rows(tmp_path / "out", "encounter")
    assert found["status"] == "finished"
    assert rows(tmp_path / "out", "medication_request")[0]["encounter_id"] == found["encounter_id"]


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("name=Smith&birthdate=1950-02-03", "Patient.conditional-create"),
        ("identifier=77", "Patient.conditional-create"),
    ],
)
def test_what_cannot_be_followed_is_excluded_with_its_records(tmp_path: Path, condition: str, reason: str) -> None:
    bundle = message(
        posted("urn:uuid:a", patient(None, (MRN, "77")), condition), posted("urn:uuid:e", stay("e", "urn:uuid:a"))
    )
    write(tmp_path, "a.json", bundle)
    write(tmp_path, "b.ndjson", patient("p9"))
    done = run(tmp_path)
    assert done.excluded == {reason: 1, "Encounter.patient-unclear": 1}
    assert done.counts == {"accepted": 3, "excluded": 2, "used": 1}


def test_a_number_that_two_patients_have_means_none(tmp_path: Path) -> None:
    write(tmp_path, "a.ndjson", patient("p1", (MRN, "7")), patient("p2", (MRN, "7")))
    write(tmp_path, "b.ndjson", stay("e", f"Patient?identifier={MRN}|7"))
    write(tmp_path, "c.json", message(posted("urn:uuid:a", patient(None, (MRN, "7")), f"identifier={MRN}|7")))
    done = run(tmp_path)
    assert done.excluded == {"Encounter.patient-unclear": 1, "Patient.conditional-create": 1}
    write(tmp_path, "a.ndjson", patient("p1", (MRN, "7"), link=[replaced_by("p2")]), patient("p2", (MRN, "7")))
    assert run(tmp_path).excluded == {"Patient.replaced": 1}


def test_a_shared_number_joins_nobody_who_has_a_number_of_his_own(tmp_path: Path) -> None:
    for name, own in (("a", "1"), ("b", "2")):
        person = patient(None, (MRN, own), ("urn:family", "9"))
        write(tmp_path, f"{name}.json", message(posted(f"urn:uuid:{name}", person, f"identifier={MRN}|{own}")))
    write(
        tmp_path, "c.json", message(posted("urn:uuid:c", patient(None, ("urn:family", "9")), "identifier=urn:family|9"))
    )
    assert run(tmp_path).excluded == {"Patient.conditional-create": 1}
    assert len(rows(tmp_path / "out", "patient")) == 2


def test_the_own_ids_of_creates_join_nobody(tmp_path: Path) -> None:
    for number in ("1", "2"):
        person = patient("temporary", (MRN, number))
        entry = posted(f"http://h/Patient/{number}", person, f"identifier={MRN}|{number}")
        write(tmp_path, f"{number}.json", message(entry, posted("", stay(f"e{number}", "Patient/temporary"))))
    run(tmp_path)
    assert sorted(owners(tmp_path / "out").values()) == [1, 1]


def test_fifty_people_known_by_numbers(tmp_path: Path) -> None:
    draw = random.Random(5)
    clocks: Counter[str] = Counter()
    files: list[tuple[str, Iterable[Resource]]] = []
    for person in range(50):
        clock = f"{person // 60 + 1:02}:{person % 60:02}"
        numbers = [(MRN, str(person)), ("urn:enterprise", f"E {person}")][: draw.randint(1, 2)]
        if draw.random() < 0.5:
            files.append(
                (
                    f"server-{person}.ndjson",
                    [patient(f"s{person}", *numbers), stay(f"v{person}", f"Patient/s{person}", clock=clock)],
                )
            )
            clocks[clock] += 1
        for number in range(draw.randint(1, 3)):
            system, value = draw.choice(numbers)
            query = f"identifier={quote(system, safe='') if draw.random() < 0.5 else system}|{quote(value)}"
            urn = f"urn:uuid:{person}-{number}"
            ways: list[Any] = [urn, f"Patient?{query}", {"identifier": {"system": system, "value": value}},
                               {"type": "Patient", "identifier": {"system": system, "value": value}}]  # fmt: skip
            request = draw.choice(
                [posted(urn, patient(None, *numbers), query), put(urn, patient(None, *numbers), f"Patient?{query}")]
            )
            visit = posted(f"urn:uuid:e{person}-{number}", stay(f"e{person}-{number}", draw.choice(ways), clock=clock))
            files.append((f"{draw.random()}.json", [message(*draw.sample([request, visit], 2))]))
            clocks[clock] += 1
    for name, resources in files:
        write(tmp_path, name, *resources)
    done = run(tmp_path)
    assert done.excluded == {}
    found = [(row["patient_id"], row["started_at"].strftime("%H:%M")) for row in rows(tmp_path / "out", "encounter")]
    assert Counter(clock for _, clock in found) == clocks
    assert len(set(found)) == 50 == len({one for one, _ in found}) == len(rows(tmp_path / "out", "patient"))


def test_record_numbers_do_not_leave(tmp_path: Path) -> None:
    number = "4711-Quackenbush"
    write(tmp_path, "a.json", message(
        posted("urn:uuid:a", patient(None, (MRN, number)), f"identifier={MRN}|{number}"),
        posted("urn:uuid:b", patient(None, (MRN, number)), f"name={number}"),
        {"request": {"method": "PATCH", "url": f"Patient?identifier={MRN}|{number}"}},
    ))  # fmt: skip
    run(tmp_path)
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert number.encode() not in written
    assert derived_id("Patient", MRN, number).encode() not in written


def test_a_patch_is_counted_and_the_record_stays_as_it_was(tmp_path: Path) -> None:
    patch = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "W10="}
    urls = ["Patient/p1", "http://h/fhir/Encounter/e1", "Patient?identifier=a|b", "Organization/o"]
    entries = [{"resource": patch, "request": {"method": "PATCH", "url": url}} for url in urls]
    write(tmp_path, "a.ndjson", patient("p1"), message(*entries))
    done = run(tmp_path)
    assert done.excluded == {"Encounter.patch": 1, "Patient.patch": 2}
    assert done.counts == {"accepted": 4, "excluded": 3, "not_needed": 1, "used": 1}
    assert done.warnings["patch-not-applied"] == 3
