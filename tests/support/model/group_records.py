"""FHIR records of race, ethnicity, payer and address, and what ingestion publishes of them."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from model.curated import curated_tables
from model.curated.ingested import Ingested
from model.curated.run import ingest
from tests.support.model.model_world import RING, write_bundle

Resource = dict[str, Any]


US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
CDC = "urn:oid:2.16.840.1.113883.6.238"
NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
RACES = {
    "1002-5": "American Indian or Alaska Native",
    "2028-9": "Asian",
    "2054-5": "Black or African American",
    "2076-8": "Native Hawaiian or Other Pacific Islander",
    "2106-3": "White",
}
ALIKE = 6
"""Copies of each patient, so that no cell is too small to be published."""
VARIANTS = 50


def part(code: str, *, system: str = CDC, url: str = "ombCategory") -> Resource:
    return {"url": url, "valueCoding": {"system": system, "code": code, "display": f"words for {code}"}}


def extension(name: str, *parts: Resource) -> Resource:
    return {"url": f"{US_CORE}{name}", "extension": [*parts, {"url": "text", "valueString": "Somebody's own words"}]}


def patient(identity: str, *extensions: Resource, **more: Any) -> Resource:
    base = {"resourceType": "Patient", "id": identity, "gender": "female", "birthDate": "1970-05-05"}
    return base | ({"extension": list(extensions)} if extensions else {}) | more


def encounter(identity: str, whose: str, start: str, end: str) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": identity,
        "status": "finished",
        "class": {"system": ACT_CODE, "code": "IMP"},
        "subject": {"reference": f"Patient/{whose}"},
        "period": {"start": start, "end": end},
    }


def cover(identity: str, whose: str, payer: str, **more: Any) -> Resource:
    base = {"resourceType": "Coverage", "id": identity, "status": "active", "type": {"text": payer}}
    return base | {"beneficiary": {"reference": f"Patient/{whose}"}, "payor": [{"display": "Plan 88123456"}]} | more


def taken(folder: Path, resources: list[Resource], **options: Any) -> tuple[Ingested, list[Resource], list[Resource]]:
    """Ingest resources; return what was done, and the published patients and encounters."""
    content = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    write_bundle(folder / "in" / "one.json", content)
    out = str(folder / "out")
    done = ingest(str(folder / "in"), hospital="north", out=out, ring=RING, **options)
    curated_tables.download(out, folder / "tables")
    tables = [pq.read_table(folder / "tables" / name).to_pylist() for name in ("patient", "encounter")]
    return done, tables[0], tables[1]
