"""No identifier leaves the restricted zone, wherever in a resource it was written."""

import contextlib
import copy
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from model.errors import GateError
from model.ingestion.run import ingest
from model.ingestion.validation import ACCEPTED
from tests.unit.model_world import RING, TODAY, bundle, write_bundle

# The 18 identifiers of 45 CFR 164.514(b)(2), each in a form that would be found again.
CANARIES = {
    "name": "Quackenbush",
    "address": "1313 Mockingbird Lane",
    "date": "1931-07-04",
    "telephone": "617-555-0199",
    "fax": "617-555-0142",
    "mail": "quack@canary.example",
    "ssn": "987-65-4320",
    "record number": "MRN88412267",
    "plan number": "H5521-994471",
    "account": "ACC55512399",
    "licence": "S99912377",
    "vehicle": "1HGCM82633A004352",
    "device": "UDI0884838001",
    "url": "https://canary.example/q",
    "ip": "203.0.113.77",
    "voice": "voiceprint-7731",
    "photo": "Q0FOQVJZUEhPVE8=",
    "other": "88123456789",
}


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the path of every string in a resource."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place))
    elif isinstance(value, str):
        yield path


def planted(resource: dict[str, Any], path: tuple[str | int, ...], canary: str, identity: str) -> dict[str, Any]:
    changed: dict[str, Any] = copy.deepcopy(resource) | {"id": identity}
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = canary
    return changed


def dressed(resource: dict[str, Any], canary: str) -> dict[str, Any]:
    """Return a resource with a canary in all the places that FHIR has for anything."""
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{canary}</div>'}
    note = {"resourceType": "Basic", "id": "b", "code": {"text": canary}}
    extension = [{"url": f"http://x.example/{canary}", "valueString": canary}]
    extra: dict[str, Any] = {
        "text": text,
        "extension": extension,
        "contained": [note],
        "meta": {"source": f"urn:{canary}", "tag": [{"system": "urn:t", "code": "c", "display": canary}]},
        "identifier": [{"system": "urn:i", "value": canary, "assigner": {"display": canary}}],
        "language": "en",
    }
    if resource["resourceType"] != "Patient":
        extra["subject"] = resource["subject"] | {"display": canary, "extension": extension}
    if resource["resourceType"] in {"Condition", "Observation", "MedicationRequest"}:
        extra["note"] = [{"text": canary, "authorString": canary}]
    if resource["resourceType"] == "Patient":
        extra["photo"] = [{"title": canary, "url": f"http://x.example/{canary}"}]
        extra["contact"] = [{"name": {"text": canary}, "telecom": [{"system": "phone", "value": canary}]}]
        extra["_birthDate"] = {"extension": extension}
    return resource | extra


def one_of_each() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for entry in bundle()["entry"]:
        resource = entry["resource"]
        kind = resource["resourceType"]
        fuller = kind not in found or len(json.dumps(resource)) > len(json.dumps(found[kind]))
        found[kind] = resource if fuller else found[kind]
    assert set(found) == set(ACCEPTED)
    return list(found.values())


def everything_written(folder: Path) -> str:
    """Return all that lies below a folder, names and contents, as text."""
    texts = []
    for path in sorted(folder.rglob("*")):
        texts.append(str(path))
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            texts.append(json.dumps(table.to_pylist(), default=str))
            texts.append(str(table.schema.metadata))
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
    return "\n".join(texts)


def test_no_planted_identifier_survives(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    numbers = itertools.count()
    entries = []
    patient = next(r for r in one_of_each() if r["resourceType"] == "Patient")
    for resource in one_of_each():
        for canary in CANARIES.values():
            for path in leaves(resource):
                if path in {("resourceType",), ("id",)}:
                    continue
                entries.append(planted(resource, path, canary, f"c{next(numbers)}"))
            entries.append(dressed(resource, canary) | {"id": f"d{next(numbers)}"})
    content = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": f"urn:uuid:{patient['id']}", "resource": patient}, *({"resource": r} for r in entries)],
    }
    write_bundle(tmp_path / "in" / "Quackenbush_617-555-0199.json", content)
    done = ingest(
        str(tmp_path / "in"),
        hospital="north",
        out=str(tmp_path / "out" / "curated"),
        ring=RING,
        today=TODAY,
        max_bad_share=1.0,
    )
    assert done.counts["accepted"] > len(CANARIES) * 20
    assert done.counts["refused"] > 0
    written = everything_written(tmp_path / "out")
    printed = "".join(capfd.readouterr())
    survivors = {name for name, canary in CANARIES.items() if canary in written or canary in printed}
    assert not survivors
    assert patient["id"] not in written


def test_no_identifier_survives_a_refusal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = {"resourceType": "Patient", "id": "x", "Quackenbush": 1, "gender": ["Quackenbush"], "name": "Quackenbush"}
    write_bundle(tmp_path / "in" / "Quackenbush.json", broken)
    said = ""
    with contextlib.suppress(GateError):
        ingest(str(tmp_path / "in"), hospital="north", out=str(tmp_path / "out" / "curated"), ring=RING, today=TODAY)
    try:
        ingest(str(tmp_path / "in"), hospital="north", out=str(tmp_path / "out" / "curated"), ring=RING, today=TODAY)
    except GateError as refusal:
        said = str(refusal)
    assert "1 of 1 resources" in said
    assert "Quackenbush" not in said.replace(str(tmp_path), "")
    assert "Quackenbush" not in everything_written(tmp_path / "out")
    assert "Quackenbush" not in "".join(capfd.readouterr())
