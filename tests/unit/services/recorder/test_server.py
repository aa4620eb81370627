"""What the real gateway refuses is in the real chain once, and its count shows what is missing."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import httpx
import pytest
import tenacity
from cryptography import x509
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from services.audit.records import AuditEntry
from services.audit.refusals import Refusals
from services.recorder.server import SERVICE
from tests.support.databases.postgres import PostgresServer
from tests.support.gateway import envoy_gateway as eg
from tests.support.gateway.gateway_callers import EHR, HOOK, PROGRAM, bearer, token
from tests.support.gateway.gateway_pki import HospitalAuthority, write
from tests.support.gateway.gateway_settings import HOSPITAL, RECORDER_ACCOUNT
from tests.support.gateway.gateway_world import World, world
from tests.support.gateway.recorder_world import HOST, RunningRecorder, count, metrics_port, sample, write_files

pytestmark = pytest.mark.process


@dataclass
class Recorded:
    """The gateway, the recorder and the port of Envoy's counters."""

    gateway: World
    recorder: RunningRecorder
    metrics: int

    def hook(self, **claims: str) -> dict[str, str]:
        return bearer(self.gateway.hook_token(**claims))


@pytest.fixture(scope="module")
def running(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("recorder")
    recorder = RunningRecorder.of(postgres, eg.free_port())
    with world(folder, recorder.port) as gateway:
        recorder.files = write_files(folder, gateway.workloads_authority, RECORDER_ACCOUNT)
        recorder.start()
        yield Recorded(gateway, recorder, metrics_port(folder, gateway.port))
        recorder.stop()


def seen(entry: AuditEntry) -> tuple[str, int, str, str | None]:
    return entry.route, entry.status, entry.caller, entry.detail


def refuse_requests(running: Recorded) -> list[tuple[str, int, str, str | None]]:
    gateway = running.gateway
    with gateway.machines() as client:
        assert client.post(HOOK, json={}, headers=running.hook()).status_code == 200
        assert client.post(HOOK, json={"name": "Smith"}).status_code == 401
        assert client.post(HOOK, json={}, headers=running.hook(aud="another")).status_code == 403
        assert client.get("/Patient/123?name=Smith", headers={"X-Name": "Smith"}).status_code == 404
        assert client.post(HOOK, content=b"Smith" * 600_000, headers=running.hook()).status_code == 413
    with gateway.machines(PROGRAM) as client:
        assert client.post(HOOK, json={}, headers=running.hook()).status_code == 403
        queued = bearer(token(gateway.login_key, gateway.program_claims()))
        assert client.post("/v1/notes", json={}, headers=queued).status_code == 501
    with gateway.browser() as client:
        assert client.get("/worklist").status_code == 302
        assert client.get("/Patient/123").status_code == 404
    return [
        ("POST /discharge-hook", 401, EHR, "jwt_authn_access_denied"),
        ("POST /discharge-hook", 403, EHR, "jwt_authn_access_denied"),
        ("unmatched", 404, EHR, "route_not_found"),
        ("POST /discharge-hook", 413, EHR, "request_payload_too_large"),
        ("POST /discharge-hook", 403, PROGRAM, "rbac_access_denied_matched_policy"),
        ("POST /note-extraction", 501, PROGRAM, "direct_response"),
        ("unmatched", 404, "unidentified", "route_not_found"),
    ]


def refuse_connections(running: Recorded, folder: Path) -> list[tuple[str, int, str, str | None]]:
    gateway, host = running.gateway, running.gateway.gateway.machine_host(HOSPITAL)
    expired = gateway.authority.issue(EHR, expired=True)
    foreign = HospitalAuthority("another hospital").issue(EHR)
    pairs = [write(pair, folder, f"pair{number}") for number, pair in enumerate((gateway.revoked, expired, foreign))]
    for certificate in (None, *pairs):
        with gateway.client(host, certificate) as client, pytest.raises(httpx.TransportError):
            client.get("/Patient/123")
    with gateway.client("south.example") as client, pytest.raises(httpx.TransportError):
        client.get("/")
    with socket.create_connection((HOST, gateway.port)) as plain:
        plain.sendall(b"GET /Patient/123 HTTP/1.1\r\nHost: x\r\n\r\n")
        with suppress(ConnectionError):
            plain.recv(100)
    # A probe of a load balancer.
    socket.create_connection((HOST, gateway.port)).close()
    details = ("tls.peer_did_not_return_a_certificate", "tls.certificate_revoked", "tls.certificate_expired")
    more = ("tls.certificate_verify_failed", "filter_chain_not_found", "tls.http_request")
    return [("unmatched", 400, "unidentified", detail) for detail in (*details, *more)]


def missing(running: Recorded) -> int:
    count(running.recorder.recorder, running.metrics)
    refusals = Refusals()
    for record in running.recorder.connect():
        refusals.read(record, record.entry)
    assert bool(refusals.notices(datetime.now(UTC))) is (refusals.missing > 0)
    return refusals.missing


def test_each_refusal_is_on_record_once_without_what_the_client_sent(running: Recorded, tmp_path: Path) -> None:
    expected = refuse_requests(running) + refuse_connections(running, tmp_path)
    found = running.recorder.refusals(len(expected))
    assert sorted(map(str, map(seen, found))) == sorted(map(str, expected))
    texts = " ".join(entry.canonical() for entry in found)
    assert all(part not in texts for part in ("Patient", "123?", "Smith", "Bearer", "south.example", "/cds-services"))
    assert sample(running.recorder.recorder, running.metrics).logged == len(found)
    assert missing(running) == 0


def test_the_count_shows_what_a_stopped_recorder_missed(running: Recorded) -> None:
    before = missing(running)
    running.recorder.stop()
    with running.gateway.machines() as client:
        for _ in range(3):
            assert client.post(HOOK, json={}).status_code == 401
    for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.2), reraise=True):
        with attempt:
            logged = sample(running.recorder.recorder, running.metrics).logged
            assert logged >= 3 + len([one for one in running.recorder.entries() if one.outcome != "answered"]) - before
    running.recorder.start()
    assert missing(running) - before == 3


def export(running: Recorded, account: str, folder: Path) -> None:
    files = write_files(folder, running.gateway.workloads_authority, account)
    credentials = grpc.ssl_channel_credentials(
        files.authority.read_bytes(), files.key.read_bytes(), files.certificate.read_bytes()
    )
    options = (("grpc.ssl_target_name_override", RECORDER_ACCOUNT),)
    with grpc.secure_channel(f"{HOST}:{running.recorder.port}", credentials, options) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/Export",
            request_serializer=ExportLogsServiceRequest.SerializeToString,
            response_deserializer=ExportLogsServiceResponse.FromString,
        )
        request = ExportLogsServiceRequest()
        request.resource_logs.add().scope_logs.add().log_records.add()
        call(request, timeout=10)


def test_another_workload_cannot_write(running: Recorded, tmp_path: Path) -> None:
    before = len(running.recorder.entries())
    with pytest.raises(grpc.RpcError) as refused:
        export(running, "planner", tmp_path)
    assert "PERMISSION_DENIED" in str(refused.value)
    assert len(running.recorder.entries()) == before


def test_a_replaced_certificate_is_used_at_the_next_handshake(running: Recorded) -> None:
    files = running.recorder.files
    assert files is not None
    context = ssl.create_default_context(cafile=str(files.authority))
    context.check_hostname = False
    context.load_cert_chain(files.certificate, files.key)

    def serial() -> int:
        with (
            socket.create_connection((HOST, running.recorder.port)) as connection,
            context.wrap_socket(connection) as secured,
        ):
            return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"").serial_number

    before = serial()
    write_files(files.certificate.parent, running.gateway.workloads_authority, RECORDER_ACCOUNT)
    replaced = x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number
    assert before != serial() == replaced
