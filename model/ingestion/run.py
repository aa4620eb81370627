"""The ``ingest`` command: read, validate, de-identify, quarantine, publish."""

import hashlib
import json
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from model import places
from model.console import progress
from model.deid.keys import Keyring, PatientSecret, identity, unique
from model.deid.rules import allow_list
from model.deid.subject import Subject, moment_of, secret_input
from model.deid.transforms import Context, deidentify
from model.errors import GateError, UserError
from model.ingestion import curated, sources, validation
from model.ingestion.flatten import rows
from model.ingestion.references import References
from model.ingestion.staging import Staging

MAX_BAD_SHARE = 0.05
_HOSPITAL = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)


@dataclass(frozen=True)
class Ingested:
    """What a run did."""

    hospital: str
    changed: bool
    run: str
    files: int
    counts: dict[str, int]
    rows: dict[str, int]
    key_version: str
    quarantine: str | None


@dataclass
class _Work:
    """State of one run."""

    hospital: str
    ring: Keyring
    staging: Staging
    today: date
    counts: Counter[str] = field(default_factory=Counter)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    known: dict[str, PatientSecret] = field(default_factory=dict)
    sequence: int = 0

    def take(self, piece: sources.Piece) -> None:
        """Bring one piece of a file into the staging area or the quarantine."""
        fit = self._fit(piece)
        references = References(piece.items)
        owners = {item.index: references.patient(item) for item in fit}
        self._learn(unique(owner for owner in owners.values() if owner))
        for item in fit:
            owner = owners[item.index]
            if owner is None:
                self._refuse(piece, item, "the resource names no patient as its subject")
            else:
                self._stage(piece, item, Subject(self.known[owner]), references)

    def _fit(self, piece: sources.Piece) -> list[sources.Item]:
        fit = []
        for item in piece.items:
            kind = (item.resource or {}).get("resourceType")
            if item.resource is None:
                self._refuse(piece, item, item.fault or "the item cannot be read")
            elif not isinstance(kind, str):
                self._refuse(piece, item, "the resource has no resourceType")
            elif kind not in validation.ACCEPTED:
                self.counts["not_needed"] += 1
            elif fault := validation.fault_of(item.resource):
                self._refuse(piece, item, fault)
            else:
                fit.append(item)
        return fit

    def _learn(self, patients: list[str]) -> None:
        new = [patient for patient in patients if patient not in self.known]
        found = self.ring.secrets([secret_input(self.hospital, patient) for patient in new])
        self.known.update(zip(new, found, strict=True))

    def _stage(self, piece: sources.Piece, item: sources.Item, subject: Subject, references: References) -> None:
        resource = item.resource or {}
        died = moment_of(resource.get("deceasedDateTime"))
        context = Context(allow_list(), subject, references.resolve, died.date() if died else self.today)
        left = deidentify(resource, context)
        self.sequence += 1
        self.counts["accepted"] += 1
        lineage = {
            "hospital": self.hospital,
            "source": piece.form,
            "source_sha256": piece.sha256,
            "schema_version": curated.SCHEMA_VERSION,
            "classification": curated.CLASSIFICATION,
            "sequence": self.sequence,
            "shift_days": subject.shift.days,
        }
        for table, row in rows(left, resource["resourceType"]):
            self.staging.add(table, row | lineage)

    def _refuse(self, piece: sources.Piece, item: sources.Item, fault: str) -> None:
        kind = (item.resource or {}).get("resourceType")
        known = kind if kind in validation.ACCEPTED else None
        self.counts["refused"] += 1
        self.outcomes.append(validation.outcome(sha256=piece.sha256, index=item.index, kind=known, fault=fault))


def ingest(
    source: str,
    *,
    hospital: str,
    out: str,
    ring: Keyring,
    max_bad_share: float = MAX_BAD_SHARE,
    quarantine: str | None = None,
    observed_until: str | None = None,
    today: date | None = None,
) -> Ingested:
    """Read FHIR at a source and publish a hospital's curated tables.

    Parameters
    ----------
    source : str
        File, folder or S3 prefix of bundles, resources or NDJSON.
    hospital : str
        Short name of the hospital; part of every pseudonym.
    out : str
        Where the curated tables lie.
    ring : Keyring
        Gives the patients' secrets.
    max_bad_share : float
        A greater share of refused resources stops the run before anything is published.
    quarantine : str, optional
        Where the OperationOutcomes of refused resources go.
    observed_until : str, optional
        The day up to which the record is complete; the start of the latest encounter unless given.
    today : date, optional
        The day for which ages count.

    Returns
    -------
    Ingested
        What was done; ``changed`` is false when the same input was published before.

    Raises
    ------
    GateError
        When too large a share was refused.
    """
    _check(hospital, max_bad_share, observed_until)
    day = today or datetime.now(UTC).date()
    files = sources.find(source)
    probe = identity(ring)
    digest = _input_digest(files, hospital, probe, f"{observed_until}|{day.year}")
    partition = curated.folder(out, hospital)
    published = curated.read_manifest(partition)
    if published is not None and published.input_digest == digest:
        made = {name: int(table["rows"]) for name, table in published.tables.items()}
        return Ingested(hospital, False, digest[:12], len(files), published.counts, made, published.key_version, None)
    with tempfile.TemporaryDirectory(prefix="ingest-") as scratch:
        with Staging(Path(scratch)) as staging, progress("files", len(files)) as advance:
            work = _Work(hospital, ring, staging, day)
            for stored in files:
                for piece in sources.read(stored):
                    work.take(piece)
                advance(1)
        aside = _set_aside(work, quarantine or _quarantine_beside(source, out), digest)
        _gate(work.counts, max_bad_share, aside)
        until = moment_of(observed_until)
        tables = {name: staging.finish(name, run=digest[:12], observed_until=until) for name in curated.TABLES}
    contents = {name: curated.to_parquet(table) for name, table in tables.items()}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    version = next((secret.version for secret in work.known.values()), "none")
    manifest = curated.Manifest(
        hospital=hospital,
        schema_version=curated.SCHEMA_VERSION,
        classification=curated.CLASSIFICATION,
        input_digest=digest,
        rules_digest=allow_list().digest,
        key_version=version,
        tables={
            name: {"file": f"{name}/part-{hashes[name][:12]}.parquet", "rows": tables[name].num_rows, "sha256": digest_}
            for name, digest_ in hashes.items()
        },
        counts=dict(sorted(work.counts.items())),
    )
    curated.publish(partition, manifest, contents)
    made = {name: table.num_rows for name, table in tables.items()}
    return Ingested(hospital, True, digest[:12], len(files), manifest.counts, made, version, aside)


def _check(hospital: str, max_bad_share: float, observed_until: str | None) -> None:
    if not _HOSPITAL.fullmatch(hospital):
        raise UserError("--hospital must be a short name in lower case, such as north.")
    if not 0 <= max_bad_share <= 1:
        raise UserError("--max-bad-share must lie between 0 and 1.")
    if observed_until is not None and moment_of(observed_until) is None:
        raise UserError("--observed-until must be a day such as 2024-12-31.")


def _input_digest(files: list[places.Stored], hospital: str, probe: str, options: str) -> str:
    """Return the mark of everything that the result depends on; file names are not part of it."""
    parts = [str(curated.SCHEMA_VERSION), allow_list().digest, hospital, probe, options]
    parts += sorted(stored.mark for stored in files)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _quarantine_beside(source: str, out: str) -> str:
    if places.is_s3(source):
        bucket = source.removeprefix(places.SCHEME).partition("/")[0]
        return f"{places.SCHEME}{bucket}/quarantine"
    return places.join(places.parent(out), "quarantine")


def _set_aside(work: _Work, quarantine: str, digest: str) -> str | None:
    """Write why resources were refused; they themselves stay where they are, found by file hash and entry."""
    if not work.outcomes:
        return None
    place = places.join(quarantine, f"hospital={work.hospital}", f"{digest[:12]}.ndjson")
    places.write(place, "".join(json.dumps(outcome) + "\n" for outcome in work.outcomes).encode())
    return place


def _gate(counts: Counter[str], max_bad_share: float, aside: str | None) -> None:
    refused, accepted = counts["refused"], counts["accepted"]
    if not accepted and not refused:
        raise UserError("The source holds no resource of a needed type; give FHIR R4 Patients, Encounters and so on.")
    share = refused / (refused + accepted)
    if share > max_bad_share:
        raise GateError(
            f"{refused} of {refused + accepted} resources ({share:.1%}) are not fit, more than {max_bad_share:.1%}; "
            f"nothing was published; the reasons are in {aside}."
        )
