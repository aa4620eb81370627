"""The ``ingest`` command: FHIR to curated tables."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.console import Json, answer


def ingest(
    source: Annotated[str, typer.Argument(help="Folder, file or s3:// prefix of bundles, NDJSON or gzip.")],
    hospital: Annotated[str, typer.Option(help="Short name; part of every pseudonym.")],
    out: Annotated[str, typer.Option(help="Folder or S3 prefix of the curated tables.")],
    max_bad_share: Annotated[float, typer.Option(help="More refused resources than this share stop the run.")] = 0.05,
    quarantine: Annotated[str | None, typer.Option(help="Where the reasons for refusals go.")] = None,
    observed_until: Annotated[str | None, typer.Option(help="The record is complete up to this day.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Key file for the shell, in place of Vault.")] = None,
    as_json: Json = False,
) -> None:
    """Validate and de-identify FHIR, and publish curated tables."""
    from model.deid.keys import keyring
    from model.ingestion.run import ingest as run

    began = time.monotonic()
    done = run(
        source,
        hospital=hospital,
        out=out,
        ring=keyring(hospital, key_file),
        max_bad_share=max_bad_share,
        quarantine=quarantine,
        observed_until=observed_until,
    )
    rate = sum(done.counts.values()) / max(time.monotonic() - began, 1e-9)
    text = f"{done.hospital}: nothing changed since run {done.run}"
    if done.changed:
        held = ", ".join(f"{count} {name}" for name, count in done.rows.items())
        text = f"{done.hospital}: {held} from {done.files} files ({rate:,.0f} resources/s), run {done.run}"
        text += f"; {done.counts['refused']} refused, see {done.quarantine}" if done.quarantine else ""
    answer(asdict(done) | {"resources_per_second": round(rate)}, text, as_json=as_json)
