"""Discharge planning: asks the model server for a patient's risk, from inside the serving zone."""

import pulumi

from infra.settings.values import DataClass
from workloads.blocks.hospital_context import Site
from workloads.blocks.pod import Pod, Program
from workloads.blocks.scheduled_job import ScheduledPodArgs, scheduled_pod
from workloads.pipeline.features import FEATURES
from workloads.pipeline.training import VERSION
from workloads.serving.inference_service import inference_url, model_name

SCHEDULE = "0 7 * * *"


def planning(site: Site, parent: pulumi.Resource) -> None:
    """Declare the scoring of one patient, which is started by hand."""
    # Until a release is named there is no server to ask; the job then says so, and asks v1 once there is one.
    version = site.hospital.release.version if site.hospital.release else VERSION
    program = Program(
        name="score",
        image=site.settings.images.workloads,
        resources=site.settings.sizes.job,
        args=["-m", "services.planning", "score", "--patient", "any"],
        env={
            "HOSPITAL": site.hospital.name,
            "FEATURES": site.place(DataClass.CURATED, FEATURES),
            "MODEL_NAME": model_name(version),
            "MODEL_URL": inference_url(site.hospital.name, version),
        },
    )
    run = ScheduledPodArgs(
        title="score",
        pod=Pod(site.accounts["planner"], program),
        schedule=SCHEDULE,
        minutes=5,
        suspended=True,
    )
    scheduled_pod(site, run, parent)
