"""Job that removes the databases of a hospital that left, after the approval in its entry."""

import pulumi

from infra.settings.hospital import DatabaseRemoval
from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.zones.workload_table import DATABASE_REMOVAL


def database_removal(
    context: HospitalContext, removal: DatabaseRemoval, secret: pulumi.Input[str], parent: pulumi.Resource
) -> None:
    """Declare the suspended CronJob of the removal, with the administrator's secret; a Job created from it removes."""
    container = Container(
        name="database",
        image=context.cluster.images.workloads,
        resources=context.settings.sizes.job,
        args=[
            *("-m", "services.database", "remove", "--hospital", context.hospital.name),
            *("--log", context.s3_url("removal-log")),
            *("--approved-by", removal.approved_by, "--reason", removal.reason),
        ],
        env={"DATABASE_ADMINISTRATOR": secret},
    )
    cron_job(context, DATABASE_REMOVAL, container, parent)
