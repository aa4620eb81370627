"""The architecture, top to bottom: settings, foundation, platform, hospitals, outputs."""

from pathlib import Path

import pulumi

import startup
from infra.access.human_roles import HumanRoles, HumanRolesArgs
from infra.blocks.providers import aws_account
from infra.blocks.workload_roles import oidc_provider
from infra.cluster.connect import connect
from infra.databases import databases
from infra.monitoring.account_monitoring import AccountMonitoring, AccountMonitoringArgs
from infra.settings.files.load import load
from infra.storage.backup import Backup, BackupArgs
from infra.storage.backup_role import BackupRole
from infra.vault.server import kubernetes_auth
from workloads.blocks.release_metadata import read_releases
from workloads.hospital.hospital import HospitalArgs, HospitalService
from workloads.platform.platform import Platform
from workloads.serving import routes


async def declare() -> pulumi.Inputs:
    """Declare the stack's resources and return its outputs."""
    # Settings: the stack's configuration, validated before any resource is declared.
    settings = load(Path(__file__).parent)

    # Foundation: AWS account, monitoring, roles of people, cluster, authentication of workloads, databases.
    aws = aws_account(settings)
    await startup.registering()
    routes.check(settings)
    releases = read_releases(settings, aws)
    primary = pulumi.ResourceOptions(providers={"aws": aws.primary})
    backup_role = BackupRole("backup", settings, primary)
    monitoring = AccountMonitoring("watch", AccountMonitoringArgs(settings, aws, backup_role))
    await startup.registering()
    human_roles = HumanRoles("people", HumanRolesArgs(settings, monitoring), primary)
    cluster = connect(settings, aws, monitoring, human_roles)
    await startup.registering()
    oidc = oidc_provider(settings.environment, aws.primary, cluster.issuer)
    auth = kubernetes_auth(settings, cluster)
    database_endpoints = databases.declare(settings, aws, monitoring, cluster)

    # Platform: shared by all hospitals.
    platform = Platform("platform", settings, cluster)
    await startup.registering()

    # Hospitals: one an entry of the configuration, isolated from each other.
    hospitals = {}
    for entry in settings.hospitals:
        hospitals[entry.name] = HospitalService(
            entry.name,
            HospitalArgs(
                settings=settings,
                hospital=entry,
                aws=aws,
                monitoring=monitoring,
                backup_role=backup_role,
                cluster=cluster,
                oidc=oidc,
                auth=auth,
                databases=database_endpoints,
                platform=platform,
                releases=releases.get(entry.name, {}),
            ),
        )
        await startup.registering()

    # Backups: of all resources with the tag "backup: daily".
    Backup("backup", BackupArgs(settings, aws, backup_role))

    # Outputs: no secrets.
    return {
        "environment": settings.environment,
        "hospitals": {name: hospital.summary for name, hospital in hospitals.items()},
    }


if __name__ == "__main__":
    startup.quick()
    pulumi.run(declare)
