"""Worker of an ingestion: validates, attributes, de-identifies and stages the chunks of its files."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import IO

from model.curated.resource_table import Row
from model.curated.staging import Staging
from model.curated.types import resource_tables
from model.deid.keys import Keyring, unique
from model.deid.rules import AllowList
from model.deid.subject import Subject, moment_of, secret_input
from model.deid.transforms import Context, deidentify
from model.fhir.bundles import Item
from model.fhir.conditional import UNCLEAR
from model.fhir.extract import Extract
from model.fhir.record_use import rule_for
from model.fhir.resource_types import ACCEPTED
from model.fhir.sources import FILE_BITS, Piece
from model.fhir.validation import Fault, faults_of, outcome, trimmed
from model.identity_store.recorders import Identities
from model.io.json_elements import Resource
from model.linkage.attribution import Attributed, Excluded, Resolution
from model.linkage.links import Links

KNOWN_PATIENTS = 100_000
"""So many patients' secrets are remembered; those of the longest known are asked for again when they return."""


@dataclass
class Work:
    """Worker of one ingestion run."""

    hospital: str
    ring: Keyring
    staging: Staging
    zone: tzinfo
    allowed: AllowList
    refusals: IO[str]
    """Where the OperationOutcomes of what is refused are written, one a line."""
    links: Links
    identities: Identities | None = None
    counts: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    """Valid resources by type: those that are used and those that are excluded."""
    excluded: Counter[str] = field(default_factory=Counter)
    """Valid resources that are not used, by ``<resource type>.<reason>``."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why resources were refused, by the element and what is wrong with it."""
    extract: Extract = field(default_factory=Extract)
    warnings: Counter[str] = field(default_factory=Counter)
    known: dict[str, Subject] = field(default_factory=dict)
    key_version: str = "none"

    def take_file(self, pieces: Iterator[Piece], number: int) -> None:
        """Bring one file, by its number in the order of names, into the staging area or the quarantine.

        Raises
        ------
        FirstPassNeededError
            When a resource was met of which other files may say more.
        """
        first = number << FILE_BITS
        for piece in pieces:
            self.extract.pages(piece.pages)
            if piece.broken is not None:
                self.counts["broken_files"] += 1
                self._refuse(piece, None, None, [Fault(piece.broken, "structure")])
            else:
                self._take(piece, first)

    def _take(self, piece: Piece, first: int) -> None:
        resolution = Resolution(piece.references, self.links)
        owned: list[tuple[Item, Attributed]] = []
        for item, resource in self._fit(piece, first):
            attributed = resolution.attribute(item, resource, self.warnings)
            if isinstance(attributed, Attributed):
                owned.append((item, attributed))
            elif attributed is not None:
                self._exclude(resource, attributed)
            else:
                kind = resource["resourceType"]
                fault = Fault("the resource names no patient as its subject", "required", f"{kind}.subject")
                self._refuse(piece, item.index, kind, [fault])
        self._learn(unique(attributed.owner for _, attributed in owned))
        contexts: dict[str, Context] = {}
        for item, attributed in owned:
            context = contexts.get(attributed.owner)
            if context is None:
                context = Context(self.allowed, self.known[attributed.owner], resolution.resolve, self.zone)
                contexts[attributed.owner] = context
            self._stage(piece, item, attributed, context, first + piece.place(item))

    def _exclude(self, resource: Resource, why: Excluded) -> None:
        self._count_excluded(resource["resourceType"], why.reason)
        if why.survivor is not None and self.identities is not None:
            self.identities.merge(resource, why.survivor)

    def _count_excluded(self, kind: str, reason: str) -> None:
        self.counts["accepted"] += 1
        self.read[kind] += 1
        self.excluded[f"{kind}.{reason}"] += 1

    def _fit(self, piece: Piece, first: int) -> Iterator[tuple[Item, Resource]]:
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
                self._note_needless(kind, resource)
            elif item.conditional is not None and resource["id"] == UNCLEAR:
                self._exclude(resource, Excluded(item.conditional_reason))
            elif not (faults := faults_of(resource, self.warnings)):
                yield item, resource
            elif not faults_of(tidy := trimmed(resource), self.warnings):
                self.warnings["spaces-around-codes"] += 1
                yield item, tidy
            else:
                self._refuse(piece, item.index, kind, faults)

    def _note_needless(self, kind: str, resource: Resource) -> None:
        if kind == "OperationOutcome":
            self.extract.outcome(resource)
        elif kind == "Medication" and not self.links.complete:
            self.links.drugs.learn(resource)

    def _without_resource(self, piece: Piece, item: Item, first: int) -> None:
        if item.needless or (item.patched is not None and item.patched not in ACCEPTED):
            self.counts["not_needed"] += 1
            self.extract.outcome(item.outcome)
        elif item.patched is not None:
            self._count_excluded(item.patched, "patch")
            self.warnings["patch-not-applied"] += 1
        elif item.deleted is None:
            self._refuse(piece, item.index, None, [Fault(item.fault or "the resource cannot be read", "structure")])
        elif item.deleted[0] in ACCEPTED:
            self._delete(*item.deleted, first + piece.place(item), _micros(item.deleted_at), item.conditional)

    def _delete(self, kind: str, identity: str, sequence: int, at: int | None, conditional: str | None) -> None:
        if conditional is not None:
            self.links.need_all()
            identity = self.links.final(kind, identity)
        if identity == UNCLEAR:
            self._count_excluded(kind, "conditional-delete")
            return
        self.counts["deletions"] += 1
        self.staging.versions.deletion(hash((kind, identity)), sequence, at)
        if self.identities is not None and kind == "Patient":
            self.identities.forget(identity)
        elif self.identities is not None and kind == "Encounter":
            self.identities.forget_stay(identity)

    def _learn(self, patients: list[str]) -> None:
        new = [patient for patient in patients if patient not in self.known]
        if not new:
            return
        spare = KNOWN_PATIENTS - len(self.known) - len(new)
        if spare < 0:
            needed = set(patients)
            for patient in list(islice((one for one in self.known if one not in needed), -spare)):
                del self.known[patient]
        secrets = self.ring.secrets([secret_input(self.hospital, patient) for patient in new])
        self.known.update((patient, Subject(secret)) for patient, secret in zip(new, secrets, strict=True))
        self.key_version = secrets[-1].version

    def _stage(self, piece: Piece, item: Item, found: Attributed, context: Context, sequence: int) -> None:
        resource, owner = found.resource, found.owner
        kind = resource["resourceType"]
        self.counts["accepted"] += 1
        self.read[kind] += 1
        rule = rule_for(resource, kind)
        staged: list[tuple[str, Row]] = []
        if rule.use == "excluded":
            self.excluded[f"{kind}.{rule.reason}"] += 1
        else:
            table = resource_tables()[kind]
            left = deidentify(resource, context)
            self.warnings.update(f"{kind}.{warning}" for warning in table.warnings(resource, left))
            left = table.preprocess(resource, left)
            staged = [(table.name, row) for row in table.rows(left)]
            if not staged:
                self.excluded[f"{kind}.{table.why_empty(resource, left)}"] += 1
            else:
                self._identify(resource, owner, context.subject)
        meta = resource.get("meta") or {}
        self.staging.versions.resource(
            hash((kind, resource["id"])),
            hash(("Patient", owner)),
            sequence,
            _micros(meta.get("lastUpdated")),
            _number(meta.get("versionId")),
            used=bool(staged),
            created=item.conditional == "POST",
        )
        lineage = (piece.form, piece.sha256, sequence, context.subject.shift.days)
        for name, row in staged:
            self.staging.add(name, row + lineage)

    def _identify(self, resource: Resource, owner: str, subject: Subject) -> None:
        if self.identities is None:
            return
        if resource["resourceType"] == "Patient":
            self.identities.record(resource, subject)
        elif resource["resourceType"] == "Encounter":
            self.identities.stay(resource, owner, subject, self.zone)

    def _refuse(self, piece: Piece, index: int | None, kind: str | None, faults: list[Fault]) -> None:
        self.counts["refused"] += 1
        self.reasons.update(f"{kind}: {fault.said}" if kind else fault.said for fault in faults[:1])
        report = outcome(sha256=piece.sha256, index=index, kind=kind, faults=faults)
        self.refusals.write(json.dumps(report) + "\n")


def open_refusals(scratch: Path) -> IO[str]:
    """Return the file that collects the reasons for refusals."""
    return (scratch / "refusals.ndjson").open("w", encoding="utf-8")


def _micros(text: object) -> int | None:
    moment = moment_of(text) if text is not None else None
    return None if moment is None else round(moment.timestamp() * 1_000_000)


def _number(version: object) -> int | None:
    """Return a version id that is a number; others have no order."""
    return int(version) if isinstance(version, str) and version.isdecimal() and len(version) < 18 else None
