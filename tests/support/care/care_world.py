"""Care of a small hospital: real PostgreSQL and OpenBao, an EHR with keys, and a planning service that a test sets."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import sqlalchemy as sa
from fastapi.testclient import TestClient

from infra.vault.hospital import VaultPolicyRule, policy_text
from model.io.vault import Vault
from services.audit import chain
from services.audit.records import Record
from services.care.app import create
from services.care.assembly import assembled
from services.care.context import Care
from services.care.delivery.outbox import Courier
from services.care.settings import Settings
from services.database.schemas import Schema
from tests.support.care.ehr import Ehr, clients
from tests.support.databases.postgres import Database, PostgresServer
from tests.support.vault.bao_server import HOSPITAL, LOOKUP_KEY, LOOKUP_RULES, Bao, bao

ADDRESS = "https://north.example"
HOOK = f"{ADDRESS}/cds-services/readmission-risk"
DIGEST = "c3" * 32
RELEASE = {
    "model": "readmission-risk-v1",
    "version": "v1",
    "digest": DIGEST,
    "preprocessing": "d4" * 32,
    "return_days": 30,
    "schema_version": 3,
    "evaluated": True,
    "caution": "",
}
SCORED: dict[str, Any] = {
    "status": "scored",
    "rank": 1,
    "freshness_hours": 0.0,
    "record": 17,
    "risk": 0.27,
    "decision": "high",
    "action": "Call within two days.",
    "reasons": [{"feature": "charlson", "text": "Charlson comorbidity index: 4", "value": 4.0, "effect": "raises"}],
    "warnings": [],
    "release": RELEASE,
    "threshold": {
        "band": "high",
        "risk_from": 0.2,
        "approved_by": [{"kind": "clinical", "role": "clinical-safety-officer", "name": "jane.doe"}],
    },
}
FALLBACK: dict[str, Any] = {
    "status": "fallback",
    "rank": 1,
    "freshness_hours": 0.0,
    "record": 18,
    "lace": 12,
    "lace_parts": None,
    "fallback_reason": "model-slow",
    "approximations": [],
}


@dataclass
class Planning:
    """Planning as a test sets it; what it gets is kept."""

    score: dict[str, Any] = field(default_factory=lambda: dict(SCORED))
    status: int = 200
    requests: list[httpx.Request] = field(default_factory=list)
    fault: Exception | None = None

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url="https://planning.example", transport=httpx.MockTransport(self._answer))

    def bodies(self, path: str) -> list[Any]:
        return [json.loads(request.content) for request in self.requests if request.url.path == path]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.fault is not None:
            raise self.fault
        if self.status != 200:
            return httpx.Response(self.status, json={"title": "refused"})
        if request.url.path == "/v1/feedback":
            return httpx.Response(200, json={"record": 1, "repeated": False})
        asked = json.loads(request.content)["encounters"]
        return httpx.Response(200, json={"scores": [self.score | {"encounter": one["encounter"]} for one in asked]})


@dataclass
class CareWorld:
    """What a test of care needs."""

    care: Care
    client: TestClient
    ehr: Ehr
    planning: Planning
    databases: dict[Schema, Database]
    bao: Bao

    def call(self, body: Any, **options: Any) -> httpx.Response:
        """Call the hook with a valid token, unless another is given."""
        return self.post("/cds-services/readmission-risk", body, **options)

    def post(self, path: str, body: Any, *, token: str | None = None, **options: Any) -> httpx.Response:
        """Post JSON to a path with a token for it."""
        headers = {"Authorization": f"Bearer {token or self.token(path)}"}
        return self.client.post(path, json=body, headers=headers, **options)

    def token(self, path: str, **claims: Any) -> str:
        """Return a token for a path, of the time of this world."""
        now = int(self.care.clock().timestamp())
        return self.ehr.token(ADDRESS + path, **({"iat": now, "exp": now + 300} | claims))

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.care.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def records(self) -> list[Record]:
        with self.databases[Schema.AUDIT].engine("audit-reader").connect() as connection:
            return list(chain.records(connection))

    @property
    def courier(self) -> Courier:
        return Courier(self.care.engine, self.care.cipher, self.care.receivers, self.care.clock)

    def at(self, clock: Callable[[], datetime], **changes: Any) -> "CareWorld":
        """Return the same world at another time, or with other collaborators."""
        care = replace(self.care, clock=clock, **changes)
        return replace(self, care=care, client=TestClient(create(care), raise_server_exceptions=False))


@contextmanager
def care_world(
    postgres: PostgresServer,
    folder: Path,
    *,
    hospital: str | None = None,
    curated: Path | None = None,
    smart_iss: str = "https://fhir.north.example/r4",
    ehr: Ehr | None = None,
    **environment: str,
) -> Iterator[CareWorld]:
    """Give the world, with servers that run until its end."""
    hospital = hospital or f"h{secrets.token_hex(4)}"
    databases = postgres.hospital(hospital, Schema.CARE, Schema.AUDIT)
    ehr = ehr or Ehr(smart_iss=smart_iss)
    settings = Settings.from_environment(
        {
            "HOSPITAL": hospital,
            "PUBLIC_URL": ADDRESS,
            "PLANNING_URL": "https://planning.example",
            **postgres.environment,
            "EHR_CLIENTS": clients(ehr),
            "CURATED": str(curated or folder / "curated"),
            "CARE_DATABASE_FILE": str(databases[Schema.CARE].login_file("care-service")),
            "AUDIT_DATABASE_FILE": str(databases[Schema.AUDIT].login_file("audit-writer")),
            **environment,
        }
    )
    planning = Planning()
    with bao(folder) as server:
        _transit(server, hospital)
        care = assembled(settings, planning.client, server.vault("care", patience=2.0))
        client = TestClient(create(care), raise_server_exceptions=False)
        yield CareWorld(care, client, ehr, planning, databases, server)


def _transit(server: Bao, hospital: str) -> None:
    """Give a hospital its keys, and the workload care the rights on them."""
    mount = f"{hospital}/transit"
    server.root.sys.enable_secrets_engine("transit", path=mount)
    server.root.write_data(f"{mount}/keys/pseudonym", data={"type": "hmac", "key_size": 32})
    server.root.secrets.transit.create_key(name=LOOKUP_KEY, key_type="aes256-gcm96", mount_point=mount)
    rules = [VaultPolicyRule(path=f"transit/{path}", capability="update") for path in LOOKUP_RULES["care"]]
    server.root.sys.create_or_update_acl_policy(f"{HOSPITAL}-care", policy_text(hospital, rules))


def offline(settings: Settings, engine: sa.Engine) -> Care:
    """Return care with a database, and nothing else that answers."""
    vault = Vault("http://127.0.0.1:1", "north-care", None, patience=0.1)
    care = assembled(settings, Planning(fault=httpx.ConnectError("away")).client, vault)
    return replace(care, engine=engine)


def hook(patient_id: str, encounter_id: str, prefetch: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a call of the hook."""
    context = {"userId": "Practitioner/dr-1", "patientId": patient_id, "encounterId": encounter_id}
    body = {"hook": "encounter-discharge", "hookInstance": str(uuid4()), "context": context, **more}
    return body | ({"prefetch": prefetch} if prefetch is not None else {})


def prefetch(patient: dict[str, Any], encounter_id: str, resources: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the prefetch of a record, as an EHR sends it."""

    def bundle(kind: str) -> dict[str, Any]:
        entries = [{"resource": one} for one in resources if one["resourceType"] == kind]
        return {"resourceType": "Bundle", "type": "searchset", "entry": entries}

    return {
        "patient": patient,
        "encounter": next(one for one in resources if one["id"] == encounter_id),
        "encounters": bundle("Encounter"),
        "conditions": bundle("Condition"),
        "observations": bundle("Observation"),
        "medications": bundle("MedicationRequest"),
    }


def fixed(moment: datetime) -> Callable[[], datetime]:
    """Return a clock that stands still."""
    return lambda: moment.astimezone(UTC)
