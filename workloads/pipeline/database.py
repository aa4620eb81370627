"""CronJob of a hospital's databases: set-up, Vault's login, migrations, grants, keys of the identity provider."""

import pulumi

from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.blocks.sign_in import sign_in_environment
from workloads.zones.workload_table import DATABASE


def database(context: HospitalContext, secret: pulumi.Input[str], parent: pulumi.Resource) -> None:
    """Declare the CronJob that sets up and migrates the hospital's databases, with the administrator's secret."""
    container = Container(
        name="database",
        image=context.cluster.images.workloads,
        resources=context.settings.sizes.job,
        args=["-m", "services.database", "update", "--hospital", context.hospital.name],
        env={"DATABASE_ADMINISTRATOR": secret, **sign_in_environment(context.cluster, context.hospital)},
    )
    cron_job(context, DATABASE, container, parent)
