"""Ingestion: each night, what the hospital sent becomes pseudonymised tables. Only this pod ever reads raw PHI."""

import pulumi

from infra.settings.values import DataClass
from workloads.blocks.hospital_context import Site
from workloads.blocks.pod import Pod
from workloads.blocks.scheduled_job import ScheduledPodArgs, scheduled_pod
from workloads.pipeline.reidentify import STORE

SCHEDULE = "15 1 * * *"
LANDING = "landing/"
QUARANTINE = "quarantine/"
TABLES = "tables/"


def ingest(site: Site, parent: pulumi.Resource) -> None:
    """Declare the nightly ingestion."""
    program = site.step(
        "ingest",
        *_source(site),
        *("--hospital", site.hospital.name),
        *("--out", site.place(DataClass.CURATED, TABLES)),
        *("--quarantine", site.place(DataClass.RAW, QUARANTINE)),
        *("--identity", site.place(DataClass.IDENTITY, STORE)),
        *(("--zone", site.hospital.time_zone) if site.hospital.time_zone else ()),
    )
    run = ScheduledPodArgs(
        title="ingest", pod=Pod(site.accounts["ingestor"], program, scratch="1Gi"), schedule=SCHEDULE, minutes=120
    )
    scheduled_pod(site, run, parent)


def _source(site: Site) -> list[pulumi.Input[str]]:
    """Return what is ingested: files that were put into the landing place, or a server by way of it."""
    landing, fhir = site.place(DataClass.RAW, LANDING), site.hospital.fhir
    if fhir.url is None or fhir.auth is None:
        return [landing]
    client = ["--client", fhir.client] if fhir.client else []
    # Raw files expire, so everything is fetched anew before the oldest do.
    days = str(site.hospital.raw_days // 2)
    return [fhir.url, "--landing", landing, "--auth", fhir.auth, *client, "--full-days", days]
