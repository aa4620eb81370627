"""Training: each week a candidate is trained, evaluated and, where it passes its gates, released and signed."""

import pulumi

from infra.settings import DataClass
from workloads.features import FEATURES
from workloads.pod import TMP_FOLDER, Pod
from workloads.schedule import ScheduledPodArgs, scheduled_pod
from workloads.site import Site

SCHEDULE = "0 6 * * 0"
RELEASES = "readmission/"
VERSION = "v1"
CANDIDATE = f"{TMP_FOLDER}/candidate"


def training(site: Site, parent: pulumi.Resource) -> None:
    """Declare the weekly training."""
    table = site.place(DataClass.CURATED, FEATURES)
    train = site.step("train", table, "--out", CANDIDATE, "--profile", site.settings.gates_profile)
    evaluate = site.step("evaluate", CANDIDATE)
    release = site.step(
        "release",
        *(CANDIDATE, "--version", VERSION, "--hospital", site.hospital.name),
        *("--to", site.place(DataClass.MODELS, RELEASES)),
    )
    pod = Pod(site.accounts["trainer"], main=release, before=(train, evaluate), scratch="1Gi")
    run = ScheduledPodArgs(title="train", pod=pod, schedule=SCHEDULE, minutes=120)
    scheduled_pod(site, run, parent)
