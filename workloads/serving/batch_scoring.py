"""CronJob that scores the stays of a hospital that go on, with its active release."""

import pulumi

from infra.settings import Release
from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.blocks.release_metadata import release_key
from workloads.pipeline.features import STAYS_TABLE
from workloads.zones.workload_table import SCORE, row


def batch_scoring(context: HospitalContext, active: Release, parent: pulumi.Resource) -> None:
    """Declare the nightly scoring, after the features of the night."""
    container = Container(
        name=SCORE,
        image=context.cluster.images.workloads,
        resources=row(SCORE).own_size(),
        args=["-m", "services.batch_scoring"],
        env={
            "HOSPITAL": context.hospital.name,
            "ACTIVE_RELEASE": str(active),
            "RELEASE_FILES": context.s3_url("releases", release_key(active)),
            "STAYS": context.s3_url("features", STAYS_TABLE),
            "HMLOPS_TRUSTED_KEYS": context.release_keys,
        },
    )
    cron_job(context, SCORE, container, parent)
