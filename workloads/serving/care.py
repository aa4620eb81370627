"""Care of a hospital: CDS Hooks for its EHR and the worklist for its staff; the one service that reads identities."""

import json

import pulumi

from infra.cluster.cluster import PLATFORM_CA_FILE
from infra.settings import Ehr, Gateway, Hospital
from workloads.blocks.deployment import Service, deployment, probes, service_url
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.blocks.sign_in import sign_in_environment
from workloads.blocks.start_record import deployed_by
from workloads.zones.workload_table import CARE, PLANNING, row

# The curated tables are kept there in two editions.
TMP_SIZE = "1Gi"


def care(context: HospitalContext, gateway: Gateway, parent: pulumi.Resource) -> None:
    """Declare the Deployment of care."""
    container = Container(
        name=CARE,
        image=context.cluster.images.workloads,
        resources=row(CARE).own_size(),
        args=["-m", "services.care", "serve"],
        env=_environment(context, gateway),
        probes=probes(CARE),
    )
    deployment(context, Service(CARE, container, TMP_SIZE), parent)


def _environment(context: HospitalContext, gateway: Gateway) -> dict[str, pulumi.Input[str]]:
    hospital = context.hospital
    values: dict[str, pulumi.Input[str]] = {
        "HOSPITAL": hospital.name,
        "PUBLIC_URL": gateway.browser_url(hospital.name),
        "EHR_URL": gateway.machine_url(hospital.name),
        "PLANNING_URL": service_url(hospital.name, PLANNING),
        "EHR_CLIENTS": json.dumps(ehr_clients(hospital)),
        "CURATED": context.s3_url("tables"),
        "UNITS": json.dumps(hospital.units),
        **sign_in_environment(context.cluster, hospital),
        **deployed_by(context.settings),
    }
    canary = hospital.canary.units if hospital.canary else ()
    optional = {
        "CANARY_UNITS": json.dumps(canary) if canary else None,
        "HMLOPS_TIME_ZONE": hospital.time_zone,
        "HOSPITAL_TITLE": hospital.title,
        "FHIR_SERVER": hospital.fhir.url if hospital.fhir.write_back else None,
        "FHIR_CA": PLATFORM_CA_FILE if context.cluster.private_ca else None,
    }
    return values | {name: value for name, value in optional.items() if value}


def ehr_clients(hospital: Hospital) -> list[dict[str, object]]:
    """Return the table of EHR clients of ``services/care/ehr_clients.py``: the hospital's EHR, if it has one."""
    return [_client(hospital.ehr, hospital.fhir.url)] if hospital.ehr else []


def _client(ehr: Ehr, fhir_server: str | None) -> dict[str, object]:
    client: dict[str, object] = {
        "name": ehr.application,
        "iss": ehr.issuer,
        "jwks": ehr.jwks(),
        "fhir_servers": [fhir_server] if fhir_server else [],
    }
    if ehr.launch:
        client["smart"] = {"iss": ehr.launch.issuer, "client_id": ehr.launch.client}
    return client
