"""Resources of different files that belong together: merged patients, conditional requests, drugs elsewhere."""

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from model.curated.ingested import Ingested
from model.curated.run import ingest
from model.deid.subject import Subject, secret_input
from model.fhir.conditional import UNCLEAR, derived_id, searched
from model.identity_store.envelope import LocalWrapping
from model.identity_store.store import Recorder, find
from tests.support.model.curated_rows import rows
from tests.support.model.model_world import RING

ACT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
MRN = "http://hospital.example/mrn"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
Resource = dict[str, Any]


def run(source: Path, **options: Any) -> Ingested:
    return ingest(
        str(source / "in"),
        hospital="north",
        out=str(source / "out"),
        ring=RING,
        max_bad_share=0.5,
        **options,
    )


def patient(identity: str | None = None, *identifiers: tuple[str, str], **members: Any) -> Resource:
    listed = [{"system": system, "value": value} for system, value in identifiers]
    base: Resource = {"resourceType": "Patient", "gender": "female", "birthDate": "1950-02-03"}
    return base | ({"id": identity} if identity else {}) | ({"identifier": listed} if listed else {}) | members


def stay(identity: str, subject: Any, *, clock: str = "10:00", day: int = 1) -> Resource:
    reference = {"reference": subject} if isinstance(subject, str) else subject
    period = {"start": f"2024-03-{day:02}T{clock}:00Z", "end": f"2024-03-{day:02}T23:59:00Z"}
    base: Resource = {"resourceType": "Encounter", "id": identity, "status": "finished", "class": ACT}
    return base | {"subject": reference, "period": period}


def replaced_by(other: str, kind: str = "replaced-by") -> dict[str, Any]:
    return {"other": {"reference": f"Patient/{other}"}, "type": kind}


def write(folder: Path, name: str, *resources: Resource) -> None:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_text("".join(json.dumps(one) + "\n" for one in resources), encoding="utf-8")


def message(*entries: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def subject(identity: str) -> Subject:
    return Subject(RING.secrets([secret_input("north", identity)])[0])


def owners(out: Path) -> Counter[str]:
    return Counter(row["patient_id"] for row in rows(out, "encounter"))


def posted(url: str, resource: Resource, condition: str | None = None) -> Resource:
    request = {"method": "POST", "url": resource["resourceType"]} | ({"ifNoneExist": condition} if condition else {})
    return {"fullUrl": url, "resource": resource, "request": request}


def put(url: str, resource: Resource, condition: str) -> Resource:
    return {"fullUrl": url, "resource": resource, "request": {"method": "PUT", "url": condition}}


# Merges


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


# Conditional requests


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


# Drugs


def medication_order(number: int) -> Resource:
    base: Resource = {"resourceType": "MedicationRequest", "id": f"m{number}", "status": "active", "intent": "order"}
    return base | {"subject": {"reference": "Patient/p1"}, "authoredOn": "2024-03-02"}


def test_fifty_orders_of_drugs_described_elsewhere(tmp_path: Path) -> None:
    draw = random.Random(3)
    medications: list[Resource] = []
    orders: list[Resource] = [patient("p1")]
    bundle: list[Resource] = []
    expected: Counter[str] = Counter()
    excluded: Counter[str] = Counter()
    for number in range(50):
        code = str(100_000 + number)
        drug: Resource = {
            "resourceType": "Medication",
            "id": f"d{number}",
            "code": {"coding": [{"system": RXNORM, "code": code}]},
        }
        order = medication_order(number)
        state = draw.choice(["there", "there", "there", "missing", "error"])
        drug |= {"status": "entered-in-error"} if state == "error" else {}
        way = draw.choice(
            ["relative", "absolute", "history", "urn", "contained", "bundle", "identifier", "conditional"]
        )
        references: dict[str, Resource] = {
            "absolute": {"reference": f"https://h.example/r4/Medication/d{number}"},
            "history": {"reference": f"Medication/d{number}/_history/2"},
            "urn": {"reference": f"urn:uuid:d{number}"},
            "contained": {"reference": f"#d{number}"},
            "bundle": {"reference": f"urn:uuid:of-bundle-{number}"},
            "identifier": {"identifier": {"system": "urn:formulary", "value": code}},
            "conditional": {"reference": f"Medication?identifier=urn:formulary|{code}"},
        }
        order["medicationReference"] = references.get(way, {"reference": f"Medication/d{number}"})
        if way in {"identifier", "conditional"}:
            drug["identifier"] = [{"system": "urn:formulary", "value": code}]
        if state == "missing" and way == "contained":
            state = "there"
        if way == "contained":
            orders.append(order | {"contained": [drug]})
        elif way == "bundle":
            bundle += [{"resource": order}] + (
                [{"fullUrl": f"urn:uuid:of-bundle-{number}", "resource": drug}] if state != "missing" else []
            )
        else:
            orders.append(order)
            medications += [drug] if state != "missing" else []
        reasons = {
            "missing": "MedicationRequest.medication-not-found",
            "error": "MedicationRequest.medication-entered-in-error",
        }
        if state == "there":
            expected[code] += 1
        else:
            excluded[reasons[state]] += 1
    write(tmp_path, "1.ndjson", *orders)
    write(tmp_path, "2.json", message(*bundle))
    write(tmp_path, "Stock.ndjson", *medications)
    done = run(tmp_path)
    assert Counter(row["code"] for row in rows(tmp_path / "out", "medication_request")) == expected
    assert done.excluded == excluded
    assert len(excluded) == 2


def test_an_order_counts_by_one_system_and_ndc_does_not_leave(tmp_path: Path) -> None:
    ndc = "http://hl7.org/fhir/sid/ndc"
    codings = [
        [{"system": ndc, "code": "0071-0155-23"}],
        [{"system": ndc, "code": "00071015540"}],
        [{"system": ndc, "code": "0071-0156-23"}],
        [{"system": ndc, "code": "00071015540"}, {"system": RXNORM, "code": "617312"}],
        [{"system": "http://www.whocc.no/atc", "code": "c10aa05"}],
        [{"system": "urn:local", "code": "00071015540"}],
    ]
    write(tmp_path, "patient.ndjson", patient("p1"))
    for number, coding in enumerate(codings):
        order = medication_order(number) | {"medicationCodeableConcept": {"coding": coding}}
        write(tmp_path, f"{number}.ndjson", order)
    run(tmp_path)
    found = [row["code"] for row in rows(tmp_path / "out", "medication_request")]
    keyed = {code for code in found if code.startswith("v1-")}
    assert sorted(set(found) - keyed) == ["617312", "C10AA05"]
    assert len(found) == 5
    assert keyed == {subject("p1").pseudonym("ndc", "000710155"), subject("p1").pseudonym("ndc", "000710156")}
