"""Job of re-identification: the patient behind a pseudonym, one authorised request at a time, audited first."""

import pulumi

from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.zones.workload_table import REIDENTIFY


def reidentify(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the suspended CronJob of re-identification; a Job created from it has the request in its environment."""
    container = context.model_command(
        "reidentify",
        *("--hospital", context.hospital.name),
        *("--identity", context.s3_url("identity-store")),
        *("--audit", context.s3_url("identity-log")),
        # Not to the log: the answer contains PHI.
        *("--out", context.s3_url("identity-answers")),
    )
    cron_job(context, REIDENTIFY, container, parent)
