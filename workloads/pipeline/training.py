"""CronJob of training: trains and evaluates a model and, when it passes its gates, stores it as a candidate."""

import pulumi

from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod_volumes import TMP_FOLDER
from workloads.pipeline.features import FEATURE_TABLE
from workloads.zones.workload_table import TRAINING

# No MLflow server is in reach of the pod; reports, candidates and releases go to buckets.
NO_TRACKING = "--no-track"
RUN = f"{TMP_FOLDER}/candidate"


def training(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the weekly CronJob of training."""
    profile = context.settings.tier.gates_profile
    train = context.model_command("train", _source(context), "--out", RUN, "--profile", profile, NO_TRACKING)
    # Published before the gates are checked, since the report explains a failure.
    evaluate = context.model_command("evaluate", RUN, "--publish", context.s3_url("reports"), NO_TRACKING)
    submit = context.model_command("submit", RUN, "--to", context.s3_url("candidates"))
    cron_job(context, TRAINING, submit, parent, init_containers=(train, evaluate))


def _source(context: HospitalContext) -> pulumi.Input[str]:
    """Return where the features are: in the warehouse, which gives the same dataset as the file, where there is one."""
    if context.identities[TRAINING].database:
        return f"warehouse:{context.hospital.name}"
    return context.s3_url("features", FEATURE_TABLE)
