"""Job that requests a patient's risk from the model server, inside the serving zone."""

import pulumi

from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.pipeline.features import FEATURE_TABLE
from workloads.pipeline.promotion import VERSION
from workloads.serving.inference_service import inference_url, model_name
from workloads.zones.workload_table import SCORE


def score(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the suspended CronJob that scores one patient."""
    release = context.hospital.release
    # Without a release there is no model server; the Job then fails with that message.
    version = release.version if release else VERSION
    container = Container(
        name="score",
        image=context.cluster.images.workloads,
        resources=context.settings.sizes.job,
        args=["-m", "services.planning", "score", "--patient", "any"],
        env={
            "HOSPITAL": context.hospital.name,
            "FEATURES": context.s3_url("features", FEATURE_TABLE),
            "MODEL_NAME": model_name(version),
            "MODEL_URL": inference_url(context.hospital.name, version),
        },
    )
    cron_job(context, SCORE, container, parent)
