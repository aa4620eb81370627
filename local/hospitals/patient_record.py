"""A patient's record as an EHR sends it with a hook, read from a hospital's FHIR files."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import UserError

Resource = dict[str, Any]

INPATIENT = ("IMP", "ACUTE", "NONAC")
ONGOING = ("arrived", "triaged", "in-progress", "onleave")
CATEGORIES = ("laboratory", "vital-signs")
SEARCHES = {
    "encounters": "Encounter",
    "conditions": "Condition",
    "observations": "Observation",
    "medications": "MedicationRequest",
}
"""Searches of the hook's prefetch, and the resource type that each returns."""

_UUID = "urn:uuid:"
_TYPES = {"subject": "Patient", "encounter": "Encounter"}
"""What an address of no bundle refers to, by the element that has it."""


@dataclass(frozen=True)
class Stay:
    """Inpatient stay of a patient.

    Parameters
    ----------
    patient, encounter
        Ids of the Patient and the Encounter.
    ongoing
        Whether it goes on.
    started
        Start of the encounter, as it is recorded.
    """

    patient: str
    encounter: str
    ongoing: bool
    started: str


def ongoing(files: Iterable[Path]) -> list[Stay]:
    """Return the stays that go on, the longest first."""
    stays_going_on = [one for path in files for one in stays(path) if one.ongoing]
    return sorted(stays_going_on, key=lambda one: (one.started, one.encounter))


def choose(files: Iterable[Path], patient: str = "") -> Stay:
    """Return the stay that is discharged next: the one that goes on longest, or the newest if none goes on.

    Parameters
    ----------
    files
        The hospital's FHIR files: bundles or NDJSON.
    patient
        Id of the patient whose stay is wanted; any by default.

    Raises
    ------
    UserError
        If there is none.
    """
    candidates = [one for path in files for one in stays(path) if patient in ("", one.patient)]
    if not candidates:
        whose = f"The patient {patient} has" if patient else "The hospital's FHIR files have"
        raise UserError(f"{whose} no inpatient encounter: name another with PATIENT=, the id of a Patient resource.")
    going_on = [one for one in candidates if one.ongoing]
    if going_on:
        return min(going_on, key=lambda one: (one.started, one.encounter))
    return max(candidates, key=lambda one: (one.started, one.encounter))


def prefetch(files: Iterable[Path], stay: Stay) -> dict[str, Resource]:
    """Return the prefetch of ``encounter-discharge`` for a stay, of CDS Hooks 2.0's form.

    Raises
    ------
    UserError
        If the files do not have the Patient.
    """
    record = [one for path in files for one in _resources(path, stay.patient) if _is_of(one, stay.patient)]
    patient = next((one for one in record if one["resourceType"] == "Patient"), None)
    if patient is None:
        raise UserError(f"The hospital's FHIR files have no Patient {stay.patient}: correct the files.")
    encounter = next(one for one in record if _key(one) == ("Encounter", stay.encounter))
    searches = {name: _searchset(one for one in record if _matches(one, kind)) for name, kind in SEARCHES.items()}
    return {"patient": patient, "encounter": encounter, **searches}


def stays(path: Path) -> Iterator[Stay]:
    """Yield the inpatient stays of a FHIR file."""
    for one in _resources(path, "Encounter"):
        code = (one.get("class") or {}).get("code") if isinstance(one.get("class"), dict) else None
        patient = _reference(one).removeprefix("Patient/")
        started = str((one.get("period") or {}).get("start") or "")
        if one["resourceType"] == "Encounter" and code in INPATIENT and patient and started:
            yield Stay(patient, one["id"], one.get("status") in ONGOING, started)


def _resources(path: Path, text: str) -> Iterator[Resource]:
    """Yield the resources of a file that has a text, with references of FHIR's relative form."""
    content = path.read_bytes()
    if path.name.endswith(".gz"):
        content = gzip.decompress(content)
    if text.encode() not in content:
        return
    lines = content.splitlines() if ".ndjson" in path.name else [content]
    for line in lines:
        if text.encode() in line:
            yield from _unpacked(json.loads(line))


def _unpacked(value: Resource) -> Iterator[Resource]:
    if value.get("resourceType") != "Bundle":
        values = [value]
        names: dict[str, str] = {}
    else:
        entries = [entry for entry in value.get("entry") or () if isinstance(entry.get("resource"), dict)]
        values = [entry["resource"] for entry in entries]
        names = {entry["fullUrl"]: "/".join(_key(entry["resource"])) for entry in entries if "fullUrl" in entry}
    for resource in values:
        if isinstance(resource.get("resourceType"), str) and isinstance(resource.get("id"), str):
            yield _relative(resource, names)


def _relative(value: Any, names: Mapping[str, str], within: str = "") -> Any:
    """Return a value whose references name resources as an EHR's server does, instead of a bundle's addresses."""
    if isinstance(value, dict):
        return {
            key: _named(part, names, within)
            if key == "reference" and isinstance(part, str)
            else _relative(part, names, key)
            for key, part in value.items()
        }
    return [_relative(part, names, within) for part in value] if isinstance(value, list) else value


def _named(reference: str, names: Mapping[str, str], within: str) -> str:
    if reference in names or not reference.startswith(_UUID) or within not in _TYPES:
        return names.get(reference, reference)
    return f"{_TYPES[within]}/{reference.removeprefix(_UUID)}"


def _key(resource: Resource) -> tuple[str, str]:
    return str(resource.get("resourceType")), str(resource.get("id"))


def _reference(resource: Resource) -> str:
    """Return the subject of a resource as Patient/id; empty without one."""
    reference = (resource.get("subject") or {}).get("reference")
    parts = reference.split("/_history")[0].split("/")[-2:] if isinstance(reference, str) else []
    return "/".join(parts) if parts[:1] == ["Patient"] else ""


def _is_of(resource: Resource, patient: str) -> bool:
    return _key(resource) == ("Patient", patient) or _reference(resource) == f"Patient/{patient}"


def _matches(resource: Resource, kind: str) -> bool:
    if resource["resourceType"] != kind:
        return False
    if kind != "Observation":
        return True
    codings = [coding for one in resource.get("category") or () for coding in one.get("coding") or ()]
    return any(coding.get("code") in CATEGORIES for coding in codings)


def _searchset(resources: Iterable[Resource]) -> Resource:
    entries = [{"resource": one, "search": {"mode": "match"}} for one in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}
