"""CronJob of training: trains and evaluates a candidate and, when it passes its gates, releases and signs it."""

import pulumi

from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import TMP_FOLDER
from workloads.pipeline.features import FEATURE_TABLE
from workloads.zones.workload_table import TRAINING

VERSION = "v1"
# No MLflow server is in reach of the pod; reports and releases go to the models bucket.
NO_TRACKING = "--no-track"
CANDIDATE = f"{TMP_FOLDER}/candidate"


def training(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the weekly CronJob of training."""
    feature_table, profile = context.s3_url("features", FEATURE_TABLE), context.settings.tier.gates_profile
    train = context.model_command("train", feature_table, "--out", CANDIDATE, "--profile", profile, NO_TRACKING)
    # Published before the gates are checked, since the report explains a failure.
    evaluate = context.model_command("evaluate", CANDIDATE, "--publish", context.s3_url("reports"), NO_TRACKING)
    release = context.model_command(
        "release",
        *(CANDIDATE, "--version", VERSION, "--hospital", context.hospital.name),
        *("--to", context.s3_url("releases")),
        NO_TRACKING,
    )
    cron_job(context, TRAINING, release, parent, init_containers=(train, evaluate))
