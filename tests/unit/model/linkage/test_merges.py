"""Merged patients: their records are the survivor's, in any order of the files."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from model.identity_store.envelope import LocalWrapping
from model.identity_store.store import Recorder, find
from tests.support.model.curated_rows import rows
from tests.support.model.linked_records import (
    MRN,
    Resource,
    message,
    owners,
    patient,
    replaced_by,
    run,
    stay,
    subject,
    write,
)


@pytest.mark.parametrize("order", [("a", "b", "c"), ("c", "b", "a"), ("b", "c", "a")])
def test_records_of_a_replaced_patient_are_the_survivors_in_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    parts: dict[str, list[Resource]] = {
        "a": [patient("p1", link=[replaced_by("p2")], active=False)],
        "b": [stay("e1", "Patient/p1"), stay("e2", "http://h.example/fhir/Patient/p2/_history/4")],
        "c": [patient("p2", link=[replaced_by("p3")]), patient("p3"), stay("e3", "Patient/p3")],
    }
    for number, name in enumerate(order):
        write(tmp_path, f"{number}.ndjson", *parts[name])
    done = run(tmp_path)
    assert done.excluded == {"Patient.replaced": 2}
    assert done.read == 6
    assert owners(tmp_path / "out") == {subject("p3").pseudonym("Patient", "p3"): 3}
    assert len(rows(tmp_path / "out", "patient")) == 1


@pytest.mark.parametrize("kind", ["seealso", "refer"])
def test_other_links_are_no_merge(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "a.ndjson", patient("p1", link=[replaced_by("p2", kind)]), patient("p2"))
    assert run(tmp_path).counts == {"accepted": 2, "used": 2}
    assert len(rows(tmp_path / "out", "patient")) == 2


def test_the_newest_version_of_a_patient_says_whether_he_is_merged(tmp_path: Path) -> None:
    merged = patient("p1", link=[replaced_by("p2")], meta={"lastUpdated": "2024-01-01T00:00:00Z"})
    parted = patient("p1", meta={"lastUpdated": "2024-02-01T00:00:00Z"})
    write(tmp_path, "a.ndjson", parted, patient("p2"), stay("e1", "Patient/p1"))
    write(tmp_path, "b.ndjson", merged)
    assert run(tmp_path).excluded == {}
    assert owners(tmp_path / "out") == {subject("p1").pseudonym("Patient", "p1"): 1}


def test_a_survivor_outside_the_source_keeps_the_record_of_the_replaced_one(tmp_path: Path) -> None:
    write(tmp_path, "a.ndjson", patient("p1", link=[replaced_by("p2")]), stay("e1", "Patient/p1"))
    done = run(tmp_path)
    assert done.warnings["patient-replaced-by-absent"] == 1
    (found,) = rows(tmp_path / "out", "patient")
    assert found["patient_id"] == subject("p2").pseudonym("Patient", "p2")
    assert owners(tmp_path / "out") == {found["patient_id"]: 1}


def test_deleting_a_replaced_patient_leaves_the_survivors_records_and_the_other_way_round(tmp_path: Path) -> None:
    parts = [patient("p1", link=[replaced_by("p2")]), patient("p2"), stay("e1", "Patient/p1"), stay("e2", "Patient/p2")]
    write(tmp_path, "a.ndjson", *parts)
    write(tmp_path, "b.ndjson", message({"request": {"method": "DELETE", "url": "Patient/p1"}}))
    run(tmp_path)
    assert sum(owners(tmp_path / "out").values()) == 2
    write(tmp_path, "b.ndjson", message({"request": {"method": "DELETE", "url": "Patient/p2"}}))
    run(tmp_path)
    assert not owners(tmp_path / "out")


def test_fifty_random_families_of_merges(tmp_path: Path) -> None:
    draw = random.Random(11)
    files: list[list[Resource]] = [[] for _ in range(4)]
    expected: Counter[str] = Counter()
    unclear = 0
    for family in range(50):
        people = [f"f{family}-{number}" for number in range(draw.randint(2, 5))]
        edges = {tuple(draw.sample(people, 2)) for _ in range(draw.randint(1, len(people)))}
        links: dict[str, list[Any]] = {one: [] for one in people}
        for old, new in edges:
            forward = draw.random() < 0.5
            links[old if forward else new].append(
                replaced_by(new, "replaced-by") if forward else replaced_by(old, "replaces")
            )
        reach = {one: {new for old, new in edges if old == one} for one in people}
        for _ in people:  # transitive closure
            reach = {one: seen.union(*(reach[other] for other in seen)) for one, seen in reach.items()}
        circular = {one for one in people if one in reach[one]}
        for one in people:
            ends = {other for other in reach[one] | {one} if not reach[other]}
            lost = one in circular or reach[one] & circular or len(ends) != 1
            count = draw.randint(1, 3)
            if lost:
                unclear += count
            else:
                (end,) = ends
                expected[subject(end).pseudonym("Patient", end)] += count
            draw.choice(files).append(patient(one, **({"link": links[one]} if links[one] else {})))
            for number in range(count):
                draw.choice(files).append(stay(f"{one}-{number}", f"Patient/{one}"))
    for number, resources in enumerate(files):
        draw.shuffle(resources)
        write(tmp_path, f"{number}.ndjson", *resources)
    done = run(tmp_path)
    assert owners(tmp_path / "out") == expected
    assert done.excluded.get("Encounter.patient-unclear", 0) == unclear > 0
    assert done.read == sum(map(len, files))
    assert {row["patient_id"] for row in rows(tmp_path / "out", "patient")} >= set(expected)


def test_the_identity_store_holds_the_survivor_with_the_record_numbers_of_both(tmp_path: Path) -> None:
    wrap = LocalWrapping(bytes(range(32)))
    write(tmp_path, "a.ndjson", patient("p1", (MRN, "1"), link=[replaced_by("p2")]), patient("p2", (MRN, "2")))
    recorder = Recorder(str(tmp_path / "store"), "north", wrap)
    run(tmp_path, identities=recorder)
    found = find(str(tmp_path / "store"), "north", subject("p2").pseudonym("Patient", "p2"), wrap)
    assert found is not None
    assert found.patient_id == "p2"
    assert [one["value"] for one in found.identifiers] == ["2", "p1", "1"]
    assert find(str(tmp_path / "store"), "north", subject("p1").pseudonym("Patient", "p1"), wrap) is None
