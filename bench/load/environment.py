"""The running environment, as its variables (``make env``) and the command ``python -m local callers`` show it."""

import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import hvac
import psycopg
from kubernetes import client, config

from bench.support.samples import REPOSITORY
from model.errors import UserError
from services.transport import TlsFiles

PORT = 8443
SECRET = "hmlops-postgresql-administrator"
VARIABLES = ("KUBECONFIG", "VAULT_ADDR", "VAULT_CACERT", "AWS_ENDPOINT_URL", "PGSSLROOTCERT")
DISCHARGES = 5
Json = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """Namespace, Deployment and pods of a workload.

    Parameters
    ----------
    namespace
        Zone of the hospital, or its platform.
    service
        Its Service, which names its pods.
    """

    namespace: str
    service: str


GATEWAY, CARE, PLANNING = "gateway", "care", "planning"
MODEL_SERVER, RECORDER = "model server", "recorder"
WORKLOADS = {
    GATEWAY: Workload("platform", "gateway"),
    CARE: Workload("phi", "care"),
    PLANNING: Workload("serving", "planner"),
    MODEL_SERVER: Workload("serving", "model-server"),
    RECORDER: Workload("platform", "gateway-recorder"),
}


@dataclass(frozen=True)
class Environment:
    """One hospital of the environment.

    Parameters
    ----------
    hospital
        Its name.
    api
        Client of the cluster.
    folder
        Folder for keys and certificates of this run, which only its owner reads.
    """

    hospital: str
    api: client.ApiClient
    folder: Path

    @classmethod
    def open(cls, hospital: str, folder: Path) -> "Environment":
        """Return the environment of this shell.

        Raises
        ------
        UserError
            If its variables are not set.
        """
        missing = [name for name in VARIABLES if not os.environ.get(name)]
        if missing:
            raise UserError(f'{missing[0]} is not set: run `eval "$(make -s env)"` in the running environment first.')
        connect: Any = config.new_client_from_config
        return cls(hospital, connect(os.environ["KUBECONFIG"]), folder)

    @property
    def _core(self) -> Any:
        return client.CoreV1Api(self.api)

    def callers(self) -> Json:
        """Return addresses and files of the demonstration's EHR and program, with a new access token."""
        command = [sys.executable, "-m", "local", "callers", self.hospital, str(self.folder / "callers")]
        done = subprocess.run(
            [*command, "--discharges", str(DISCHARGES)], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UserError(done.stderr.strip() or f"{' '.join(command[1:])} ended with {done.returncode}.")
        callers: Json = json.loads(done.stdout)
        return callers

    def pods(self, workload: str) -> list[Any]:
        """Return the pods of a workload that are ready and not ending.

        Raises
        ------
        UserError
            If there is none.
        """
        ready = [pod for pod in self.all_pods(workload) if pod.metadata.deletion_timestamp is None and _ready(pod)]
        if not ready:
            row = WORKLOADS[workload]
            raise UserError(f"No pod of {row.service} in {self.hospital}-{row.namespace} is ready: run `make status`.")
        return ready

    def all_pods(self, workload: str) -> list[Any]:
        """Return the pods of a workload, those that start or end included."""
        row = WORKLOADS[workload]
        namespace = f"{self.hospital}-{row.namespace}"
        selector = self._core.read_namespaced_service(row.service, namespace).spec.selector
        labels = ",".join(f"{name}={value}" for name, value in selector.items())
        pods: list[Any] = self._core.list_namespaced_pod(namespace, label_selector=labels).items
        return pods

    def address(self, workload: str) -> str:
        """Return the address of a workload's first pod, past its Service."""
        return f"https://{self.pods(workload)[0].status.pod_ip}:{PORT}"

    def variables(self, workload: str) -> dict[str, str]:
        """Return the environment variables of a workload's first container."""
        [first, *_] = self.pods(workload)[0].spec.containers
        return {one.name: one.value for one in first.env if one.value is not None}

    def gateway_certificate(self) -> TlsFiles:
        """Return the gateway's certificate, which is in a Secret of its namespace."""
        data = self._core.read_namespaced_secret("gateway-tls", f"{self.hospital}-platform").data
        return self._written(GATEWAY, *(b64decode(data[name]).decode() for name in ("tls.crt", "tls.key", "ca.crt")))

    def planning_certificate(self) -> TlsFiles:
        """Issue a certificate of planning, as its agent does."""
        account = WORKLOADS[PLANNING].service
        request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
        namespace = f"{self.hospital}-{WORKLOADS[PLANNING].namespace}"
        token = self._core.create_namespaced_service_account_token(account, namespace, request).status.token
        vault = hvac.Client(url=os.environ["VAULT_ADDR"], verify=os.environ["VAULT_CACERT"])
        vault.token = ""
        vault.auth.kubernetes.login(f"{self.hospital}-{account}", token)
        names = {"uri_sans": f"spiffe://hmlops/{self.hospital}/{account}"}
        try:
            issued = vault.write_data(f"{self.hospital}/workload-pki/issue/{account}", data=names)["data"]
        finally:
            vault.auth.token.revoke_self()
        return self._written(PLANNING, issued["certificate"], issued["private_key"], issued["issuing_ca"])

    def rows(self, database: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return rows of a database of the hospital, by the administrator's login."""
        with closing(psycopg.connect(**self._login(database))) as connection:
            return connection.execute(query, values).fetchall()

    def syncs(self) -> int:
        """Return how often the server had its log written to the disk."""
        [(count,)] = self.rows("audit", "SELECT wal_sync FROM pg_stat_wal")
        return int(count)

    def last_record(self) -> int:
        """Return the number of the newest audit record."""
        [(last,)] = self.rows("audit", "SELECT coalesce(max(sequence), 0) FROM audit.records")
        return int(last)

    def records(self, after: int) -> Iterator[tuple[int, str, str, int]]:
        """Yield number, service, route and status of the audit records that follow one."""
        query = "SELECT sequence, entry FROM audit.records WHERE sequence > %s ORDER BY sequence"
        for sequence, entry in self.rows("audit", query, after):
            content = entry if isinstance(entry, dict) else json.loads(entry)
            yield int(sequence), str(content["service"]), str(content["route"]), int(content["status"])

    def _login(self, database: str) -> Json:
        secret = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"]
        login = json.loads(secret)
        server = self.variables(PLANNING)
        return {
            "host": server["DATABASE_HOST"],
            "port": server["DATABASE_PORT"],
            "dbname": f"{self.hospital}-{database}",
            "user": login["username"],
            "password": login["password"],
            "sslmode": "verify-full",
            "sslrootcert": os.environ["PGSSLROOTCERT"],
        }

    def _written(self, name: str, certificate: str, key: str, authority: str) -> TlsFiles:
        folder = self.folder / name
        folder.mkdir(mode=0o700, exist_ok=True)
        files = TlsFiles(folder / "tls.crt", folder / "tls.key", folder / "tls.ca")
        files.certificate.write_text(certificate, encoding="ascii")
        files.key.touch(mode=0o600)
        files.key.write_text(key, encoding="ascii")
        files.authority.write_text(authority, encoding="ascii")
        return files


def _ready(pod: Any) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or ())
