"""A hospital of the environment, as its EHR, its databases and its cluster show it to a test."""

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import sqlalchemy as sa
from kubernetes import client
from psycopg.rows import dict_row
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.hospitals import discharge, patient_record, pipeline, population
from local.hospitals.ehr_client import EhrClient
from local.hospitals.gateway_call import send
from local.hospitals.patient_record import Stay
from local.paths import NODE_IP, POSTGRES_PORT, Home, machine_url
from local.stack.stack import Stack
from model.release.signing import LocalSigner
from services.audit import chain
from services.audit.anchors import Anchor, StoredAnchor
from services.audit.verify import Verification, verify
from tests.integration.support import eventually

SECRET = "hmlops-postgresql-administrator"
TIMEOUT = 30.0
READY_SECONDS = 240
ANSWER_SECONDS = 90
TIMED_OUT = 504
RISK = re.compile(r"Readmission within 30 days: (\d+)% \((low|medium|high)\)")
"""Summary of a card with a score."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Clinic:
    """One hospital.

    Parameters
    ----------
    home
        The environment.
    hospital
        Its name.
    """

    home: Home
    hospital: str

    @cached_property
    def files(self) -> list[Path]:
        """Its FHIR files."""
        [entry] = [one for one in Stack(self.home).working() if one["name"] == self.hospital]
        return pipeline.bundles(population.source(self.home, entry))

    def stay(self, unit: str) -> Stay:
        """Return the stay of a unit that goes on longest."""
        for one in patient_record.ongoing(self.files):
            places = self.prefetch(one)["encounter"]["location"]
            if places[-1]["location"]["display"].casefold() == unit:
                return one
        raise AssertionError(f"no stay goes on in {unit} of {self.hospital}")

    def prefetch(self, stay: Stay) -> dict[str, Json]:
        """Return the record of a stay's patient, as the EHR sends it."""
        return patient_record.prefetch(self.files, stay)

    def call(self, stay: Stay, prefetch: dict[str, Json] | None = None) -> httpx.Response:
        """Call the hook through the gateway with a record, as the demonstration EHR."""
        return self.hook(stay, {"prefetch": self.prefetch(stay) if prefetch is None else prefetch})

    def hook(self, stay: Stay, sent: Json) -> httpx.Response:
        """Call the hook through the gateway with what the EHR sends of the record."""
        ehr = EhrClient(self.home, self.hospital)
        url = f"{machine_url(self.hospital)}{discharge.PATH}"
        headers = {"Authorization": f"Bearer {ehr.token(url)}"}
        return send("POST", url, ehr.tls(), TIMEOUT, headers=headers, json=discharge.request(stay, sent))

    def card(self, stay: Stay) -> tuple[Json, Json]:
        """Return the card of a stay, and the audit record of the answer.

        A busy machine may take longer than the gateway waits for: an EHR calls again.
        """
        prefetch = self.prefetch(stay)
        answer = Retrying(
            stop=stop_after_delay(ANSWER_SECONDS),
            wait=wait_fixed(1),
            retry=retry_if_result(lambda answer: answer.status_code == TIMED_OUT),
        )(self.call, stay, prefetch)
        assert answer.status_code == 200, answer.text
        [card] = answer.json()["cards"]
        return card, self.record(int(answer.headers["audit-record"]))

    def scored(self, stay: Stay) -> Json:
        """Return the card of a stay once it has a score: a Service finds pods that come back with a delay."""
        card, _ = Retrying(
            stop=stop_after_delay(ANSWER_SECONDS),
            wait=wait_fixed(1),
            retry=retry_if_result(lambda answer: not RISK.fullmatch(answer[0]["summary"])),
        )(self.card, stay)
        return card

    def rows(self, database: str, query: str, *values: Any) -> list[Json]:
        """Return rows of a database, by the administrator's login."""
        with closing(psycopg.connect(**self.login(database), row_factory=dict_row)) as connection:
            return connection.execute(query, values).fetchall()

    def record(self, sequence: int) -> Json:
        """Return an audit record."""
        [row] = self.rows("audit", "SELECT entry FROM audit.records WHERE sequence = %s", sequence)
        return _entry(row)

    def records_after(self, sequence: int) -> list[Json]:
        """Return the audit records that follow one."""
        query = "SELECT entry FROM audit.records WHERE sequence > %s ORDER BY sequence"
        return [_entry(row) for row in self.rows("audit", query, sequence)]

    def last_record(self) -> int:
        """Return the number of the newest audit record."""
        [row] = self.rows("audit", "SELECT coalesce(max(sequence), 0) AS last FROM audit.records")
        return int(row["last"])

    @contextmanager
    def audit(self) -> Iterator[sa.Connection]:
        """Open the database of the audit chain, at one moment of it."""
        engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(**self.login("audit")))
        try:
            with engine.connect() as connection:
                yield connection.execution_options(isolation_level="REPEATABLE READ")
        finally:
            engine.dispose()

    def verified(self, folder: Path) -> Verification:
        """Return what a verification of the whole chain says, up to a head that a key of the folder signs now."""
        signer, now = LocalSigner(folder / "audit.key"), datetime.now(UTC)
        with self.audit() as connection:
            records = list(chain.records(connection))
            head = Anchor(self.hospital, records[-1].sequence, records[-1].hash, now)
            return verify(
                records,
                [StoredAnchor(head.key(), head.signed(signer))],
                hospital=self.hospital,
                trusted=set(signer.public_keys().values()),
                values_of=lambda first, last: chain.feature_values(connection, first, last),
                now=now,
            )

    def login(self, database: str) -> Json:
        """Return the administrator's login to a database, as the Job of the databases has it."""
        secret = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"]
        login = json.loads(secret)
        return {
            "host": NODE_IP,
            "port": POSTGRES_PORT,
            "dbname": f"{self.hospital}-{database}",
            "user": login["username"],
            "password": login["password"],
            "sslmode": "verify-full",
            "sslrootcert": str(self.home.pki / "ca.crt"),
        }


def _entry(row: Json) -> Json:
    entry: Json = row["entry"] if isinstance(row["entry"], dict) else json.loads(row["entry"])
    return entry


@contextmanager
def without_pods(api: client.ApiClient, namespace: str, deployment: str) -> Iterator[None]:
    """Scale a Deployment to no pods, and back at the end. A pod that is ending still answers: it is waited for."""
    apps: Any = client.AppsV1Api(api)
    core: Any = client.CoreV1Api(api)
    before = apps.read_namespaced_deployment(deployment, namespace).spec
    selector = ",".join(f"{name}={value}" for name, value in before.selector.match_labels.items())

    def scale(replicas: int) -> None:
        apps.patch_namespaced_deployment_scale(deployment, namespace, {"spec": {"replicas": replicas}})

    def ready() -> bool:
        status = apps.read_namespaced_deployment(deployment, namespace).status
        return int(status.ready_replicas or 0) == int(before.replicas)

    scale(0)
    try:
        eventually(lambda: not core.list_namespaced_pod(namespace, label_selector=selector).items, READY_SECONDS)
        yield
    finally:
        scale(before.replicas)
        eventually(ready, READY_SECONDS)


def logs(api: client.ApiClient, namespace: str) -> dict[str, str]:
    """Return what each container of a namespace wrote, by pod and container."""
    core: Any = client.CoreV1Api(api)
    read = core.read_namespaced_pod_log
    return {
        f"{pod.metadata.name}/{one.name}": read(pod.metadata.name, namespace, container=one.name)
        for pod in core.list_namespaced_pod(namespace).items
        for one in (*(pod.spec.init_containers or ()), *pod.spec.containers)
    }
