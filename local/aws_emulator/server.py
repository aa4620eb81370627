"""HTTPS server of the emulator, with one thread per connection so that a slow client does not block others."""

import errno
import logging
import socket
import ssl
from http.client import responses
from pathlib import Path
from typing import Any, Final

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from local.aws_emulator.application import Emulator
from local.aws_emulator.messages import Answer, Request
from local.errors import UserError

log = logging.getLogger(__name__)

_TIMEOUT: Final = 120
_LARGEST: Final = 512 << 20


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return an SSL context for a server with TLS 1.2 or later.

    Raises
    ------
    UserError
        When certificate or key cannot be read.
    """
    for path in (certificate, key):
        if not path.is_file():
            raise UserError(f"The file {path} is missing; run `make up` to issue the certificates again.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise UserError(
            f"{certificate} and {key} are not a certificate and its key ({error}); issue them again."
        ) from None
    return context


class Handler(MotoRequestHandler):
    """Request handler that parses as moto's server does, and logs neither query nor body."""

    timeout = _TIMEOUT
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log method, path and status."""
        del size
        log.info("%s %s %s", getattr(self, "command", "?"), self.path.partition("?")[0], code)

    def log_error(self, format: str, *args: Any) -> None:
        """Log a connection error in one line."""
        log.debug(format, *args)


class Server(ThreadedWSGIServer):
    """Threaded server, bound on creation, with the TLS handshake in the connection's thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        listening = _listen(host, port)
        super().__init__(host, port, self._application, Handler, fd=listening.fileno())
        listening.close()
        self.ssl_context = context
        self.emulator: Emulator | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the handshake, then handle the connection."""
        request.settimeout(_TIMEOUT)
        if self.ssl_context is None:
            return
        try:
            secure = self.ssl_context.wrap_socket(request, server_side=True)
        except OSError as error:
            log.debug("TLS handshake failed: %s", error)
            return
        try:
            super().finish_request(secure, client_address)
        finally:
            self.shutdown_request(secure)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a failed connection, without its content."""
        del request, client_address
        log.debug("Connection ended early", exc_info=True)

    def _application(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        request = _request(environ)
        if request is None or self.emulator is None:
            answer = Answer(413 if self.emulator else 503, (), b"")
        elif request.target == "/_emulator/health":
            answer = Answer(200, (("Content-Type", "application/json"),), b'{"ready": true}')
        else:
            answer = self.emulator.answer(request)
        headers = list(answer.headers)
        if environ["REQUEST_METHOD"] != "HEAD":
            headers = [pair for pair in headers if pair[0].lower() != "content-length"]
            headers.append(("Content-Length", str(len(answer.body))))
        start_response(f"{answer.status} {responses.get(answer.status, 'Unknown')}", headers)
        return [answer.body]


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(Server.request_queue_size)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"Port {port} of {host} is in use; stop the other program or choose another.") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise UserError(f"The address {host} is not on this machine; run `make up` to add it.") from None
        raise UserError(f"Cannot listen on {host}:{port} ({error.strerror}).") from None
    return listening


def _request(environ: dict[str, Any]) -> Request | None:
    """Read a complete request; None if it exceeds the emulator's limit."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read(_LARGEST + 1)
    else:
        body = environ["wsgi.input"].read(min(int(length), _LARGEST + 1)) if length.isdigit() else b""
    if len(body) > _LARGEST:
        return None
    names: dict[str, str] = environ.get(PRESERVED_HEADER_NAMES_ENVIRON_KEY) or {}
    headers = []
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers.append((names.get(key, key[5:].replace("_", "-")).lower(), str(value)))
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            headers.append((key.replace("_", "-").lower(), str(value)))
    connection = environ.get("werkzeug.socket")
    version = connection.version() if isinstance(connection, ssl.SSLSocket) else None
    return Request(
        method=environ["REQUEST_METHOD"],
        target=environ["RAW_URI"],
        headers=tuple(headers),
        body=body,
        tls=(version or "TLSv1.2").removeprefix("TLSv"),
        peer=environ.get("REMOTE_ADDR", ""),
    )
