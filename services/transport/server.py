"""Mutual TLS server of a service: uvicorn, with certificates that are replaced without dropping a connection."""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

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
DRAIN_SECONDS = 20


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
    """

    callers: tuple[SpiffeId, ...]
    files: TlsFiles = field(default_factory=TlsFiles)
    host: str = "0.0.0.0"  # noqa: S104 - NetworkPolicies and the certificate decide who connects
    port: int = DEFAULT_PORT

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
    """Serve an application until the process is told to stop; requests in progress are then completed.

    Parameters
    ----------
    app
        The application; ``scope["tls_peer"]`` is the caller's SPIFFE URI.
    settings
        The settings.
    refusal
        Answers a caller that is not allowed; without it the answer is a problem document with status 403.
    """
    server(app, settings, refusal).run()


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

    return uvicorn.Server(
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
        )
    )


def _newest(
    credentials: Credentials,
) -> Callable[[ssl.SSLSocket | ssl.SSLObject, str | None, ssl.SSLContext], None]:
    """Return the callback that gives each handshake the newest certificate and authority."""

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = credentials.context()

    return choose


class _PeerProtocol(H11Protocol):
    """HTTP/1.1 over a connection whose verified peer is part of the scope of each request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in its base
        super().connection_made(transport)
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
        cast("dict[str, Any]", scope)[PEER] = peer
        await app(scope, receive, send)

    return with_peer


def identities(hospital: str, service_accounts: Iterable[str]) -> tuple[SpiffeId, ...]:
    """Return the identities of some ServiceAccounts of a hospital."""
    return tuple(SpiffeId(hospital, account) for account in service_accounts)
