"""One patient's record as an EHR has it at a moment of a stay: what came later is not there yet."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.deid.subject import moment_of
from services.care.fresh.patient_record import PatientRecord

KNOWN = {
    "Encounter": ("period", "start"),
    "Condition": ("recordedDate",),
    "Observation": ("effectiveDateTime",),
    "MedicationRequest": ("authoredOn",),
}


@dataclass(frozen=True)
class Stay:
    """A stay of a synthetic patient, with all that is on file of the patient."""

    patient: dict[str, Any]
    encounter: dict[str, Any]
    resources: list[dict[str, Any]]

    @property
    def start(self) -> datetime:
        return _moment(self.encounter, ("period", "start"))

    @property
    def end(self) -> datetime:
        return _moment(self.encounter, ("period", "end"))

    def known_at(self, now: datetime) -> list[dict[str, Any]]:
        """Return the resources that are on file at a moment; an encounter that ends later goes on."""
        found = [self.patient]
        for resource in self.resources:
            kind = resource["resourceType"]
            if kind not in KNOWN or _moment(resource, KNOWN[kind]) > now:
                continue
            if kind == "Encounter" and _moment(resource, ("period", "end")) > now:
                period = {"start": resource["period"]["start"]}
                resource = {name: value for name, value in resource.items() if name != "hospitalization"}
                resource |= {"status": "in-progress", "period": period}
            found.append(resource)
        return found

    def record(self, now: datetime, kinds: frozenset[str] | None = None) -> PatientRecord:
        """Return the record at a moment; of some kinds of resources only, if they are given."""
        resources = [one for one in self.known_at(now) if kinds is None or one["resourceType"] in kinds]
        return PatientRecord(self.patient["id"], self.encounter["id"], resources)


def stays(folder: Path) -> list[Stay]:
    """Return the inpatient stays of a folder of Bundles, those of patients with most of them first."""
    found: list[list[Stay]] = []
    for file in sorted(folder.glob("*.json")):
        resources = _stored(json.loads(file.read_text(encoding="utf-8")))
        (patient,) = (one for one in resources if one["resourceType"] == "Patient")
        inpatient = [one for one in resources if one["resourceType"] == "Encounter" and one["class"]["code"] == "IMP"]
        inpatient.sort(key=lambda one: str(one["period"]["start"]))
        found.append([Stay(patient, one, resources) for one in inpatient if "end" in one["period"]])
    return [stay for stays_of_one in sorted(found, key=lambda one: -len(one)) for stay in stays_of_one]


def _stored(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the resources as a server has them after the transaction: with references by type and id."""
    text = json.dumps([entry["resource"] for entry in bundle["entry"]])
    for entry in bundle["entry"]:
        resource = entry["resource"]
        text = text.replace(f'"urn:uuid:{resource["id"]}"', f'"{resource["resourceType"]}/{resource["id"]}"')
    resources: list[dict[str, Any]] = json.loads(text)
    return resources


def write_record(folder: Path, resources: list[dict[str, Any]]) -> Path:
    """Write resources as a Bundle into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    (folder / "record.json").write_text(json.dumps(bundle), encoding="utf-8")
    return folder


def _moment(resource: dict[str, Any], path: tuple[str, ...]) -> datetime:
    value: Any = resource
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return moment_of(value) or datetime(1900, 1, 1, tzinfo=UTC)
