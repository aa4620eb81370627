"""The ``ingest`` command: read, validate, de-identify, quarantine, publish."""

import contextlib
import hashlib
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from model.curated import curated_tables, refusals
from model.curated.cells import Cells
from model.curated.deprivation import Areas, read
from model.curated.ingested import Ingested, ingested
from model.curated.reading import rare_collection, read_all
from model.curated.shares import refuse_large_shares
from model.curated.staging import Finished, Staging
from model.curated.time_zone import Zone, zone_of
from model.curated.work import Work
from model.definitions.features import definitions
from model.deid.groups import groups
from model.deid.keys import Keyring, identity
from model.deid.rules import allow_list
from model.deid.subject import moment_of
from model.errors import UserError
from model.fhir import discovery, profile, record_use, resource_types
from model.identity_store.recorders import Identities
from model.io import storage
from model.io.hospital_name import check_hospital
from model.io.stored import Stored

MAX_BAD_SHARE = 0.05
MOST_REASONS = 50
"""How many reasons for refusals a manifest keeps; the quarantine has all."""


def ingest(
    source: str,
    *,
    hospital: str,
    out: str,
    ring: Keyring,
    max_bad_share: float = MAX_BAD_SHARE,
    quarantine: str | None = None,
    observed_until: str | None = None,
    zone: str | None = None,
    limits: Mapping[str, float] | None = None,
    identities: Identities | None = None,
    deprivation: str | None = None,
) -> Ingested:
    """Validate, de-identify and publish FHIR files as a hospital's curated tables; idempotent.

    Parameters
    ----------
    source : str
        Folder, file or ``s3://`` prefix.
    hospital : str
        Short name of the hospital; part of every pseudonym.
    out : str
        Folder or S3 prefix of the curated tables.
    ring : Keyring
        Pseudonym key: :func:`model.deid.keys.keyring`.
    max_bad_share : float
        Largest share (0 to 1) of invalid resources, or of unreadable files; above it nothing is published.
    quarantine : str, optional
        Folder or S3 prefix of the refusal report; default: next to the source's bucket or the ``out`` folder.
    observed_until : str, optional
        Last day (ISO 8601) of the complete record; default: the last day on which an encounter started or ended.
    zone : str, optional
        The hospital's time zone; see :func:`model.curated.time_zone.zone_of`.
    limits : mapping, optional
        Largest share (0 to 1) excluded by reason, overriding ``model/fhir/record_use.yaml``.
    identities : Identities, optional
        Identity store: the encrypted mapping from pseudonyms to patients.
    deprivation : str, optional
        CSV file of a deprivation index by three-digit ZIP, for subgroups.

    Returns
    -------
    Ingested
        Counts by table and reason; ``changed`` is false if the same input was published before.

    Raises
    ------
    GateError
        If too large a share was refused or excluded.
    UserError
        If an option is invalid, storage cannot be read or written, or the source has no needed resource.

    Examples
    --------
    >>> from pathlib import Path
    >>> from model import ingest
    >>> from model.deid.keys import keyring
    >>> done = ingest("fhir", hospital="north", out="curated", ring=keyring("north", Path("pseudonym.key")))
    >>> done.rows["patient"], done.refused
    (240, {})
    """
    aside = quarantine or refusals.beside(source, out)
    _check(source, hospital, out, aside, max_bad_share, observed_until)
    source_files = discovery.find(source)
    files = source_files.files
    local = zone_of(zone, files)
    areas = read(deprivation) if deprivation else Areas()
    digest = _input_digest(files, hospital, identity(ring), f"{observed_until}|{local.said}|{areas.digest}")
    partition = curated_tables.folder(out, hospital)
    published = curated_tables.read_manifest(partition)
    recorded = identities is None or identities.current(digest)
    if (
        recorded
        and published is not None
        and published.input_digest == digest
        and curated_tables.is_whole(partition, published)
    ):
        curated_tables.tidy(partition, published)
        return ingested(published, source_files, changed=False)
    with tempfile.TemporaryDirectory(prefix="ingest-") as name:
        with rare_collection(), contextlib.ExitStack() as opened:
            work, scratch = read_all(
                files, hospital, ring, local.tz, Path(name), opened, identities=identities, staging=Staging
            )
            staging = work.staging
            aside_at = refusals.write_reasons(work, scratch, aside, digest)
            refusals.refuse_bad_share(work, len(files), max_bad_share, aside_at)
            work.counts["not_in_force"] = staging.close()
            until = moment_of(observed_until, local.tz, end_of_day=True)
            completed = staging.complete(observed_until=until, zone=local.tz)
            work.excluded.update(completed.excluded)
            work.warnings.update(completed.warnings)
            work.counts["excluded"] = work.excluded.total()
            work.counts["used"] = work.counts["accepted"] - work.counts["excluded"] - work.counts["not_in_force"]
            refuse_large_shares(work.read, work.excluded, limits or {})
            cells = staging.group(areas.part_of)
            tables = _finish(staging, hospital, digest)
        manifest = _manifest(work, digest, tables, local, source_files, cells)
        if identities is not None:
            identities.publish(digest)
        curated_tables.publish(partition, manifest, {name: table.file for name, table in tables.items()})
    return ingested(manifest, source_files, changed=True, quarantine=aside_at)


def _finish(staging: Staging, hospital: str, digest: str) -> dict[str, Finished]:
    constants: dict[str, str | int] = {
        "hospital": hospital,
        "ingest_run": digest[:12],
        "schema_version": curated_tables.SCHEMA_VERSION,
        "classification": curated_tables.CLASSIFICATION,
    }
    return {name: staging.finish(name, constants=constants) for name in curated_tables.TABLES}


def _manifest(
    work: Work, digest: str, tables: dict[str, Finished], zone: Zone, found: discovery.Source, cells: Cells
) -> curated_tables.Manifest:
    return curated_tables.Manifest(
        hospital=work.hospital,
        schema_version=curated_tables.SCHEMA_VERSION,
        classification=curated_tables.CLASSIFICATION,
        input_digest=digest,
        rules_digest=work.allowed.digest,
        key_version=work.key_version,
        tables={
            name: {
                "file": f"{name}/part-{digest[:12]}-{table.sha256[:12]}.parquet",
                "rows": table.rows,
                "sha256": table.sha256,
            }
            for name, table in tables.items()
        },
        counts=_sorted(work.counts),
        return_days=definitions().stay.return_days,
        zone=zone.said,
        excluded=_sorted(work.excluded),
        refused=dict(work.reasons.most_common(MOST_REASONS)),
        warnings=_sorted(work.warnings),
        files_passed_over=_sorted(found.passed_over),
        bundles_incomplete=work.extract.incomplete,
        outcomes=_sorted(work.extract.outcomes),
        smallest_cell=cells.smallest,
        suppressed=cells.suppressed,
    )


def _sorted(counted: Counter[str]) -> dict[str, int]:
    return {name: number for name, number in sorted(counted.items()) if number}


def _check(
    source: str, hospital: str, out: str, quarantine: str, max_bad_share: float, observed_until: str | None
) -> None:
    check_hospital(hospital)
    if not 0 <= max_bad_share <= 1:
        raise UserError("--max-bad-share must lie between 0 and 1.")
    if observed_until is not None and moment_of(observed_until) is None:
        raise UserError("--observed-until must be a day such as 2024-12-31.")
    for option, place in (("--out", out), ("--quarantine", quarantine)):
        if storage.inside(place, source):
            raise UserError(
                f"{option} lies inside the source, where the next run would read it; choose another folder."
            )


def _input_digest(files: list[Stored], hospital: str, probe: str, options: str) -> str:
    """Return the mark of everything that the result depends on: contents and their order, but no file name."""
    tables = [allow_list().digest, groups().digest, profile.digest(), record_use.digest(), resource_types.digest()]
    tables.append(str(definitions().stay.return_days))
    parts = [str(curated_tables.SCHEMA_VERSION), *tables, hospital, probe, options]
    parts += [stored.mark for stored in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
