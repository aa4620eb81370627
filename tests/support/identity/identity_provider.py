"""An identity provider over TLS on loopback: its discovery document and its keys, for services in their own process."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.identity.sign_in import Issuer
from tests.support.identity.tls import Authority


@dataclass(frozen=True)
class ListeningIssuer(Issuer):
    """An issuer whose keys are at its address.

    Parameters
    ----------
    address
        Claim ``iss``.
    """

    address: str = ""

    @property
    def url(self) -> str:
        return self.address


@dataclass(frozen=True)
class Provider:
    """The running provider: its issuer, and the certificate of its authority."""

    issuer: ListeningIssuer
    ca: Path


@contextmanager
def identity_provider(folder: Path, hospital: str) -> Iterator[Provider]:
    """Run the identity provider of a hospital."""
    authority = Authority()
    certificate, key, ca = folder / "provider.crt", folder / "provider.key", folder / "provider-ca.crt"
    authority.issue("provider").write(certificate, key)
    ca.write_bytes(authority.certificate)
    documents: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(documents.get(self.path)).encode()
            self.send_response(200 if self.path in documents else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    path = f"/realms/{hospital}"
    issuer = ListeningIssuer(hospital, address=f"https://127.0.0.1:{server.server_port}{path}")
    documents[f"{path}/.well-known/openid-configuration"] = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/certs"}
    documents[f"{path}/certs"] = issuer.jwks
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Provider(issuer, ca)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
