"""Mutual TLS server of a service: uvicorn, with certificates that are replaced without dropping a connection."""

import asyncio
import gc
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.transport.callers import PEER, AllowedCallers, Peer
from services.transport.credentials import Credentials, TlsFiles
from services.transport.identity import SpiffeId, certificate_identity

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

DEFAULT_PORT = 8443
# Clients close an idle connection before the server does, so none is closed under a request.
KEEP_ALIVE_SECONDS = 75
# Once it is told to stop: longer than a client keeps an idle connection, so that each is used once more or given up.
CLOSING_SECONDS = 8.0
# What requests in progress then have.
DRAIN_SECONDS = 20
# A thread that computes gives way to the event loop after so long; Python's default is five times as much.
SWITCH_SECONDS = 0.001
_CLOSE = (b"connection", b"close")
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a mutual TLS server.

    Parameters
    ----------
    callers
        Identities of the workloads that may call it.
    files
        Its certificate.
    host, port
        Address that it listens on.
    closing_seconds
        How long it asks callers to close their connections before it stops, at most.
    """

    callers: tuple[SpiffeId, ...]
    files: TlsFiles = field(default_factory=TlsFiles)
    host: str = "0.0.0.0"  # noqa: S104 - NetworkPolicies and the certificate decide who connects
    port: int = DEFAULT_PORT
    closing_seconds: float = CLOSING_SECONDS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServerSettings":
        """Return the settings in ``TLS_CALLERS`` (identities, separated by commas), ``TLS_PORT`` and ``TLS_*_FILE``.

        Raises
        ------
        ValueError
            If a caller is not an identity, or the port not a number.
        """
        names = [name.strip() for name in environment.get("TLS_CALLERS", "").split(",")]
        return cls(
            callers=tuple(SpiffeId.parse(name) for name in names if name),
            files=TlsFiles.from_environment(environment),
            port=int(environment.get("TLS_PORT", DEFAULT_PORT)),
        )


def serve(app: "ASGI3Application", settings: ServerSettings, refusal: "ASGI3Application | None" = None) -> None:
    """Serve an application until the process is told to stop; connections are then closed by their callers first.

    Parameters
    ----------
    app
        The application; ``scope["tls_peer"]`` is the caller's SPIFFE URI.
    settings
        The settings.
    refusal
        Answers a caller that is not allowed; without it the answer is a problem document with status 403.
    """
    serving = server(app, settings, refusal)
    # Modules and tables that live as long as the process: to scan them again at each full collection took a fifth of
    # the processor time of a card.
    gc.collect()
    gc.freeze()
    serving.run()


def server(
    app: "ASGI3Application", settings: ServerSettings, refusal: "ASGI3Application | None" = None
) -> uvicorn.Server:
    """Return the server of an application, as :func:`serve` runs it."""
    credentials = Credentials(settings.files, server=True)
    guarded = AllowedCallers(app, frozenset(settings.callers), credentials, refusal)

    def context(_: uvicorn.Config, __: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        listening = credentials.context()
        listening.sni_callback = _newest(credentials)
        return listening

    return _DrainingServer(
        settings.closing_seconds,
        uvicorn.Config(
            guarded,
            host=settings.host,
            port=settings.port,
            http=_PeerProtocol,
            ws="none",
            ssl_context_factory=context,
            # Queries and client addresses stay out of the log, and no header may claim another client.
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        ),
    )


def _newest(
    credentials: Credentials,
) -> Callable[[ssl.SSLSocket | ssl.SSLObject, str | None, ssl.SSLContext], None]:
    """Return the callback that gives each handshake the newest certificate and authority."""

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = credentials.context()

    return choose


class _DrainingServer(uvicorn.Server):
    """Server that closes no connection on which a request may be under way.

    A caller cannot know whether a request was begun that it sent as the connection was closed, and repeats none. So a
    server that is told to stop goes on, and says ``Connection: close`` with each answer. What is still open when that
    time is over has been idle for longer than a client keeps it.
    """

    def __init__(self, closing_seconds: float, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._closing_seconds = closing_seconds

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; threads give way to the event loop, which accepts and refuses requests."""
        sys.setswitchinterval(SWITCH_SECONDS)
        await super().serve(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let callers close their connections, complete requests in progress, and stop."""
        state = self.server_state
        state.default_headers = [*state.default_headers, _CLOSE]
        for connection in state.connections:
            if isinstance(connection, H11Protocol) and connection.cycle is not None:
                connection.cycle.default_headers = state.default_headers
        end = time.monotonic() + self._closing_seconds
        while state.connections and time.monotonic() < end and not self.force_exit:
            await asyncio.sleep(_POLL_SECONDS)
        for connection in list(state.connections):
            if isinstance(connection, H11Protocol) and (connection.cycle is None or connection.cycle.response_complete):
                # A caller that reads nothing would not answer the end of TLS for half a minute.
                connection.transport.abort()
        await super().shutdown(sockets)


class _PeerProtocol(H11Protocol):
    """HTTP/1.1 over a connection whose verified peer is part of the scope of each request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        # Another server of the process may switch the log of requests on, and paths and queries may hold identifiers.
        self.access_log = False
        connection = cast("ssl.SSLObject", transport.get_extra_info("ssl_object"))
        self.app = _with_peer(self.app, _peer(connection))


def _peer(connection: ssl.SSLObject) -> Peer:
    certificate = connection.getpeercert() or {}
    expires = ssl.cert_time_to_seconds(str(certificate["notAfter"])) if "notAfter" in certificate else 0.0
    return Peer(certificate_identity(certificate), expires, time.monotonic(), connection.context)


def _with_peer(app: "ASGI3Application", peer: Peer) -> "ASGI3Application":
    async def with_peer(scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        cast("dict[str, object]", scope)[PEER] = peer
        await app(scope, receive, send)

    return with_peer


def identities(hospital: str, service_accounts: Iterable[str]) -> tuple[SpiffeId, ...]:
    """Return the identities of some ServiceAccounts of a hospital."""
    return tuple(SpiffeId(hospital, account) for account in service_accounts)
