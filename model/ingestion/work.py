"""One run's work on the pieces of its files: judge, attribute, de-identify, stage."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from model.deid.groups import groups
from model.deid.keys import Keyring, unique
from model.deid.rules import AllowList
from model.deid.subject import Subject, moment_of, secret_input
from model.deid.transforms import Context, deidentify
from model.ingestion.bundles import Item
from model.ingestion.coverage import marked
from model.ingestion.flatten import Row, rows
from model.ingestion.not_understood import why_empty, with_source_class
from model.ingestion.record_use import rule_for
from model.ingestion.references import References
from model.ingestion.sources import Piece
from model.ingestion.staging import Staging
from model.ingestion.validation import ACCEPTED, Fault, faults_of, outcome, trimmed
from model.ingestion.values import reasons

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
    zone: tzinfo
    allowed: AllowList
    refusals: IO[str]
    """Where the OperationOutcomes of what is refused are written, one a line."""
    identities: Identities | None = None
    counts: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    """Valid resources by type: those that are used and those that are excluded."""
    excluded: Counter[str] = field(default_factory=Counter)
    """Valid resources that are not used, by ``<resource type>.<reason>``."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why resources were refused, by the element and what is wrong with it."""
    warnings: Counter[str] = field(default_factory=Counter)
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
                context = self._context(owner, piece.references)
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
            elif not (faults := faults_of(resource, self.warnings)):
                yield item, resource
            elif not faults_of(tidy := trimmed(resource), self.warnings):
                self.warnings["spaces-around-codes"] += 1
                yield item, tidy
            else:
                self._refuse(piece, item.index, kind, faults)

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

    def _context(self, owner: str, references: References) -> Context:
        return Context(self.allowed, self.known[owner], references.resolve, self.zone)

    def _stage(self, piece: Piece, resource: dict[str, Any], owner: str, context: Context, sequence: int) -> None:
        kind = resource["resourceType"]
        self.counts["accepted"] += 1
        self.read[kind] += 1
        rule = rule_for(resource, kind)
        staged: list[tuple[str, Row]] = []
        if rule.use == "excluded":
            self.excluded[f"{kind}.{rule.reason}"] += 1
        else:
            if kind == "MedicationRequest":
                resource = piece.references.with_drug(resource)
            left = self._left(resource, context)
            staged = list(rows(left, kind))
            if not staged:
                self.excluded[f"{kind}.{why_empty(resource, left)}"] += 1
            elif kind == "Patient" and self.identities is not None:
                self.identities.record(resource, context.subject)
        meta = resource.get("meta") or {}
        self.staging.versions.resource(
            hash((kind, resource["id"])),
            hash(("Patient", owner)),
            sequence,
            _micros(meta.get("lastUpdated")),
            _number(meta.get("versionId")),
            used=bool(staged),
        )
        lineage = (piece.form, piece.sha256, sequence, context.subject.shift.days)
        for table, row in staged:
            self.staging.add(table, row + lineage)

    def _left(self, resource: dict[str, Any], context: Context) -> dict[str, Any]:
        """Return what may leave of a resource."""
        left = deidentify(resource, context)
        if resource["resourceType"] == "Patient":
            self.warnings.update(f"Patient.{name}" for name in groups().unread(resource.get("extension")))
        if resource["resourceType"] == "Observation":
            self.warnings.update(f"Observation.{reason}" for reason in reasons(resource, left))
        if resource["resourceType"] == "Coverage":
            return marked(resource, left)
        return with_source_class(resource, left) if resource["resourceType"] == "Encounter" else left

    def _refuse(self, piece: Piece, index: int | None, kind: str | None, faults: list[Fault]) -> None:
        self.counts["refused"] += 1
        self.reasons.update(f"{kind}: {fault.said}" if kind else fault.said for fault in faults[:1])
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
