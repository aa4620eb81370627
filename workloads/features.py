"""Features: one row an index discharge, from the pseudonymised tables, each night after ingestion."""

import pulumi

from infra.settings import DataClass
from workloads.ingest import TABLES
from workloads.pod import Pod
from workloads.schedule import ScheduledPodArgs, scheduled_pod
from workloads.site import Site

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
