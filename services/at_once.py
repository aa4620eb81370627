"""Bound of the requests that a service works on at once, and of the time of each."""

import asyncio
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.request_body import declared_length

SMALL_BODY = 64 << 10
"""Bytes of a body that is read and dropped when its request is refused."""
ARRIVAL_SECONDS = 0.1
"""How long the rest of such a body may take."""


class AtOnce:
    """Middleware that refuses a request beyond so many at once, and ends one that takes too long (503 both).

    A request counts from its first byte, so that clients that send their bodies slowly cannot hold more memory and
    connections than the bound allows. The connection of a refused one stays open if its body is small and has arrived:
    a new handshake for each request takes more of the processor than to answer it, just when there is too much to do.

    Parameters
    ----------
    app : ASGI application
        What gets the request.
    most : int
        Requests at once.
    seconds : float
        Time for a request, from its headers to the end of its answer.
    uncounted : collection of str
        Paths that are answered at any load, as the probes of a pod are; their time is bounded as well.
    """

    def __init__(self, app: ASGIApp, *, most: int, seconds: float, uncounted: Collection[str] = ()) -> None:
        self._app, self._most, self._seconds, self._uncounted = app, most, seconds, frozenset(uncounted)
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if there is room, and end it at its time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = scope["path"] not in self._uncounted
        if counted and self._requests >= self._most:
            whole = await _dropped(Headers(scope=scope), receive)
            await _refusal("Too many requests at once.", close=not whole)(scope, receive, send)
            return
        self._requests += counted
        try:
            await self._in_time(scope, receive, send)
        finally:
            self._requests -= counted

    async def _in_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, receive, sending)
        except TimeoutError:
            if started:
                raise
            await _refusal("The request took too long.", close=True)(scope, receive, send)


async def _dropped(headers: Headers, receive: Receive) -> bool:
    """Read and drop a small body that has arrived; return whether all of it was read."""
    length = declared_length(headers)
    if length is None or length > SMALL_BODY or "transfer-encoding" in headers:
        return False
    try:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return False
                if not message.get("more_body", False):
                    return True
    except TimeoutError:
        return False


def _refusal(text: str, *, close: bool) -> JSONResponse:
    """Return a refusal; one that closes the connection leaves the rest of the body unread."""
    ending = {"Connection": "close"} if close else {}
    return JSONResponse({"error": text}, 503, {"Retry-After": "1", **ending})
