"""Features: one row an index discharge, from the pseudonymised tables, each night after ingestion."""

import pulumi

from infra.settings.values import DataClass
from workloads.blocks.hospital_context import Site
from workloads.blocks.pod import Pod
from workloads.blocks.scheduled_job import ScheduledPodArgs, scheduled_pod
from workloads.pipeline.ingest import TABLES

SCHEDULE = "15 4 * * *"
FEATURES = "features/features.parquet"


def features(site: Site, parent: pulumi.Resource) -> None:
    """Declare the nightly feature table."""
    tables, table = site.place(DataClass.CURATED, TABLES), site.place(DataClass.CURATED, FEATURES)
    program = site.step("features", tables, "--out", table)
    run = ScheduledPodArgs(
        title="features", pod=Pod(site.accounts["features"], program, scratch="1Gi"), schedule=SCHEDULE, minutes=60
    )
    scheduled_pod(site, run, parent)
