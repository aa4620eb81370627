"""Orders of drugs that are described elsewhere, in one code system each."""

import random
from collections import Counter
from pathlib import Path

from tests.support.model.curated_rows import rows
from tests.support.model.linked_records import RXNORM, Resource, medication_order, message, patient, run, subject, write


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
