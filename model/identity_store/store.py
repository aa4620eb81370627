"""Encrypted file of a hospital's identities: written by ingest, read for one pseudonym at a time."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any

from model.deid.subject import Subject
from model.errors import UserError
from model.identity_store.envelope import Wrapping, seal, unseal, wrapping
from model.io import storage
from model.io.json_elements import Resource

FORMAT = 1
FILE = "identities.ndjson"
REPLACED = "replaced"
"""Type of the entry that holds the id of a patient whose record was merged into this one."""


@dataclass(frozen=True)
class Identity:
    """Identity of a pseudonymised patient.

    Attributes
    ----------
    patient_id : str
        Logical id of the Patient resource.
    identifiers : tuple of dict
        Record numbers: system, value and type of each.
    shift_days : int
        Shift of all published dates of the patient, in days.

    Examples
    --------
    >>> from model import Identity
    >>> Identity("p1", ({"system": "urn:north:mrn", "value": "17", "type": "MR"},), -12).shift_days
    -12
    """

    patient_id: str
    identifiers: tuple[dict[str, str], ...]
    """Record numbers: system, value and type of each."""
    shift_days: int
    """By how many days all published dates of the patient are moved."""


class Recorder:
    """Collects the identities of one ingest and publishes them sealed, whole or not at all.

    Each edition has a data key of its own and holds the patients of its run alone: one who is no longer in the
    source is no longer in the store. An edition of the same input is not written again.

    Parameters
    ----------
    place
        Folder or S3 prefix of the identity store.
    hospital
        Whose patients these are.
    wrap
        Makes the data key.
    """

    def __init__(self, place: str, hospital: str, wrap: Wrapping) -> None:
        self._file = store_file(place, hospital)
        self._hospital = hospital
        self._wrap = wrap
        self._known: dict[str, tuple[str, Identity]] = {}
        self._merged: dict[str, dict[str, tuple[dict[str, str], ...]]] = {}

    def clear(self) -> None:
        """Keep nothing of what was recorded: the run begins again."""
        self._known.clear()
        self._merged.clear()

    def merge(self, resource: Resource, survivor: str) -> None:
        """Keep the id and the record numbers of a replaced patient with those of the surviving one."""
        replaced = {"type": REPLACED, "value": resource["id"]}
        self._merged.setdefault(survivor, {})[resource["id"]] = (replaced, *_identifiers(resource))

    def record(self, resource: Resource, subject: Subject) -> None:
        """Note a Patient as the hospital knows him; a later version replaces an earlier one."""
        identity = resource["id"]
        pseudonym = subject.pseudonym("Patient", identity)
        person = Identity(identity, tuple(_identifiers(resource)), subject.shift.days)
        self._known[identity] = (pseudonym, person)

    def stay(self, resource: Resource, patient_id: str, subject: Subject, zone: tzinfo) -> None:
        """Keep nothing of an Encounter: the store answers for patients alone."""

    def forget(self, patient_id: str) -> None:
        """Drop a deleted patient."""
        self._known.pop(patient_id, None)

    def forget_stay(self, encounter_id: str) -> None:
        """Keep nothing of an Encounter."""

    def current(self, input_digest: str) -> bool:
        """Return whether the published edition was made from this input."""
        head = next(_lines(self._file), None)
        return head is not None and head.get("format") == FORMAT and head.get("input_digest") == input_digest

    def publish(self, input_digest: str) -> None:
        """Seal and write all identities, unless the published edition was made from the same input."""
        if self.current(input_digest):
            return
        key = self._wrap.new()
        head = {"format": FORMAT, "hospital": self._hospital, "input_digest": input_digest, "data_key": key.wrapped}
        lines = [json.dumps(head, sort_keys=True)]
        for pseudonym, entry in sorted(self._known.values(), key=lambda known: known[0]):
            identity = self._with_merged(entry)
            clear = json.dumps(asdict(identity), ensure_ascii=False).encode()
            sealed = seal(key.clear, clear, _bound(self._hospital, pseudonym))
            lines.append(json.dumps({"pseudonym": pseudonym, "sealed": sealed}))
        storage.write(self._file, ("\n".join(lines) + "\n").encode(), private=True)

    def _with_merged(self, identity: Identity) -> Identity:
        """Return a patient with the record numbers of those who were replaced by him."""
        others = (one for _, ones in sorted(self._merged.get(identity.patient_id, {}).items()) for one in ones)
        return replace(
            identity, identifiers=(*identity.identifiers, *(o for o in others if o not in identity.identifiers))
        )


def recorder(place: str, hospital: str, key_file: Path | None, *, source: str, out: str) -> Recorder:
    """Return a recorder for a place that is neither curated data nor a source.

    Raises
    ------
    UserError
        When the store would lie with the curated tables, or would be read as a source.
    """
    if inside(place, out) or inside(out, place):
        raise UserError("--identity must not share a folder with the curated tables; use the PHI zone.")
    if inside(place, source):
        raise UserError("--identity must not lie in SOURCE, where it would be read as FHIR; choose another folder.")
    return Recorder(place, hospital, wrapping(hospital, key_file))


def find(place: str, hospital: str, pseudonym: str, wrap: Wrapping) -> Identity | None:
    """Return who a pseudonym is; nothing when the store does not know it.

    Raises
    ------
    UserError
        When there is no store, or its key may not be used.
    """
    lines = _lines(store_file(place, hospital))
    head = next(lines, None)
    if head is None:
        raise UserError(f"There is no identity store of {hospital} at {place}; run ingest with --identity first.")
    if head.get("format") != FORMAT:
        raise UserError(f"The identity store of {hospital} has another format; run ingest with --identity again.")
    sealed = next((line["sealed"] for line in lines if line.get("pseudonym") == pseudonym), None)
    if sealed is None:
        return None
    clear = json.loads(unseal(wrap.unwrap(head["data_key"]), sealed, _bound(hospital, pseudonym)))
    return Identity(clear["patient_id"], tuple(clear["identifiers"]), clear["shift_days"])


def store_file(place: str, hospital: str) -> str:
    """Return the place of a hospital's identities."""
    return storage.join(place, f"hospital={hospital}", FILE)


def inside(place: str, other: str) -> bool:
    """Return whether a place is another or lies below it."""
    if storage.is_s3(place) or storage.is_s3(other):
        return f"{place.rstrip('/')}/".startswith(f"{other.rstrip('/')}/")
    return Path(place).resolve().is_relative_to(Path(other).resolve())


def _identifiers(resource: Resource) -> Iterator[dict[str, str]]:
    for identifier in resource.get("identifier") or []:
        kinds = (identifier.get("type") or {}).get("coding") or [{}]
        record_number = {
            "system": identifier.get("system"),
            "value": identifier.get("value"),
            "type": kinds[0].get("code"),
        }
        if isinstance(record_number["value"], str):
            yield {name: text for name, text in record_number.items() if isinstance(text, str)}


def _lines(file: str) -> Iterator[dict[str, Any]]:
    content = storage.read_if_any(file)
    try:
        for line in (content or b"").splitlines():
            yield json.loads(line)
    except ValueError:
        raise UserError(f"The identity store {file} cannot be read; remove it and run ingest again.") from None


def _bound(hospital: str, pseudonym: str) -> bytes:
    return f"{hospital}|{pseudonym}".encode()
