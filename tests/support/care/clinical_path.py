"""The clinical path of one hospital as processes of their own, over mutual TLS, with servers that a test can break.

Planning and care are the programs that pods run. PostgreSQL and OpenBao are real; the EHR, its FHIR server, the
identity provider and the model server (with a real release) are the tests'.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import text

from infra.vault.workload_pki import CERTIFICATE_SECONDS
from model.artifact.trust import TRUSTED_KEYS
from model.release.signing import LocalSigner
from model.synthesis.run import synthesize
from services.audit import chain
from services.audit.records import Record
from services.database import signing_keys
from services.database.schemas import Schema, role_name
from services.planning.delivery.releases import Releases
from services.transport import SpiffeId, TlsFiles
from tests.support.care.care_world import ADDRESS, hook, prefetch
from tests.support.care.discharges import stays
from tests.support.care.ehr import Ehr, clients
from tests.support.care.ehr_server import EhrServer
from tests.support.care.ehr_server import running as running_ehr
from tests.support.care.service_process import Service
from tests.support.databases.postgres import Database, PostgresServer, temporary_server
from tests.support.identity.identity_provider import Provider, identity_provider
from tests.support.identity.workload_certificates import WorkloadAuthority, files, tls_environment
from tests.support.model.model_world import world
from tests.support.repository import REPOSITORY
from tests.support.serving.model_servers import FaultyServer, faulty_server, free_port, released
from tests.support.serving.planning_world import assigned
from tests.support.vault.bao_server import HOSPITAL, Bao, bao

CARE, PLANNING, MODEL, GATEWAY = "care", "planner", "model-server", "envoy"
ACCOUNTS = (CARE, PLANNING, MODEL, GATEWAY, "trainer")
SCHEMAS = (Schema.CARE, Schema.PLANNING, Schema.AUDIT)
UNIT = "cardiology"
HOOK_PATH = "/cds-services/readmission-risk"
CERTIFICATE_LIFE = timedelta(seconds=CERTIFICATE_SECONDS)
MODEL_BUDGET_MILLISECONDS = 1500
"""Longer than in production: a busy machine is not what the tests are about."""


@dataclass
class ClinicalPath:
    """The hospital's servers and services."""

    folder: Path
    postgres: PostgresServer
    databases: dict[Schema, Database]
    bao: Bao
    provider: Provider
    ehr: Ehr
    fhir: EhrServer
    model: FaultyServer
    authority: WorkloadAuthority
    certificates: dict[str, TlsFiles]
    planning: Service
    care: Service
    features: Path

    def token(self, path: str = HOOK_PATH, **claims: Any) -> str:
        """Return a token of the EHR for a path."""
        return self.ehr.token(ADDRESS + path, **claims)

    def sign_in(self, **changed: Any) -> str:
        """Return the access token of a coordinator."""
        return self.provider.issuer.token(units=[UNIT], **changed)

    @cached_property
    def discharge(self) -> dict[str, Any]:
        """A hook with a whole prefetch; each call needs a ``hookInstance`` of its own."""
        synthesize(patients=12, seed=5, out=str(self.folder / "fhir"))
        stay = stays(self.folder / "fhir")[0]
        encounter = stay.encounter | {"location": [{"location": {"display": UNIT}}]}
        resources = [encounter if one is stay.encounter else one for one in stay.resources]
        self.fhir.put(stay.patient, *resources)
        return hook(stay.patient["id"], encounter["id"], prefetch(stay.patient, encounter["id"], resources))

    def records(self, after: int = 0) -> list[Record]:
        """Return the audit records from one on."""
        with self.databases[Schema.AUDIT].engine("audit-reader").connect() as connection:
            return list(chain.records(connection, after=after))

    def counts(self) -> dict[str, int]:
        """Return how many rows each table of care and planning has."""
        found: dict[str, int] = {}
        for schema in (Schema.CARE, Schema.PLANNING):
            with self.databases[schema].administrator() as connection:
                tables = connection.execute(
                    text("SELECT tablename FROM pg_tables WHERE schemaname = :schema ORDER BY 1"), {"schema": schema}
                )
                for (table,) in tables.all():
                    count = connection.execute(text(f'SELECT count(*) FROM "{schema}"."{table}"')).scalar_one()
                    found[f"{schema}.{table}"] = count
        return found

    def restart_postgres(self) -> None:
        """Start the database server again after a crash."""
        self.postgres.control("start")


@contextmanager
def clinical_path(folder: Path) -> Iterator[ClinicalPath]:
    """Give the path with both services ready; everything ends with the context."""
    with ExitStack() as stack:
        postgres = stack.enter_context(temporary_server())
        databases = postgres.hospital(HOSPITAL, *SCHEMAS)
        vault = stack.enter_context(bao(folder))
        provider = stack.enter_context(identity_provider(folder, HOSPITAL))
        _publish(databases[Schema.CARE], provider)
        fhir = stack.enter_context(contextmanager(running_ehr)(folder / "ehr"))
        authority, certificates = WorkloadAuthority(), {}
        for account in ACCOUNTS:
            certificates[account] = files(folder / account)
            authority.issue(certificates[account], str(SpiffeId(HOSPITAL, account)), life=CERTIFICATE_LIFE)
        place = released(folder)
        features = Path(shutil.copy2(world().features, folder / "features.parquet"))
        model = stack.enter_context(faulty_server(place, folder, certificates[MODEL]))
        planning = _planning(folder, databases, certificates[PLANNING], model, place, features)
        ehr = Ehr(fhir=fhir.base, smart_iss=fhir.base)
        care = _care(folder, databases, certificates[CARE], vault, provider, ehr, fhir, planning)
        for service in (planning, care):
            stack.callback(service.kill)
            service.start(wait=False)
        planning.wait()
        care.wait()
        yield ClinicalPath(
            folder,
            postgres,
            databases,
            vault,
            provider,
            ehr,
            fhir,
            model,
            authority,
            certificates,
            planning,
            care,
            features,
        )


def _publish(database: Database, provider: Provider) -> None:
    issuer = provider.issuer
    with database.administrator() as connection:
        connection.execute(text(f'SET ROLE "{role_name(HOSPITAL, "owner")}"'))
        signing_keys.publish(connection, signing_keys.Provider(issuer.url, issuer.audience, HOSPITAL), issuer.jwks)


def _shared(own: TlsFiles, port: int, callers: tuple[str, ...]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "HOSPITAL": HOSPITAL,
        "DEPLOYED_BY": "deployer",
        "TLS_CALLERS": ",".join(str(SpiffeId(HOSPITAL, caller)) for caller in callers),
        "TLS_PORT": str(port),
        **tls_environment(own),
    }


def _planning(
    folder: Path,
    databases: dict[Schema, Database],
    own: TlsFiles,
    model: FaultyServer,
    release: Path,
    features: Path,
) -> Service:
    port = free_port()
    environment = _shared(own, port, (CARE,)) | {
        "RELEASES": Releases(active=assigned(release, model.tls_url)).model_dump_json(exclude_none=True),
        "MODEL_BUDGET_MILLISECONDS": str(MODEL_BUDGET_MILLISECONDS),
        "ONLINE_FEATURES": str(features),
        **databases[Schema.PLANNING].server.environment,
        "PLANNING_DATABASE_FILE": str(databases[Schema.PLANNING].login_file("planning-service")),
        "AUDIT_DATABASE_FILE": str(databases[Schema.AUDIT].login_file("audit-writer")),
        TRUSTED_KEYS: LocalSigner(folder / "key").public_keys()["v1"],
    }
    url = f"https://127.0.0.1:{port}"
    return Service("services.planning", environment, folder, url, SpiffeId(HOSPITAL, PLANNING), own)


def _care(
    folder: Path,
    databases: dict[Schema, Database],
    own: TlsFiles,
    vault: Bao,
    provider: Provider,
    ehr: Ehr,
    fhir: EhrServer,
    planning: Service,
) -> Service:
    port = free_port()
    environment = _shared(own, port, (GATEWAY,)) | {
        "PUBLIC_URL": ADDRESS,
        "PLANNING_URL": planning.url,
        "EHR_CLIENTS": clients(ehr),
        "CURATED": str(folder / "curated"),
        **databases[Schema.CARE].server.environment,
        "CARE_DATABASE_FILE": str(databases[Schema.CARE].login_file("care-service")),
        "AUDIT_DATABASE_FILE": str(databases[Schema.AUDIT].login_file("audit-writer")),
        "FHIR_SERVER": fhir.base,
        "FHIR_CA": str(fhir.ca),
        "SIGN_IN_ISSUER": provider.issuer.url,
        "SIGN_IN_AUDIENCE": provider.issuer.audience,
        "SIGN_IN_CA": str(provider.ca),
        "VAULT_ADDR": vault.url,
        "VAULT_ROLE": f"{HOSPITAL}-care",
        "VAULT_TOKEN_FILE": str(vault.token_file(CARE)),
    }
    url = f"https://127.0.0.1:{port}"
    return Service("services.care", environment, folder, url, SpiffeId(HOSPITAL, CARE), own)
