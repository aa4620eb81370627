"""Allowed callers of a service: an ASGI application around it that refuses all others."""

import json
import logging
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from services.transport.credentials import Credentials
from services.transport.identity import SpiffeId

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope

PEER = "tls_connection"
PEER_URI = "tls_peer"
# The pod's own probe asks these with the pod's own certificate.
HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
# A connection is closed after this time, so that a revocation reaches clients that never disconnect.
CONNECTION_SECONDS = 300.0
_CLOSE = (b"connection", b"close")
_PROBLEM = json.dumps(
    {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "This workload may not call this service."}
).encode()

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Peer:
    """The verified peer of a connection.

    Parameters
    ----------
    identity
        Its SPIFFE identity; None where the certificate has none.
    expires
        End of the certificate, in seconds since the epoch.
    since
        When the connection was made, by the monotonic clock.
    context
        The TLS context that verified it.
    """

    identity: SpiffeId | None
    expires: float
    since: float
    context: ssl.SSLContext


async def forbidden(_: "Scope", __: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
    """Answer 403 with a problem document (RFC 9457)."""
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(_PROBLEM)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": _PROBLEM, "more_body": False})


class AllowedCallers:
    """Passes the requests of allowed callers on, and refuses all others.

    The answer closes a connection that is older than five minutes, or older than the server's certificates, so every
    peer is soon verified again.

    Parameters
    ----------
    app
        The application.
    callers
        Who may call it. The workload itself may ask for its health.
    credentials
        The server's credentials.
    refusal
        Answers all others.
    """

    def __init__(
        self,
        app: "ASGI3Application",
        callers: frozenset[SpiffeId],
        credentials: Credentials,
        refusal: "ASGI3Application | None" = None,
    ) -> None:
        self._app, self._callers, self._credentials = app, callers, credentials
        self._refusal: ASGI3Application = refusal or forbidden

    async def __call__(self, scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        """Handle one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        values = cast("dict[str, object]", scope)
        peer = cast("Peer | None", values.get(PEER))
        values[PEER_URI] = str(peer.identity) if peer and peer.identity else ""
        allowed = peer is not None and self._allows(peer, str(values.get("path", "")))
        if not allowed:
            log.warning("A workload may not call this service: %s", values[PEER_URI] or "no identity")
        if peer is None or not allowed or self._outdated(peer):
            send = _closing(send)
        await (self._app if allowed else self._refusal)(scope, receive, send)

    def _allows(self, peer: Peer, path: str) -> bool:
        if peer.identity is None or peer.expires <= time.time():
            return False
        own_probe = peer.identity == self._credentials.identity and path in HEALTH_PATHS
        return own_probe or peer.identity in self._callers

    def _outdated(self, peer: Peer) -> bool:
        age = time.monotonic() - peer.since
        return age > CONNECTION_SECONDS or peer.context is not self._credentials.context()


def _closing(send: "ASGISendCallable") -> "ASGISendCallable":
    """Return ``send`` with ``Connection: close`` in the response."""

    async def close(event: "ASGISendEvent") -> None:
        if event["type"] == "http.response.start":
            event["headers"] = [*event.get("headers", []), _CLOSE]
        await send(event)

    return close
