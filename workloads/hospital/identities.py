"""Identities of a hospital's workloads at AWS and at Vault."""

from collections.abc import Mapping

import pulumi

from infra.blocks.bucket_grants import reaches_phi
from infra.blocks.workload_roles import ADMINISTERS_DATABASE, OidcProvider, WorkloadRole, WorkloadRoleArgs
from infra.settings import names
from infra.vault.hospital import VaultWorkload
from workloads.zones import workload_table
from workloads.zones.workload_table import Workload


def workload_roles(
    name: str,
    environment: str,
    hospital: str,
    workloads: Mapping[str, Workload],
    oidc: OidcProvider,
    opts: pulumi.ResourceOptions,
) -> dict[str, WorkloadRole]:
    """Declare the IAM roles of the workloads that have one, by workload."""
    return {
        key: WorkloadRole(
            f"{name}-{workload.service_account}",
            WorkloadRoleArgs(
                environment=environment,
                hospital=hospital,
                namespace=names.namespace(hospital, workload.zone),
                service_account=workload.service_account,
                oidc=oidc,
                phi=workload.administers_database or reaches_phi(workload_table.table().grants(key)),
                administers=ADMINISTERS_DATABASE if workload.administers_database else "",
            ),
            opts,
        )
        for key, workload in workloads.items()
        if workload.has_role
    }


def vault_workloads(hospital: str, workloads: Mapping[str, Workload]) -> list[VaultWorkload]:
    """Return the workloads that log in to Vault, with their rules."""
    return [
        VaultWorkload(workload.service_account, names.namespace(hospital, workload.zone), workload.vault_rules)
        for workload in workloads.values()
        if workload.vault_rules
    ]
