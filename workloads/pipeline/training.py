"""Training: each week a candidate is trained, evaluated and, where it passes its gates, released and signed."""

import pulumi

from infra.settings.values import DataClass
from workloads.blocks.hospital_context import Site
from workloads.blocks.pod import TMP_FOLDER, Pod
from workloads.blocks.release_metadata import RELEASES
from workloads.blocks.scheduled_job import ScheduledPodArgs, scheduled_pod
from workloads.pipeline.features import FEATURES

SCHEDULE = "0 6 * * 0"
REPORTS = "reports/"
VERSION = "v1"
# The pod has no MLflow server to tell: its reports and releases are in the models bucket.
UNTRACKED = "--no-track"
CANDIDATE = f"{TMP_FOLDER}/candidate"


def training(site: Site, parent: pulumi.Resource) -> None:
    """Declare the weekly training."""
    table = site.place(DataClass.CURATED, FEATURES)
    train = site.step("train", table, "--out", CANDIDATE, "--profile", site.settings.tier.gates_profile, UNTRACKED)
    # The report of a refused candidate is what tells why, so it is kept whatever the gates say.
    reports = site.place(DataClass.MODELS, REPORTS)
    evaluate = site.step("evaluate", CANDIDATE, "--publish", reports, UNTRACKED)
    release = site.step(
        "release",
        *(CANDIDATE, "--version", VERSION, "--hospital", site.hospital.name),
        *("--to", site.place(DataClass.MODELS, RELEASES)),
        UNTRACKED,
    )
    pod = Pod(site.accounts["trainer"], main=release, before=(train, evaluate), scratch="1Gi")
    run = ScheduledPodArgs(title="train", pod=pod, schedule=SCHEDULE, minutes=120)
    scheduled_pod(site, run, parent)
