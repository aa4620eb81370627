"""Job of promotion: publishes a candidate as a signed release, the only identity that writes and signs releases."""

import pulumi

from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.release_metadata import CLINICAL
from workloads.pipeline.training import NO_TRACKING
from workloads.zones.workload_table import PROMOTION

VERSION = "v1"
# Who approves the releases of synthetic hospitals: nobody's patient is scored by them.
DEMONSTRATION = (
    *("--approve", "clinical-safety-officer:demonstration", "--reason", "synthetic data"),
    *("--ethics-approve", "ethics-committee:demonstration", "--ethics-reason", "synthetic data"),
)


def promotion(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the suspended CronJob of promotion; a Job created from it publishes the promoted candidate.

    Without a ``promotion`` in the hospital's entry this is the newest candidate: with the demonstration's approvals in
    a tier whose data is synthetic, else without an approval, which the gates of the profile ``clinical`` refuse.
    """
    chosen = context.hospital.promotion
    approval: tuple[str, ...] = () if context.settings.tier.gates_profile == CLINICAL else DEMONSTRATION
    if chosen:
        approval = ("--approve", chosen.approved_by, "--reason", chosen.reason)
    if chosen and chosen.ethics_approved_by and chosen.ethics_reason:
        approval += ("--ethics-approve", chosen.ethics_approved_by, "--ethics-reason", chosen.ethics_reason)
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
