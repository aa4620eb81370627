"""Anchor of a hospital's audit chain: signs the chain's head, and writes it to the audit bucket."""

import pulumi

from infra.settings import DataClass
from workloads.blocks.deployment import Service, background
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import CommandProbes, Container
from workloads.blocks.pod_volumes import TMP_FOLDER
from workloads.zones.workload_table import ANCHOR, row

# A minute, as `verify` has it; an attempt waits for Vault, the database and the bucket.
_ANCHORED_SECONDS, _TRIED_SECONDS = 60, 300


def anchor(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the Deployment of the anchor, which answers nobody."""
    # Without object lock, whoever may delete objects can also remove anchors.
    unlocked = [] if context.settings.tier.lock_records else ["--unlocked"]
    bucket = pulumi.Output.concat("s3://", context.buckets[DataClass.AUDIT].bucket)
    container = Container(
        name=ANCHOR,
        image=context.cluster.images.workloads,
        resources=row(ANCHOR).own_size(),
        args=["-m", "services.audit", "anchor", "--marks", TMP_FOLDER, *unlocked],
        env={"HOSPITAL": context.hospital.name, "AUDIT_BUCKET": bucket},
        probes=CommandProbes(
            None, liveness=_probe("tried", _TRIED_SECONDS), readiness=_probe("anchored", _ANCHORED_SECONDS)
        ),
    )
    background(context, Service(ANCHOR, container), parent)


def _probe(mark: str, seconds: int) -> tuple[str, ...]:
    return ("python3", "-m", "services.probe", f"file://{TMP_FOLDER}/{mark}?seconds={seconds}")
