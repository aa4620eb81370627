"""The ``ingest`` command: FHIR to curated tables."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.console import Json, answer

if TYPE_CHECKING:
    from model.ingestion.run import Ingested

_SERVER = "For a FHIR server:"


def ingest(
    source: Annotated[str, typer.Argument(help="Folder, file or s3:// prefix; or the https:// base of a FHIR server.")],
    hospital: Annotated[str, typer.Option(help="Short name; part of every pseudonym.")],
    out: Annotated[str, typer.Option(help="Folder or S3 prefix of the curated tables.")],
    max_bad_share: Annotated[
        float, typer.Option(help="A larger share of unfit resources, or of broken files, stops the run.")
    ] = 0.05,
    quarantine: Annotated[str | None, typer.Option(help="Where the reasons for refusals go.")] = None,
    observed_until: Annotated[str | None, typer.Option(help="The record is complete up to this day.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Key file for the shell, in place of Vault.")] = None,
    key_version: Annotated[int | None, typer.Option(help="Hold this version of Vault's pseudonym key.")] = None,
    identity: Annotated[
        str | None, typer.Option(help="Identity store: who a pseudonym is, encrypted, for the PHI zone alone.")
    ] = None,
    deprivation: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="CSV of a deprivation index by three-digit ZIP (zip3,index), to compare by."),
    ] = None,
    landing: Annotated[str | None, typer.Option(help=f"{_SERVER} where its raw records go.")] = None,
    credentials: Annotated[
        Path | None, typer.Option(help=f"{_SERVER} JSON file of secrets, in place of Vault.")
    ] = None,
    auth: Annotated[str | None, typer.Option(help=f"{_SERVER} how it knows us (README).")] = None,
    client: Annotated[str | None, typer.Option(help=f"{_SERVER} our client id.")] = None,
    ca: Annotated[Path | None, typer.Option(help=f"{_SERVER} PEM file of its certificate's authority.")] = None,
    mode: Annotated[str, typer.Option(help=f"{_SERVER} auto, export or search.")] = "auto",
    group: Annotated[str | None, typer.Option(help=f"{_SERVER} export the members of this Group only.")] = None,
    full_days: Annotated[int, typer.Option(help=f"{_SERVER} days until everything is fetched anew.")] = 14,
    as_json: Json = False,
) -> None:
    """Validate and de-identify FHIR, and publish curated tables."""
    from model.deid.keys import keyring
    from model.identity.store import recorder
    from model.ingestion.run import ingest as run

    ring, landed = keyring(hospital, key_file, key_version), None
    if source.startswith("https://"):
        from model.ingestion.api import bring

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
        identities=recorder(identity, hospital, key_file, source=source, out=out) if identity else None,
        deprivation=deprivation,
    )
    rate = done.read / (time.monotonic() - began)
    values = asdict(done) | {"resources_per_second": round(rate)}
    text = _told(done, rate)
    if landed is not None:
        text = f"fetched {landed.files} files ({landed.mode} {landed.run}); {text}"
        values["landed"] = asdict(landed)
    answer(values, text, as_json=as_json)


def _told(done: "Ingested", rate: float) -> str:
    if not done.changed:
        return f"{done.hospital}: nothing changed since run {done.run}"
    held = ", ".join(f"{count} {name}" for name, count in done.rows.items())
    text = f"{done.hospital}: {held} from {done.files} files ({rate:,.0f} resources/s), run {done.run}"
    if done.quarantine:
        text += f"; {done.counts['refused']} refused, see {done.quarantine}"
    if done.counts.get("broken_files"):
        text += f"; {done.counts['broken_files']} files could not be read to their end"
    return text + _cells(done)


def _cells(done: "Ingested") -> str:
    if done.smallest_cell is None:
        return ""
    text = f"; smallest cell {done.smallest_cell} patients"
    lost = ", ".join(f"{name} of {count}" for name, count in done.suppressed.items())
    return f"{text} after suppression of {lost}" if lost else text
