"""Ingestion: each night, what the hospital sent becomes pseudonymised tables. Only this pod ever reads raw PHI."""

import pulumi

from infra.settings import DataClass
from workloads.pod import Pod, Program
from workloads.schedule import ScheduledPodArgs, scheduled_pod
from workloads.site import Site

SCHEDULE = "15 1 * * *"
LANDING = "landing/"
QUARANTINE = "quarantine/"
TABLES = "tables/"


def ingest(site: Site, parent: pulumi.Resource) -> None:
    """Declare the nightly ingestion."""
    program = Program(
        name="ingest",
        image=site.settings.images.workloads,
        resources=site.settings.sizes.job,
        args=[
            *("-m", "model", "ingest", site.place(DataClass.RAW, LANDING)),
            *("--hospital", site.hospital.name),
            *("--out", site.place(DataClass.CURATED, TABLES)),
            *("--quarantine", site.place(DataClass.RAW, QUARANTINE)),
        ],
    )
    run = ScheduledPodArgs(
        title="ingest", pod=Pod(site.accounts["ingestor"], program, scratch="1Gi"), schedule=SCHEDULE, minutes=120
    )
    opts = site.after_ground(parent)
    scheduled_pod(site.name("ingest"), run, cluster=site.cluster, region=site.settings.region, opts=opts)
