"""``python -m services.probe URL``: probe of a mutual TLS server in its own pod, by the pod's own certificate.

The kubelet has no client certificate, so its probes are commands. This one imports no package: it runs every few
seconds, and an import of an HTTP client would cost more than the request. ``tls://HOST:PORT`` asks a gRPC server for a
handshake, in which it reads its certificate, and for nothing else. ``file:///PATH?seconds=60`` is for a program that
answers nobody: it touches the file when it has done its work.
"""

import http.client
import os
import socket
import ssl
import sys
import time
import urllib.parse
from pathlib import Path

# Below that of the kubelet for the command.
TIMEOUT_SECONDS = 8.0
_FILES = {
    "TLS_CA_FILE": "/vault/secrets/tls.ca",
    "TLS_CERTIFICATE_FILE": "/vault/secrets/tls.crt",
    "TLS_KEY_FILE": "/vault/secrets/tls.key",
}


def status(url: str) -> int:
    """Return the HTTP status of a URL.

    Raises
    ------
    OSError, http.client.HTTPException
        If there is no answer.
    """
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(address.netloc, timeout=TIMEOUT_SECONDS, context=_context())
    try:
        connection.request("GET", address.path, headers={"Connection": "close"})
        return connection.getresponse().status
    finally:
        connection.close()


def shake_hands(url: str) -> None:
    """Open a connection for HTTP/2, as gRPC has it, and close it.

    Raises
    ------
    OSError
        If the server does not take part.
    """
    address = urllib.parse.urlsplit(url)
    context = _context()
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((address.hostname, address.port), TIMEOUT_SECONDS) as plain,
        context.wrap_socket(plain) as connection,
    ):
        if connection.selected_alpn_protocol() != "h2":
            raise ConnectionError("the server has no HTTP/2")
        # In TLS 1.3 the server speaks first after a handshake that it accepts: its settings of HTTP/2.
        if not connection.recv(1):
            raise ConnectionError("the server closed the connection")


def age(url: str) -> tuple[float, float]:
    """Return the seconds since a file was touched, and how many there may be.

    Raises
    ------
    OSError
        If there is no such file.
    """
    address = urllib.parse.urlsplit(url)
    [most] = urllib.parse.parse_qs(address.query)["seconds"]
    return time.time() - Path(address.path).stat().st_mtime, float(most)


def _context() -> ssl.SSLContext:
    authority, certificate, key = (os.environ.get(name) or default for name, default in _FILES.items())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate names a workload and not an address; the address is the pod's own loopback.
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(authority)
    context.load_cert_chain(certificate, key)
    return context


def main(arguments: list[str]) -> int:
    """Exit with 0 if the answer is 200, the handshake of ``tls://`` succeeds, or the file is new enough."""
    [url] = arguments
    scheme = urllib.parse.urlsplit(url).scheme
    try:
        if scheme == "tls":
            shake_hands(url)
            return 0
        if scheme == "file":
            seconds, most = age(url)
            print(f"{seconds:.0f} seconds old", file=sys.stderr)
            return 0 if seconds <= most else 1
        answer = status(url)
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    print(f"status {answer}", file=sys.stderr)
    return 0 if answer == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
