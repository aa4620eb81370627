"""A gateway under test: a TLS server on loopback that answers what a test sets."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.support.identity.tls import Authority, Pair


class TlsGateway:
    """A gateway that answers what a test sets, to clients with a certificate where it asks for one."""

    def __init__(self, folder: Path, *, certificates: bool = True) -> None:
        self.authority = Authority()
        self.status, self.body, self.kind = 200, "{}", "application/json"
        self.seen: list[tuple[str, str, dict[str, Any]]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                gateway.seen.append((self.path, self.headers["Host"], json.loads(content)))
                self.answer()

            def do_GET(self) -> None:
                gateway.seen.append((self.path, self.headers["Host"], {}))
                self.answer()

            def answer(self) -> None:
                self.send_response(gateway.status)
                self.send_header("Content-Type", gateway.kind)
                if gateway.status in (302, 303):
                    self.send_header("Location", "https://identity.example/auth")
                self.end_headers()
                self.wfile.write(gateway.body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED if certificates else ssl.CERT_NONE
        context.load_verify_locations(cadata=self.authority.certificate.decode())
        context.load_cert_chain(self._pair(self.authority.issue("gateway"), folder / "gateway"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.client = self._pair(self.authority.issue("north-ehr"), folder / "client")

    @property
    def address(self) -> str:
        return f"https://localhost:{self.server.server_port}"

    def tls(self) -> ssl.SSLContext:
        """Return the context of a client with a certificate."""
        context = ssl.create_default_context(cadata=self.authority.certificate.decode())
        context.load_cert_chain(self.client)
        return context

    def _pair(self, pair: Pair, file: Path) -> Path:
        file.write_bytes(pair.key + pair.certificate)
        return file


@contextmanager
def tls_gateway(folder: Path, *, certificates: bool = True) -> Iterator[TlsGateway]:
    """Give a gateway that runs until the end."""
    found = TlsGateway(folder, certificates=certificates)
    Thread(target=found.server.serve_forever, daemon=True).start()
    yield found
    found.server.shutdown()
    found.server.server_close()
