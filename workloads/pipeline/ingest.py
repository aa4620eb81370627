"""CronJob of ingestion: FHIR data becomes pseudonymised tables; the only pod that reads raw PHI."""

import pulumi

from workloads.blocks.cron_job import cron_job
from workloads.blocks.hospital_context import HospitalContext
from workloads.zones.workload_table import INGEST

# The login that the Vault agent writes (secret database-identity).
IDENTITY_LOOKUP_LOGIN = "/vault/secrets/database-care.json"


def ingest(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the nightly CronJob of ingestion."""
    hospital = context.hospital
    container = context.model_command(
        "ingest",
        *_source(context),
        *("--hospital", hospital.name),
        *("--out", context.s3_url("tables")),
        *("--quarantine", context.s3_url("quarantine")),
        *("--identity", context.s3_url("identity-store")),
        *(("--zone", hospital.time_zone) if hospital.time_zone else ()),
        *(("--identity-lookup", IDENTITY_LOOKUP_LOGIN) if context.identities[INGEST].database else ()),
    )
    cron_job(context, INGEST, container, parent)


def _source(context: HospitalContext) -> list[pulumi.Input[str]]:
    """Return the arguments of the source: files in the landing prefix, or a FHIR server that is exported to it."""
    landing, fhir = context.s3_url("landing"), context.hospital.fhir
    if fhir.url is None or fhir.auth is None:
        return [landing]
    client = ["--client", fhir.client] if fhir.client else []
    # Raw files expire, so a full export follows before the oldest do.
    days = str(context.hospital.retention.raw_days // 2)
    return [fhir.url, "--landing", landing, "--auth", fhir.auth, *client, "--full-days", days]
