"""CronJob that verifies a hospital's audit chain against its anchors, by an identity that cannot sign one."""

import pulumi

from infra.settings import DataClass
from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.zones.workload_table import VERIFY


def verify(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the nightly verification; a chain with faults is a failed Job."""
    container = Container(
        name=VERIFY,
        image=context.cluster.images.workloads,
        resources=context.settings.sizes.job,
        args=["-m", "services.audit", "verify"],
        env={
            "HOSPITAL": context.hospital.name,
            "AUDIT_BUCKET": pulumi.Output.concat("s3://", context.buckets[DataClass.AUDIT].bucket),
            # What Vault says at the time of a verification may not be what signed.
            "AUDIT_TRUSTED_KEYS": context.audit_keys,
        },
    )
    cron_job(context, VERIFY, container, parent)
