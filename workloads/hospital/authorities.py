"""Certificate authorities of one hospital: of client applications, and of its workloads."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.settings import Hospital, Settings
from infra.vault.pki import HospitalCa, HospitalCaArgs
from infra.vault.server import KubernetesAuth
from infra.vault.workload_pki import RequestedServer, WorkloadCa, WorkloadCaArgs
from workloads.platform.charts import CERT_MANAGER
from workloads.serving.gateway import routes_of
from workloads.zones import workload_table
from workloads.zones.secret_table import TLS
from workloads.zones.workload_table import GATEWAY, Workload


@dataclass(frozen=True)
class Authorities:
    """Certificate authorities of client applications, in a stack with a gateway, and of workloads."""

    clients: HospitalCa | None
    workloads: WorkloadCa

    @property
    def declared(self) -> list[pulumi.Resource]:
        """The authorities that the stack has, as resources."""
        return [*([self.clients] if self.clients else []), self.workloads]


def declare_authorities(
    settings: Settings,
    hospital: Hospital,
    auth: KubernetesAuth,
    workloads: Mapping[str, Workload],
    opts: pulumi.ResourceOptions,
    *,
    protect: bool,
) -> Authorities:
    """Declare the authorities of a hospital with these workloads."""
    clients = _client_ca(settings, hospital, auth, opts, protect=protect)
    # Mutual TLS between the hospital's workloads.
    accounts = tuple(workload.service_account for workload in workloads.values() if TLS in workload.secrets)
    ca = WorkloadCaArgs(hospital.name, auth, accounts, protect, _gateway_server(settings, hospital, workloads))
    return Authorities(clients, WorkloadCa(f"{hospital.name}-workload-pki", ca, opts))


def _client_ca(
    settings: Settings, hospital: Hospital, auth: KubernetesAuth, opts: pulumi.ResourceOptions, *, protect: bool
) -> HospitalCa | None:
    """Declare the CA that issues the certificates of client applications."""
    if settings.gateway is None:
        return None
    ca = HospitalCaArgs(
        hospital=hospital.name,
        auth=auth,
        applications=hospital.client_certificates,
        protect=protect,
        closed=hospital.leaving is not None,
    )
    return HospitalCa(f"{hospital.name}-pki", ca, opts)


def _gateway_server(
    settings: Settings, hospital: Hospital, workloads: Mapping[str, Workload]
) -> RequestedServer | None:
    """Return the gateway, for which cert-manager requests the certificate; None without one."""
    if settings.gateway is None or hospital.leaving:
        return None
    hosts = tuple(routes_of(settings.gateway, hospital, workloads).hosts)
    return RequestedServer(workload_table.row(GATEWAY).service_account, hosts, (CERT_MANAGER, CERT_MANAGER))
