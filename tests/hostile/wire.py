"""Sends bytes over TLS, and reads all answers that come back."""

import contextlib
import io
import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, cast

CONNECT_SECONDS = 20.0
QUIET_SECONDS = 0.5
"""After an answer, or without one: how long to wait for another on a connection that stays open."""
ANSWER_SECONDS = 30.0
LARGEST_ANSWER = 4 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True)
class Exchange:
    """What came of a request: answers, and how the connection ended."""

    answers: tuple[Answer, ...]
    ended: str


class _Reader:
    """The socket as :class:`http.client.HTTPResponse` wants it; the stream stays open between answers."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream

    def makefile(self, *_: Any, **__: Any) -> Any:
        return _Kept(self._stream)


class _Kept(io.BufferedIOBase):
    """A stream that its reader cannot close."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._stream.read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._stream.readline(-1 if size is None else size)

    def close(self) -> None:
        """Keep it open."""


def exchange(port: int, context: ssl.SSLContext | None, raw: bytes, method: str, *, whole: bool = True) -> Exchange:
    """Send bytes, and return what comes back.

    Parameters
    ----------
    port
        Of loopback.
    context
        The TLS context; without one everything is sent as plain text.
    raw
        What to send.
    method
        Method of the request, by which an answer may have no body.
    whole
        Whether the request is a whole one, which gets an answer; else a short wait is enough.
    """
    try:
        plain = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS)
    except OSError:
        return Exchange((), "no connection")
    with plain:
        try:
            connection = context.wrap_socket(plain) if context else plain
        except OSError:
            return Exchange((), "handshake refused")
        with connection:
            return _talk(connection, raw, method, ANSWER_SECONDS if whole else QUIET_SECONDS)


def _talk(connection: socket.socket, raw: bytes, method: str, patience: float) -> Exchange:
    answers: list[Answer] = []
    connection.settimeout(patience)
    # It may have answered before all was sent.
    with contextlib.suppress(OSError):
        connection.sendall(raw)
    stream = connection.makefile("rb")
    while True:
        try:
            if not stream.peek(1):
                return Exchange(tuple(answers), "closed")
            answer = HTTPResponse(cast(Any, _Reader(stream)), method=method)
            answer.begin()
            body = answer.read(LARGEST_ANSWER)
        except TimeoutError:
            return Exchange(tuple(answers), "open")
        except OSError:
            return Exchange(tuple(answers), "closed" if answers else "handshake refused")
        except HTTPException:
            return Exchange(tuple(answers), "no HTTP")
        answers.append(Answer(answer.status, tuple(answer.getheaders()), body))
        connection.settimeout(QUIET_SECONDS)
