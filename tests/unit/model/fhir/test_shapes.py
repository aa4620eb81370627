"""The quick checks never accept what fhir.resources refuses, and accept nearly all that it accepts."""

import copy
import functools
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.support.samples import shared
from model.fhir.resource_types import ACCEPTED
from model.fhir.shapes import surely_valid
from tests.support.model.model_world import bundle

Path_ = tuple[str | int, ...]

FULL: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "p1",
        "meta": {"lastUpdated": "2024-03-29T10:00:00.123+02:00", "versionId": "3", "profile": ["http://x/y"]},
        "text": {"status": "generated", "div": "<div>x</div>"},
        "extension": [{"url": "urn:a", "valueDecimal": 0.5}, {"url": "urn:b", "extension": [{"url": "c"}]}],
        "contained": [{"resourceType": "Organization", "id": "o", "name": "x"}],
        "name": [{"given": ["A", "B"], "family": "C", "period": {"start": "2020"}}],
        "gender": "female",
        "_gender": {"extension": [{"url": "urn:a", "valueCode": "x"}]},
        "birthDate": "1950-02-28",
        "deceasedDateTime": "2024-01-01",
        "multipleBirthInteger": 2,
        "communication": [{"language": {"text": "en"}, "preferred": True}],
        "photo": [{"contentType": "image/png"}],
    },
    {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0", "userSelected": False}], "text": "x"},
        "subject": {"reference": "Patient/p1", "identifier": {"system": "urn:x", "value": "1"}},
        "effectiveDateTime": "2024-03-29T10:00:00Z",
        "issued": "2024-03-29T10:00:00.5Z",
        "valueQuantity": {"value": 1.5, "unit": "mg/dL", "comparator": "<"},
        "referenceRange": [{"low": {"value": 1}}],
        "component": [{"code": {"text": "x"}, "valueString": "y"}, {"code": {"text": "x"}, "valueInteger": 3}],
        "note": [{"text": "a note"}],
    },
    {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "x"},
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2024-05-31",
        "dosageInstruction": [
            {
                "sequence": 1,
                "asNeededBoolean": True,
                "timing": {"repeat": {"frequency": 1, "timeOfDay": ["10:00:00"]}},
                "doseAndRate": [{"doseQuantity": {"value": 2}}],
            }
        ],
        "dispenseRequest": {"numberOfRepeatsAllowed": 0, "validityPeriod": {"start": "2024-05", "end": "2024-06"}},
    },
]

TEXTS = [
    *("", " ", "a  b", " a", "\x1c", "\x85", "1.0", "male", "x" * 65, "http://[", "urn:uuid:x", "a\nb", "a\n"),
    *("2023-02-30", "2023-02-29", "2024-02-29", "2023-13", "0000", "0001-01-01", "2023-1-1", "2023-04-3\u0660"),
    *("2023-04-31T10:00:00Z", "2023-04-30T24:00:00Z", "2023-04-30T10:00:00", "2023-04-30T10:00:60Z", "10:00:60"),
    *("2023-04-30T10:00:00+14:30", "2023-04-30T10:00:00.1234567Z"),
]
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(TEXTS),
    st.sampled_from([[], {}, [None], [[]], [{}], {"resourceType": "Patient"}, {"reference": 1}, [1], ["a", None]]),
    st.dictionaries(st.sampled_from(["id", "extension", "url", "valueString", "value", "code"]), st.text(max_size=2)),
)
NAMES = st.sampled_from(
    [
        *(
            "status",
            "code",
            "id",
            "class",
            "class_fhir",
            "value",
            "valueString",
            "valueBoolean",
            "_status",
            "extension",
        ),
        *("resourceType", "modifierExtension", "fhir_comments", "onsetString", "deceasedBoolean", "contained"),
    ]
)


@functools.cache
def valid_ones() -> list[dict[str, Any]]:
    made = [entry["resource"] for entry in bundle()["entry"]]
    kinds = {resource["resourceType"]: resource for resource in made}
    return [*FULL, *kinds.values()]


def places_in(value: Any, above: Path_ = ()) -> Iterator[Path_]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inner:
        yield (*above, step)
        yield from places_in(item, (*above, step))


def holder(resource: Any, path: Path_) -> Any:
    for step in path[:-1]:
        resource = resource[step]
    return resource


def library_accepts(resource: dict[str, Any]) -> bool:
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except (ValueError, TypeError, AttributeError, KeyError, ImportError):
        return False
    return True


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_what_is_surely_valid_is_valid(data: st.DataObject) -> None:
    resource = copy.deepcopy(data.draw(st.sampled_from(valid_ones())))
    kind = resource["resourceType"]
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(sorted(places_in(resource), key=str)))
        inside = holder(resource, path)
        change = data.draw(st.sampled_from(["replace", "remove", "add", "repeat"]))
        if change == "replace":
            inside[path[-1]] = copy.deepcopy(data.draw(STRANGE))
        elif change == "remove":
            del inside[path[-1]]
        elif change == "repeat":
            inside[path[-1]] = [inside[path[-1]], inside[path[-1]]]
        elif isinstance(inside, dict):
            inside[data.draw(NAMES)] = copy.deepcopy(data.draw(STRANGE))
        if not resource:
            break
    if surely_valid(resource, kind):
        assert library_accepts(resource)


def test_what_is_common_is_surely_valid() -> None:
    assert all(surely_valid(resource, resource["resourceType"]) for resource in valid_ones())


def resources_of(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in value.get("entry", []) if value.get("resourceType") == "Bundle" else [{"resource": value}]:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") in ACCEPTED:
            yield resource


@pytest.mark.parametrize(
    ("name", "pattern", "step"),
    [
        ("synthea-r4", "*.json.gz", 61),
        ("hl7-r4-examples", "*.json", 1),
        ("invalid-fhir", "invalid/*.json", 1),
        ("invalid-fhir", "valid-controls/*.json", 1),
    ],
)
def test_data_of_others_is_never_accepted_wrongly(name: str, pattern: str, step: int) -> None:
    folder = shared(name)
    if not folder.is_dir():
        pytest.skip(f"the reference data is not at {folder}")
    seen: Counter[tuple[bool, bool]] = Counter()
    for path in sorted(folder.glob(pattern))[::step]:
        raw = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
        try:
            value = json.loads(raw)
        except ValueError:
            continue
        for resource in resources_of(value) if isinstance(value, dict) else ():
            seen[surely_valid(resource, resource["resourceType"]), library_accepts(resource)] += 1
    assert seen[True, False] == 0
    assert seen[True, True] > 20


def test_what_the_library_knows_by_another_name_is_left_to_it() -> None:
    encounter = next(one for one in valid_ones() if one["resourceType"] == "Encounter")
    renamed = {name: value for name, value in encounter.items() if name != "class"} | {"class_fhir": encounter["class"]}
    assert not surely_valid(renamed, "Encounter")
    assert not surely_valid(encounter | {"modifierExtension": []}, "Encounter")
    assert not surely_valid(encounter, "Patient")
