"""The ``ingest`` command: FHIR to curated tables."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.errors import UserError
from model.io.console import Json, answer

if TYPE_CHECKING:
    from model.curated.ingested import Ingested
    from model.identity_store.recorders import Identities

_SERVER = "For a FHIR server:"
_ENDS = ("used", "excluded", "refused", "not_needed", "not_in_force")
"""What becomes of a resource that was read: one of these."""
SHOWN = 8


def ingest(
    source: Annotated[str, typer.Argument(help="Folder, file or s3:// prefix; or the https:// base of a FHIR server.")],
    hospital: Annotated[str, typer.Option(help="Short name; part of every pseudonym.")],
    out: Annotated[str, typer.Option(help="Folder or S3 prefix of the curated tables.")],
    max_bad_share: Annotated[
        float, typer.Option(help="Largest share of invalid resources, or of unreadable files.")
    ] = 0.05,
    quarantine: Annotated[str | None, typer.Option(help="Folder or S3 prefix of the refusal report.")] = None,
    observed_until: Annotated[str | None, typer.Option(help="The record is complete up to this day.")] = None,
    zone: Annotated[
        str | None,
        typer.Option(
            envvar="HMLOPS_TIME_ZONE",
            help="The hospital's time zone, such as America/New_York: dates without a time are its days. "
            "Unless given, the UTC offset that most of its timestamps name.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE",
            help="Limit on the share excluded for a reason, such as Encounter.class=0.5.",
        ),
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="Local key file instead of Vault.")] = None,
    key_version: Annotated[int | None, typer.Option(help="Version of the pseudonym key in Vault.")] = None,
    identity: Annotated[
        str | None, typer.Option(help="Identity store: encrypted pseudonym-to-patient mapping, PHI zone only.")
    ] = None,
    identity_lookup: Annotated[
        Path | None,
        typer.Option(
            envvar="IDENTITY_LOOKUP",
            metavar="FILE",
            help="File with a login of the database care, whose identity lookup is filled; needs Vault.",
        ),
    ] = None,
    deprivation: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="CSV of a deprivation index by three-digit ZIP (zip3,index), for subgroups."),
    ] = None,
    landing: Annotated[str | None, typer.Option(help=f"{_SERVER} folder or S3 prefix for its raw records.")] = None,
    credentials: Annotated[
        Path | None, typer.Option(help=f"{_SERVER} JSON file of credentials instead of Vault.")
    ] = None,
    auth: Annotated[str | None, typer.Option(help=f"{_SERVER} client authentication method (README).")] = None,
    client: Annotated[str | None, typer.Option(help=f"{_SERVER} client id.")] = None,
    ca: Annotated[Path | None, typer.Option(help=f"{_SERVER} PEM file of its certificate authority.")] = None,
    mode: Annotated[str, typer.Option(help=f"{_SERVER} auto, export or search.")] = "auto",
    group: Annotated[str | None, typer.Option(help=f"{_SERVER} export the members of this Group only.")] = None,
    full_days: Annotated[int, typer.Option(help=f"{_SERVER} days between full fetches.")] = 14,
    as_json: Json = False,
) -> None:
    """Validate and de-identify FHIR, and publish curated tables."""
    from model.curated.run import ingest as run
    from model.deid.keys import keyring

    ring, landed = keyring(hospital, key_file, key_version), None
    if source.lower().startswith("https://"):
        from model.fhir_server import bring

        landed = bring(
            source,
            hospital=hospital,
            out=out,
            landing=landing,
            credentials_file=credentials,
            auth=auth,
            client=client,
            ca=ca,
            mode=mode,
            group=group,
            full_days=full_days,
        )
        source = landed.place
    began = time.monotonic()
    done = run(
        source,
        hospital=hospital,
        out=out,
        ring=ring,
        max_bad_share=max_bad_share,
        quarantine=quarantine,
        observed_until=observed_until,
        zone=zone,
        limits=_limits(limit or []),
        identities=_identities(identity, identity_lookup, hospital, key_file, source=source, out=out),
        deprivation=deprivation,
    )
    rate = done.read / (time.monotonic() - began)
    values = asdict(done) | {"resources_per_second": round(rate)}
    text = _summary(done, rate)
    if landed is not None:
        text = f"fetched {landed.files} files ({landed.mode} {landed.run}; deletions: {landed.deletions_found}); {text}"
        values["landed"] = asdict(landed)
    answer(values, text, as_json=as_json)


def _identities(
    identity: str | None, lookup: Path | None, hospital: str, key_file: Path | None, *, source: str, out: str
) -> "Identities | None":
    """Return the stores of identities that the run fills."""
    from model.identity_store.lookup import lookup_recorder
    from model.identity_store.recorders import Recorders
    from model.identity_store.store import recorder

    stores: list[Identities] = []
    if identity:
        stores.append(recorder(identity, hospital, key_file, source=source, out=out))
    if lookup:
        stores.append(lookup_recorder(lookup, hospital))
    return Recorders(stores) if stores else None


def _limits(given: list[str]) -> dict[str, float]:
    """Return limits given as NAME=SHARE."""
    limits = {}
    for text in given:
        name, _, share = text.partition("=")
        try:
            limits[name.strip()] = float(share)
        except ValueError:
            raise UserError(f"--limit must be NAME=SHARE, such as Encounter.class=0.5, not {text}.") from None
        if not 0 <= limits[name.strip()] <= 1:
            raise UserError(f"--limit {name.strip()} must lie between 0 and 1.")
    return limits


def _summary(done: "Ingested", rate: float) -> str:
    if not done.changed:
        return f"{done.hospital}: nothing changed since run {done.run}" + "".join(
            f"\n  {one}" for one in _remarks(done)
        )
    held = ", ".join(f"{count} {name}" for name, count in done.rows.items())
    lines = [f"{done.hospital}: {held} from {done.files} files ({rate:,.0f} resources/s), run {done.run}"]
    lines.append(_line("read", {name: done.counts.get(name, 0) for name in _ENDS}, done.read))
    if done.excluded:
        lines.append(_line("excluded", done.excluded))
    if done.refused:
        lines.append(f"{_line('refused', done.refused)}; all reasons in {done.quarantine}")
    if done.counts.get("broken_files"):
        lines.append(f"{done.counts['broken_files']} files could not be read completely")
    if done.smallest_cell is not None:
        lost = _line("; suppressed", done.suppressed) if done.suppressed else ""
        lines.append(f"smallest cell {done.smallest_cell} patients{lost}")
    lines.extend(_remarks(done))
    lines.append(f"dates without a time are days in {done.zone}")
    return "\n  ".join(lines)


def _remarks(done: "Ingested") -> Iterator[str]:
    """Give what the reader must know of files that were not read and of the extract."""
    if done.files_passed_over:
        yield _line("files skipped", done.files_passed_over)
    if done.bundles_incomplete:
        pages = "a page is" if done.bundles_incomplete == 1 else f"{done.bundles_incomplete} pages are"
        yield f"{pages} missing: a Bundle names a next page that is not among the files; run the search to its end"
    failed = sum(done.outcomes.get(severity, 0) for severity in ("fatal", "error", "warning"))
    if failed:
        yield f"{failed} OperationOutcomes report errors or warnings: the server may have withheld resources"


def _line(title: str, counted: Mapping[str, int], total: int | None = None) -> str:
    """Return the largest counts in a line, and how many are not shown."""
    largest = sorted(((name, number) for name, number in counted.items() if number), key=lambda one: -one[1])
    shown = ", ".join(f"{number:,} {name}" for name, number in largest[:SHOWN])
    more = f", {len(largest) - SHOWN} more reasons (--json)" if len(largest) > SHOWN else ""
    return f"{title}{'' if total is None else f' {total:,}'}: {shown}{more}"
