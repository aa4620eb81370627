"""Bounds of a request's body: its framing, size and media type, checked before anything reads it."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.problems import Problem

JSON = frozenset({"application/json"})


def declared_length(headers: Headers) -> int | None:
    """Return the length of a body in bytes, as its request declares it; None without one, or if it is no number."""
    length = headers.get("content-length", "")
    # More digits than a length ever has are not converted.
    return int(length[:20]) if length.isascii() and length.isdigit() else None


class RequestBody:
    """Middleware that refuses a body that is too large (413) or has another media type (415) as problem details.

    A request with both a length and a transfer encoding is refused as well (400): where the proxy before the service
    believes the one and the service the other, a second request hides in the body (RFC 9112, section 6.3).

    Parameters
    ----------
    app : ASGI application
        What gets the request.
    largest : int
        Largest body, in bytes.
    media_types : collection of str
        The media types that the application reads.
    """

    def __init__(self, app: ASGIApp, *, largest: int, media_types: Collection[str] = JSON) -> None:
        self._app = app
        self._largest = largest
        self._media_types = media_types

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body within its bound, and pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            messages = await self._read(Headers(scope=scope), receive)
        except Problem as problem:
            # The rest of the body is not read, so the connection cannot be used again.
            problem.headers["Connection"] = "close"
            await problem.response()(scope, receive, send)
            return

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, replay, send)

    async def _read(self, headers: Headers, receive: Receive) -> list[Message]:
        if "content-length" in headers and "transfer-encoding" in headers:
            detail = "Send either Content-Length or Transfer-Encoding; a request with both can be read in two ways."
            raise Problem(400, "Ambiguous length", detail)
        length = declared_length(headers) if "content-length" in headers else 0
        if length is None or length > self._largest:
            raise self._too_large()
        messages: list[Message] = []
        size = 0
        while True:
            message = await receive()
            messages.append(message)
            if message["type"] != "http.request":
                return messages
            size += len(message.get("body", b""))
            if size > self._largest:
                raise self._too_large()
            if not message.get("more_body", False):
                break
        if size and headers.get("content-type", "").partition(";")[0].strip().lower() not in self._media_types:
            raise Problem(415, "Unsupported media type", f"Send the body as {' or '.join(sorted(self._media_types))}.")
        return messages

    def _too_large(self) -> Problem:
        return Problem(413, "Body too large", f"Send at most {self._largest} bytes in one request.")
