"""Job of promotion: publishes a candidate as a signed release, the only identity that writes and signs releases."""

import pulumi

from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.pipeline.training import NO_TRACKING
from workloads.zones.workload_table import PROMOTION

VERSION = "v1"


def promotion(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the suspended CronJob of promotion; a Job created from it publishes the promoted candidate.

    Without a ``promotion`` in the hospital's entry this is the newest candidate, without an approval, which the gates
    of the profile ``clinical`` refuse.
    """
    chosen = context.hospital.promotion
    approval = ("--approve", chosen.approved_by, "--reason", chosen.reason) if chosen else ()
    release = context.model_command(
        "release",
        context.s3_url("candidates", chosen.candidate if chosen else ""),
        *("--version", chosen.version if chosen else VERSION),
        *("--hospital", context.hospital.name),
        *("--to", context.s3_url("releases")),
        *approval,
        NO_TRACKING,
    )
    cron_job(context, PROMOTION, release, parent)
