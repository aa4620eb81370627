"""One run's work on the pieces of its files: judge, attribute, de-identify, stage."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from model.deid.groups import groups
from model.deid.keys import Keyring, unique
from model.deid.rules import AllowList
from model.deid.subject import Subject, moment_of, secret_input
from model.deid.transforms import Context, deidentify
from model.ingestion import coverage
from model.ingestion.bundles import Item
from model.ingestion.flatten import rows
from model.ingestion.references import References
from model.ingestion.sources import Piece
from model.ingestion.staging import Staging
from model.ingestion.validation import ACCEPTED, Fault, faults_of, outcome

KNOWN_PATIENTS = 100_000
"""So many patients' secrets are remembered; those of the longest known are asked for again when they return."""
FILE_BITS = 40
"""Each file has so many bits of the sequence for its entries."""


class Identities(Protocol):
    """Where the link from pseudonym to patient is kept, for those who may know it."""

    def record(self, resource: dict[str, Any], subject: Subject) -> None:
        """Keep who a pseudonym is; the last call for a patient counts."""
        ...

    def forget(self, patient_id: str) -> None:
        """Keep nothing of a patient who was deleted."""
        ...

    def current(self, input_digest: str) -> bool:
        """Return whether the identities of this input were published."""
        ...

    def publish(self, input_digest: str) -> None:
        """Publish what was recorded."""
        ...


@dataclass
class Work:
    """State of one run."""

    hospital: str
    ring: Keyring
    staging: Staging
    today: date
    allowed: AllowList
    refusals: IO[str]
    """Where the OperationOutcomes of what is refused are written, one a line."""
    identities: Identities | None = None
    counts: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    """Valid resources that are not used, by type and reason."""
    known: dict[str, Subject] = field(default_factory=dict)
    key_version: str = "none"
    files: int = 0

    def take_file(self, pieces: Iterator[Piece]) -> None:
        """Bring one file into the staging area or the quarantine."""
        first = self.files << FILE_BITS
        self.files += 1
        for piece in pieces:
            if piece.broken is not None:
                self.counts["broken_files"] += 1
                self._refuse(piece, None, None, [Fault(piece.broken, "structure")])
            else:
                self._take(piece, first)

    def _take(self, piece: Piece, first: int) -> None:
        owners: list[tuple[Item, dict[str, Any], str]] = []
        for item, resource in self._fit(piece, first):
            owner = piece.references.patient(resource)
            if owner is None:
                kind = resource["resourceType"]
                fault = Fault("the resource names no patient as its subject", "required", f"{kind}.subject")
                self._refuse(piece, item.index, kind, [fault])
            else:
                owners.append((item, resource, owner))
        self._learn(unique(owner for _, _, owner in owners))
        contexts: dict[str, Context] = {}
        for item, resource, owner in owners:
            context = contexts.get(owner)
            if context is None:
                context = self._context(owner, piece.references, self.today)
                contexts[owner] = context
            self._stage(piece, resource, owner, context, first + _place(piece, item))

    def _fit(self, piece: Piece, first: int) -> Iterator[tuple[Item, dict[str, Any]]]:
        for item in piece.items:
            resource = item.resource
            if resource is None:
                self._without_resource(piece, item, first)
                continue
            kind = resource.get("resourceType")
            if type(kind) is not str:
                self._refuse(piece, item.index, None, [Fault("the resource has no resourceType", "structure")])
            elif kind not in ACCEPTED:
                self.counts["not_needed"] += 1
            elif faults := faults_of(resource, self.warnings):
                self._refuse(piece, item.index, kind, faults)
            else:
                yield item, resource

    def _without_resource(self, piece: Piece, item: Item, first: int) -> None:
        if item.needless:
            self.counts["not_needed"] += 1
        elif item.deleted is None:
            self._refuse(piece, item.index, None, [Fault(item.fault or "the item cannot be read", "structure")])
        elif item.deleted[0] in ACCEPTED:
            self.counts["deletions"] += 1
            self.staging.versions.deletion(hash(item.deleted), first + _place(piece, item), _micros(item.deleted_at))
            if self.identities is not None and item.deleted[0] == "Patient":
                self.identities.forget(item.deleted[1])

    def _learn(self, patients: list[str]) -> None:
        new = [patient for patient in patients if patient not in self.known]
        if not new:
            return
        spare = KNOWN_PATIENTS - len(self.known) - len(new)
        if spare < 0:
            needed = set(patients)
            for patient in list(islice((one for one in self.known if one not in needed), -spare)):
                del self.known[patient]
        found = self.ring.secrets([secret_input(self.hospital, patient) for patient in new])
        self.known.update((patient, Subject(secret)) for patient, secret in zip(new, found, strict=True))
        self.key_version = found[-1].version

    def _context(self, owner: str, references: References, until: date) -> Context:
        return Context(self.allowed, self.known[owner], references.resolve, until)

    def _stage(self, piece: Piece, resource: dict[str, Any], owner: str, context: Context, sequence: int) -> None:
        kind = resource["resourceType"]
        if kind == "Patient":
            died = moment_of(resource.get("deceasedDateTime"))
            if died is not None:
                context = self._context(owner, piece.references, died.date())
            if self.identities is not None:
                self.identities.record(resource, context.subject)
        elif kind == "MedicationRequest":
            resource = piece.references.with_drug(resource)
        left = deidentify(resource, context)
        if "valueQuantity" in resource and "valueQuantity" not in left:
            self.warnings["observation-unit-or-number"] += 1
        if kind == "Patient":
            self.warnings.update(f"patient-{name}" for name in groups().unread(resource.get("extension")))
        reason = coverage.exclusion(resource, left) if kind == "Coverage" else None
        if reason:
            self.excluded[f"{kind}.{reason}"] += 1
        else:
            self.counts["accepted"] += 1
        meta = resource.get("meta") or {}
        self.staging.versions.resource(
            hash((kind, resource["id"])),
            hash(("Patient", owner)),
            sequence,
            _micros(meta.get("lastUpdated")),
            _number(meta.get("versionId")),
        )
        lineage = (piece.form, piece.sha256, sequence, context.subject.shift.days)
        for table, row in () if reason else rows(left, kind):
            self.staging.add(table, row + lineage)

    def _refuse(self, piece: Piece, index: int | None, kind: str | None, faults: list[Fault]) -> None:
        self.counts["refused"] += 1
        told = outcome(sha256=piece.sha256, index=index, kind=kind, faults=faults)
        self.refusals.write(json.dumps(told) + "\n")


def open_refusals(scratch: Path) -> IO[str]:
    """Return the file that collects the reasons for refusals."""
    return (scratch / "refusals.ndjson").open("w", encoding="utf-8")


def _place(piece: Piece, item: Item) -> int:
    """Return an item's place in the order of time inside its file."""
    return (1 << FILE_BITS - 1) - item.index if piece.newest_first else item.index


def _micros(text: object) -> int | None:
    moment = moment_of(text) if text is not None else None
    return None if moment is None else round(moment.timestamp() * 1_000_000)


def _number(version: object) -> int | None:
    """Return a version id that is a number; others have no order."""
    return int(version) if isinstance(version, str) and version.isdecimal() and len(version) < 18 else None
