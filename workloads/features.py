"""Features: one row an index discharge, from the pseudonymised tables, each night after ingestion."""

import pulumi

from infra.settings import DataClass
from workloads.ingest import TABLES
from workloads.pod import Pod, Program
from workloads.schedule import ScheduledPodArgs, scheduled_pod
from workloads.site import Site

SCHEDULE = "15 4 * * *"
FEATURES = "features/features.parquet"


def features(site: Site, parent: pulumi.Resource) -> None:
    """Declare the nightly feature table."""
    program = Program(
        name="features",
        image=site.settings.images.workloads,
        resources=site.settings.sizes.job,
        args=[
            *("-m", "model", "features", site.place(DataClass.CURATED, TABLES)),
            *("--out", site.place(DataClass.CURATED, FEATURES)),
        ],
    )
    run = ScheduledPodArgs(
        title="features", pod=Pod(site.accounts["features"], program, scratch="1Gi"), schedule=SCHEDULE, minutes=60
    )
    opts = site.after_ground(parent)
    scheduled_pod(site.name("features"), run, cluster=site.cluster, region=site.settings.region, opts=opts)
