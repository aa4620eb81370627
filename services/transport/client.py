"""Mutual TLS client of a service, which verifies the server's SPIFFE identity before it sends a request."""

import socket
import ssl
from typing import Any

import httpx

from services.transport.credentials import Credentials, TlsFiles
from services.transport.identity import SpiffeId, certificate_identity

TIMEOUT_SECONDS = 10.0
# Below the time in which a server that stops still answers (``CLOSING_SECONDS``): it must not close a connection that a
# request is about to use.
IDLE_SECONDS = 5.0
MAX_CONNECTIONS = 32


class _ServerContext(ssl.SSLContext):
    """TLS context of a client: each connection takes the newest credentials, and checks the server's identity."""

    credentials: Credentials
    server: SpiffeId

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Connect with TLS, and close the connection if it is another server."""
        connection = self.credentials.context().wrap_socket(sock, *args, **kwargs)
        actual = certificate_identity(connection.getpeercert())
        if actual != self.server:
            connection.close()
            raise ssl.SSLCertVerificationError(f"the server is {actual or 'without identity'}, not {self.server}")
        return connection


def client(
    base_url: str, server: SpiffeId, files: TlsFiles | None = None, *, timeout: float | httpx.Timeout = TIMEOUT_SECONDS
) -> httpx.Client:
    """Return a client of one service.

    Its connections last as long as the server allows; those after a rotation of the certificate use the new one.

    Parameters
    ----------
    base_url
        The service's URL.
    server
        The identity that the server must prove.
    files
        The client's own certificate; by default that of the pod.
    timeout
        Of a request, in seconds.

    Raises
    ------
    ValueError
        If the URL is not ``https``.
    UserError
        If the certificate cannot be used.
    """
    if httpx.URL(base_url).scheme != "https":
        raise ValueError(f"{base_url} is not https; services are called with mutual TLS alone")
    context = _ServerContext(ssl.PROTOCOL_TLS_CLIENT)
    context.credentials, context.server = Credentials(files or TlsFiles(), server=False), server
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=IDLE_SECONDS)
    return httpx.Client(base_url=base_url, verify=context, timeout=timeout, limits=limits, trust_env=False)
