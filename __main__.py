"""The architecture, top to bottom: settings, foundation, platform, hospitals, outputs."""

import asyncio
import gc
from pathlib import Path

import pulumi

from infra.access.human_roles import People, PeopleArgs
from infra.blocks import workload_roles
from infra.blocks.providers import account
from infra.cluster.connect import connect
from infra.databases import databases
from infra.monitoring.account_monitoring import Watch, WatchArgs
from infra.settings.load import load
from infra.storage.backup import Backup, BackupArgs
from infra.storage.backup_role import BackupRole
from infra.vault import server
from workloads.blocks.release_metadata import read_releases
from workloads.hospital.hospital import HospitalArgs, HospitalService
from workloads.platform.platform import Platform

# A program that declares once and ends has nothing to collect, and a fifth of its time went into looking.
gc.disable()

_TURNS = 10


async def registering() -> None:
    """Let what is declared so far go to the engine while the rest is being declared.

    The engine starts its plugins meanwhile, and the SDK has less to wait for at the end, which takes it a time that
    grows with the square of what is open.
    """
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def declare() -> pulumi.Inputs:
    """Declare the environment, and return where things are."""
    # Settings: everything that differs between environments, checked before anything is touched.
    settings = load(Path(__file__).parent)

    # Foundation: the cloud account and who watches it, the cluster, and who trusts its workloads.
    aws = account(settings)
    await registering()
    releases = read_releases(settings, aws)
    backup_role = BackupRole("backup", settings, pulumi.ResourceOptions(providers={"aws": aws.here}))
    watch = Watch("watch", WatchArgs(settings, aws, backup_role))
    await registering()
    people = People("people", PeopleArgs(settings, watch), pulumi.ResourceOptions(providers={"aws": aws.here}))
    cluster = connect(settings, aws, watch, people)
    await registering()
    trust = workload_roles.trust_cluster(settings.environment, aws.here, cluster.issuer)
    logins = server.trust_cluster(settings, cluster)
    stored = databases.declare(settings, aws, watch, cluster)

    # Platform: what all hospitals share and none owns.
    platform = Platform("platform", settings, cluster)
    await registering()

    # Hospitals: one entry each, nothing shared between them.
    hospitals = {}
    for entry in settings.hospitals:
        hospitals[entry.name] = HospitalService(
            entry.name,
            HospitalArgs(
                settings,
                entry,
                aws,
                watch,
                backup_role,
                cluster,
                trust,
                logins,
                stored,
                platform,
                releases.get(entry.name),
            ),
        )
        await registering()

    # Copies of all that says by its tags that it is to be copied.
    Backup("backup", BackupArgs(settings, aws, backup_role))

    # Outputs: where things are; nothing secret.
    return {
        "environment": settings.environment,
        "hospitals": {name: hospital.summary for name, hospital in hospitals.items()},
    }


if __name__ == "__main__":
    pulumi.run(declare)
