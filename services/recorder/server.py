"""The recorder in its pod: OTLP's logs service over gRPC and mutual TLS, for the gateway alone."""

import logging
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread
from typing import cast
from urllib.parse import unquote

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from model.errors import UserError
from services.audit.configuration import Deployment, start_entry
from services.audit.errors import NotRecordedError
from services.audit.http import Recorder
from services.database import connections
from services.database.schemas import Schema
from services.recorder.counting import Counting, instance
from services.recorder.entries import LogEntry, moment, refusal
from services.recorder.settings import Settings
from services.transport import ServerSettings, SpiffeId
from services.transport.credentials import Credentials, TlsFiles
from services.transport.identity import certificate_identity

SERVICE = "opentelemetry.proto.collector.logs.v1.LogsService"
GRACE_SECONDS = 10.0
# Records are appended under one lock anyway; what waits longer than this is refused, and the gateway counts it.
WORKERS, WAITING = 2, 32
_SPIFFE = b"spiffe://"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Logs:
    """The logs service: puts each entry on record before it answers.

    Parameters
    ----------
    recorder
        Appends the records.
    callers
        Who may write.
    """

    recorder: Recorder
    callers: frozenset[SpiffeId]

    def export(self, request: ExportLogsServiceRequest, context: grpc.ServicerContext) -> ExportLogsServiceResponse:
        """Record the entries of a request."""
        if _identity(context) not in self.callers:
            log.warning("A workload may not write the gateway's log.")
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "This workload may not write the gateway's log.")
        pod = instance(_address(context.peer()))
        try:
            for entry in log_entries(request):
                self.recorder.append(refusal(entry, self.recorder.hospital, pod))
        except NotRecordedError as fault:
            log.error("%s", fault)
            context.abort(grpc.StatusCode.UNAVAILABLE, "The entries are not on record.")
        return ExportLogsServiceResponse()

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the service for a gRPC server."""
        export = grpc.unary_unary_rpc_method_handler(
            self.export,
            request_deserializer=ExportLogsServiceRequest.FromString,
            response_serializer=ExportLogsServiceResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Export": export})


def log_entries(request: ExportLogsServiceRequest) -> Iterable[LogEntry]:
    """Yield the entries of an export."""
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                attributes = {item.key: item.value.string_value for item in record.attributes}
                yield LogEntry(attributes, moment(record.time_unix_nano))


def _identity(context: grpc.ServicerContext) -> SpiffeId | None:
    """Return the identity in the caller's verified certificate; one with several URIs has none."""
    names = cast("Mapping[str, Sequence[bytes]]", context.auth_context()).get("x509_subject_alternative_name", ())
    uris = tuple(("URI", name.decode(errors="replace")) for name in names if name.startswith(_SPIFFE))
    return certificate_identity({"subjectAltName": uris})


def _address(peer: str) -> str:
    """Return the address in gRPC's name of a peer, such as ``ipv4:10.0.0.7:41234``."""
    _, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]")


class _Certificates:
    """Gives each handshake of a gRPC server the newest certificate and authority."""

    def __init__(self, files: TlsFiles) -> None:
        self._files, self._credentials = files, Credentials(files, server=True)
        self._context = self._credentials.context()

    def server_credentials(self) -> grpc.ServerCredentials:
        # None, which the types do not know, keeps the certificate in use.
        newest = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._newest)
        return grpc.dynamic_ssl_server_credentials(self._read(), newest, require_client_authentication=True)

    def _newest(self) -> grpc.ServerCertificateConfiguration | None:
        # Loads replaced files, and keeps what it had while they do not belong together.
        context = self._credentials.context()
        if context is self._context:
            return None
        self._context = context
        return self._read()

    def _read(self) -> grpc.ServerCertificateConfiguration:
        pair = (self._files.key.read_bytes(), self._files.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=self._files.authority.read_bytes())


def server(logs: Logs, tls: ServerSettings) -> grpc.Server:
    """Return the server, which listens and is not started yet.

    Raises
    ------
    UserError
        If the certificate cannot be used.
    """
    grpc_server = grpc.server(futures.ThreadPoolExecutor(WORKERS), maximum_concurrent_rpcs=WAITING)
    grpc_server.add_generic_rpc_handlers((logs.handler(),))
    grpc_server.add_secure_port(f"{tls.host}:{tls.port}", _Certificates(tls.files).server_credentials())
    return grpc_server


def serve(environment: Mapping[str, str]) -> None:
    """Serve until the process is told to stop; entries that have arrived are recorded before.

    Parameters
    ----------
    environment : mapping
        Variables of :mod:`services.recorder.settings`, :mod:`services.transport.server` and
        :mod:`services.audit.configuration`.

    Raises
    ------
    UserError
        If a setting is missing, or the certificate cannot be used.
    NotRecordedError
        If the start is not on record, although the recorder waited: then nothing could be recorded.
    """
    settings, deployment = Settings.from_environment(environment), Deployment.from_environment(environment)
    try:
        tls = ServerSettings.from_environment(environment)
    except ValueError as fault:
        raise UserError(f"TLS_CALLERS or TLS_PORT: {fault}; correct the recorder's environment.") from None
    recorder = Recorder(
        "gateway", settings.hospital, connections.engine(settings.database(Schema.AUDIT), settings.audit_database)
    )
    listening = server(Logs(recorder, frozenset(tls.callers)), tls)
    components = {"settings": settings.model_dump_json().encode()}
    start = start_entry(
        "gateway", settings.hospital, components, deployment=deployment, release=None, at=datetime.now(UTC)
    )
    recorder.append_start(start, settings.database_patience_seconds)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    counting = Thread(target=Counting(recorder, settings.gateway_metrics).run, args=(stop,), daemon=True)
    listening.start()
    counting.start()
    stop.wait()
    listening.stop(GRACE_SECONDS).wait()
