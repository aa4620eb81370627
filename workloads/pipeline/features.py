"""CronJob of the feature table and the warehouse: one row an index discharge, from the pseudonymised tables."""

import pulumi

from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.zones.workload_table import FEATURES

FEATURE_TABLE = "features.parquet"
STAYS_TABLE = "stays.parquet"


def features(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the nightly CronJob of the feature table."""
    tables, feature_table = context.s3_url("tables"), context.s3_url("features", FEATURE_TABLE)
    stays = ("--stays", context.s3_url("features", STAYS_TABLE))
    # In one run with the file, so that both are of the same tables.
    warehouse = ("--warehouse", context.hospital.name) if context.identities[FEATURES].database else ()
    cron_job(
        context, FEATURES, context.model_command("features", tables, "--out", feature_table, *stays, *warehouse), parent
    )
