"""Identity: who a pseudonym is, one authorised question at a time, recorded before it is answered."""

import pulumi

from infra.settings import DataClass
from workloads.pod import Pod, Program
from workloads.schedule import ScheduledPodArgs, scheduled_pod
from workloads.site import Site

SCHEDULE = "0 0 1 1 *"
STORE = "store/"
ANSWERS = "answers/"
RECORDS = "reidentification/"


def identity(site: Site, parent: pulumi.Resource) -> None:
    """Declare the answer to who a pseudonym is, which is started by hand with the question in its environment."""
    program = Program(
        name="reidentify",
        image=site.settings.images.workloads,
        resources=site.settings.sizes.job,
        args=[
            *("-m", "model", "reidentify", "--hospital", site.hospital.name),
            *("--identity", site.place(DataClass.IDENTITY, STORE)),
            *("--audit", site.place(DataClass.AUDIT, RECORDS)),
            # A pod's log is no place for a patient's id.
            *("--out", site.place(DataClass.IDENTITY, ANSWERS)),
        ],
    )
    run = ScheduledPodArgs(
        title="reidentify",
        pod=Pod(site.accounts["reidentifier"], program),
        schedule=SCHEDULE,
        minutes=5,
        suspended=True,
    )
    opts = site.after_ground(parent)
    scheduled_pod(site.name("reidentify"), run, cluster=site.cluster, region=site.settings.region, opts=opts)
