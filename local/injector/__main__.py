"""Vault Agent injector: ``python -m local.injector``."""

import argparse
import json
import ssl
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from local.injector.mutation import Injector
from local.injector.review import answer

PATH, HEALTH_PATH = "/mutate", "/healthz"
LARGEST = 3 << 20
SECONDS = 10


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    injector: Injector

    def do_GET(self) -> None:
        self._send(HTTPStatus.OK if self.path == HEALTH_PATH else HTTPStatus.NOT_FOUND, b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path.partition("?")[0] != PATH or not length.isdecimal() or int(length) > LARGEST:
            self.close_connection = True
            self._send(HTTPStatus.BAD_REQUEST, b"")
            return
        try:
            reply = answer(self.injector, json.loads(self.rfile.read(int(length))))
        except (ValueError, LookupError, TypeError, AttributeError):
            self._send(HTTPStatus.BAD_REQUEST, b"")
            return
        self._send(HTTPStatus.OK, json.dumps(reply).encode())

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def server(injector: Injector, address: str, certificate: Path, key: Path) -> ThreadingHTTPServer:
    """Return the webhook's server."""
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    listening = ThreadingHTTPServer((host, int(port)), type("Handler", (_Handler,), {"injector": injector}))
    # The handshake happens in the thread of the connection: a silent client blocks nobody else.
    listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    return listening


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m local.injector", description=__doc__)
    parser.add_argument("--address", required=True, help="host:port to listen on")
    parser.add_argument("--cert", type=Path, required=True, help="the server's certificate")
    parser.add_argument("--key", type=Path, required=True, help="its key")
    parser.add_argument("--images", type=Path, required=True, help="the lock file that names the agent's image")
    parser.add_argument("--vault", required=True, help="Vault's URL")
    parser.add_argument("--vault-ca", type=Path, required=True, help="certificate of Vault's authority")
    arguments = parser.parse_args(argv)
    try:
        image, ca = json.loads(arguments.images.read_text())["agent"], arguments.vault_ca.read_text()
    except (OSError, ValueError, KeyError) as error:
        print(f"{arguments.images} names no image of the agent ({error}); run `make images`", file=sys.stderr)
        return 2
    injector = Injector(image, arguments.vault, ca)
    server(injector, arguments.address, arguments.cert, arguments.key).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
