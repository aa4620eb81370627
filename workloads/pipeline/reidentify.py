"""Identity: who a pseudonym is, one authorised question at a time, recorded before it is answered."""

import pulumi

from infra.settings.values import DataClass
from workloads.blocks.hospital_context import Site
from workloads.blocks.pod import Pod
from workloads.blocks.scheduled_job import ScheduledPodArgs, scheduled_pod

SCHEDULE = "0 0 1 1 *"
STORE = "store/"
ANSWERS = "answers/"
RECORDS = "reidentification/"


def identity(site: Site, parent: pulumi.Resource) -> None:
    """Declare the answer to who a pseudonym is, which is started by hand with the question in its environment."""
    program = site.step(
        "reidentify",
        *("--hospital", site.hospital.name),
        *("--identity", site.place(DataClass.IDENTITY, STORE)),
        *("--audit", site.place(DataClass.AUDIT, RECORDS)),
        # A pod's log is no place for a patient's id.
        *("--out", site.place(DataClass.IDENTITY, ANSWERS)),
    )
    run = ScheduledPodArgs(
        title="reidentify",
        pod=Pod(site.accounts["reidentifier"], program),
        schedule=SCHEDULE,
        minutes=5,
        suspended=True,
    )
    scheduled_pod(site, run, parent)
