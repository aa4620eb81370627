"""The recorder behind a real gateway: its server on loopback, its records in a real chain, and Envoy's counters."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import psutil
import tenacity
from cryptography import x509

from infra.settings import names
from services.audit import chain
from services.audit.http import Recorder
from services.audit.records import AuditEntry, Record
from services.database.schemas import Schema
from services.recorder.counting import Counting, Sample, read_sample
from services.recorder.server import Logs, server
from services.transport import ServerSettings, SpiffeId, TlsFiles
from tests.support.databases.postgres import PostgresServer
from tests.support.gateway.gateway_pki import HospitalAuthority
from tests.support.gateway.gateway_settings import HOSPITAL, RECORDER_ACCOUNT

HOST = "127.0.0.1"


def identity(account: str) -> x509.UniformResourceIdentifier:
    """Return the identity of a ServiceAccount, as a certificate has it."""
    return x509.UniformResourceIdentifier(names.spiffe_uri(HOSPITAL, account))


def write_files(folder: Path, authority: HospitalAuthority, account: str) -> TlsFiles:
    """Write a new certificate of a ServiceAccount where its Vault agent would."""
    files = TlsFiles(folder / f"{account}.crt", folder / f"{account}.key", folder / f"{account}.ca")
    pair = authority.issue(account, identity(account), x509.DNSName(RECORDER_ACCOUNT))
    files.authority.write_bytes(authority.certificate)
    files.key.write_bytes(pair.key)
    files.certificate.write_bytes(pair.certificate)
    return files


@dataclass
class RunningRecorder:
    """The recorder's server, which can be stopped and started again at its port."""

    port: int
    recorder: Recorder
    connect: Callable[[], list[Record]]
    files: TlsFiles | None = None
    running: grpc.Server | None = None

    @classmethod
    def of(cls, postgres: PostgresServer, port: int) -> "RunningRecorder":
        """Return the recorder of the hospital, with a chain of its own; it is not started yet."""
        database = postgres.database(Schema.AUDIT, HOSPITAL)
        reader = database.engine("audit-reader")

        def records() -> list[Record]:
            with reader.connect() as connection:
                return list(chain.records(connection))

        recorder = Recorder("gateway", HOSPITAL, database.engine("audit-writer"))
        return cls(port, recorder, records)

    def start(self) -> None:
        """Serve the gateway's identity."""
        assert self.files is not None
        logs = Logs(self.recorder, frozenset({SpiffeId(HOSPITAL, "envoy")}))
        self.running = server(logs, ServerSettings((), self.files, HOST, self.port))
        self.running.start()

    def stop(self) -> None:
        """Stop serving."""
        if self.running is not None:
            self.running.stop(0).wait()

    def entries(self) -> list[AuditEntry]:
        """Return the entries of the chain, in order."""
        return [record.entry for record in self.connect()]

    def refusals(self, least: int) -> list[AuditEntry]:
        """Return the entries of refusals, once there are as many as expected."""
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.2), reraise=True
        ):
            with attempt:
                found = [entry for entry in self.entries() if entry.outcome != "answered"]
                assert len(found) >= least
        return found


def metrics_port(folder: Path, gateway_port: int) -> int:
    """Return the port of the administration interface of the Envoy that runs below a folder."""
    for process in psutil.process_iter(["exe"]):
        if not (process.info["exe"] or "").startswith(str(folder)):
            continue
        listening = {one.laddr.port for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
        for port in listening - {gateway_port}:
            if _has_metrics(port):
                return int(port)
    raise AssertionError("no Envoy below the folder has metrics")


def _has_metrics(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/stats/prometheus", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def sample(recorder: Recorder, port: int) -> Sample:
    """Return Envoy's counters now."""
    text = httpx.get(f"http://{HOST}:{port}/stats/prometheus", trust_env=False).text
    found = read_sample(text, recorder.clock())
    assert found is not None
    return found


def count(recorder: Recorder, port: int) -> None:
    """Put Envoy's counters on record."""
    counting = Counting(recorder, f"{HOST}:{port}")
    counting.round()
    counting.round()
