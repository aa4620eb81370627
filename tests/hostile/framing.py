"""Requests whose framing can be read in two ways, hides a second request, or is never finished."""

from collections.abc import Callable, Iterator

from tests.hostile.request import HostileRequest
from tests.hostile.world import CALLERS, World

Form = Callable[[bytes, bytes, bytes], bytes]
"""Returns what is sent: from the start of a head, a body, and the request that is hidden in it."""


def _chunks(body: bytes, size: bytes | None = None, end: bytes = b"0\r\n\r\n") -> bytes:
    return (size or b"%x" % len(body)) + b"\r\n" + body + b"\r\n" + end


TE = b"Transfer-Encoding: chunked\r\n"


def _length(number: int | bytes) -> bytes:
    return b"Content-Length: " + (number if isinstance(number, bytes) else b"%d" % number) + b"\r\n"


# What is hidden may be answered only where the framing leaves no doubt that it is a request of its own.
AMBIGUOUS: tuple[Form, ...] = (
    lambda head, body, hidden: head + _length(len(body) + 5) + TE + b"\r\n" + _chunks(body) + hidden,
    lambda head, body, hidden: head + TE + _length(len(body)) + b"\r\n" + _chunks(body) + hidden,
    lambda head, body, hidden: head + _length(4) + TE + b"\r\n" + _chunks(body) + hidden,
    lambda head, body, hidden: head + _length(len(body)) + _length(0) + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + _length(0) + _length(len(body)) + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + _length(b"%d, 0" % len(body)) + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + _length(b"+%d" % len(body)) + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + _length(b"-1") + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + _length(b"0x10") + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + _length(b"9" * 40) + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + _length(b"") + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + b"Content-Length : %d\r\n" % len(body) + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + b"Content-Length:\x0b%d\r\n" % len(body) + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + b"Transfer-Encoding: xchunked\r\n\r\n" + _chunks(body) + hidden,
    lambda head, body, hidden: head + b"Transfer-Encoding : chunked\r\n\r\n" + _chunks(body) + hidden,
    lambda head, body, hidden: head + b"Transfer-Encoding: chunked, identity\r\n\r\n" + _chunks(body) + hidden,
    lambda head, body, hidden: head + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + _chunks(body) + hidden,
    lambda head, body, hidden: head + b"Transfer-Encoding:\tchunked\x00\r\n\r\n" + _chunks(body) + hidden,
    lambda head, body, hidden: head + TE + TE + b"\r\n" + _chunks(body) + hidden,
    lambda head, body, hidden: head + TE + b"\r\n" + _chunks(body, b"-1") + hidden,
    lambda head, body, hidden: head + TE + b"\r\n" + _chunks(body, b"0x%x" % len(body)) + hidden,
    lambda head, body, hidden: head + TE + b"\r\n" + _chunks(body, b"f" * 40) + hidden,
    lambda head, body, hidden: head + TE + b"\r\n" + _chunks(body, b"%x" % (len(body) + 1)) + hidden,
    lambda head, body, hidden: head + TE + b"\r\n" + _chunks(body, b"zz") + hidden,
    lambda head, body, hidden: head + TE + b"\r\n" + _chunks(body, b"%x;\n" % len(body)) + hidden,
    lambda head, body, hidden: head + b"X: a\r\n " + hidden.replace(b"\r\n", b"\r\n ") + b"\r\n\r\n",
    lambda head, body, hidden: head + b"X: a\x00b\r\n\r\n" + hidden,
    lambda head, body, hidden: head + b"\rX: b\r\n\r\n" + hidden,
)
# RFC 9112 lets a server read these, and everybody who reads them sees two requests.
TOLERATED: tuple[Form, ...] = (
    lambda head, body, hidden: head + b" Content-Length: %d\r\n" % len(body) + b"\r\n" + body + hidden,
    lambda head, body, hidden: head + TE + b"\r\n" + _chunks(body, b"%x " % len(body)) + hidden,
    lambda head, body, hidden: head.replace(b"\r\n", b"\n") + _length(0)[:-2] + b"\n\n" + hidden,
)
UNFINISHED: tuple[Form, ...] = (
    lambda head, body, hidden: head,
    lambda head, body, hidden: head[:9],
    lambda head, body, hidden: b"GET /v1/scores\r\n",
    lambda head, body, hidden: head + _length(len(body) + 100) + b"\r\n" + body,
    lambda head, body, hidden: head + TE + b"\r\n" + b"%x\r\n" % (len(body) + 50) + body,
    lambda head, body, hidden: head + TE + b"\r\n" + _chunks(body, end=b""),
    lambda head, body, hidden: head + TE + b"\r\n" + _chunks(body, end=b"0\r\nX: " + b"a" * 100_000),
    lambda head, body, hidden: head + b"X: " + b"a" * 300_000,
    lambda head, body, hidden: head + b"X: y\r\n" * 30_000,
)
OTHER: tuple[Form, ...] = (
    lambda head, body, hidden: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden,
    lambda head, body, hidden: head.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n",
    lambda head, body, hidden: head.replace(b"HTTP/1.1", b"HTTP/9.9") + b"\r\n",
    lambda head, body, hidden: head.replace(b"HTTP/1.1", b"HTP/1.1") + b"\r\n",
    lambda head, body, hidden: head.replace(b" HTTP/1.1", b"") + b"\r\n",
    lambda head, body, hidden: head.replace(b" ", b"\t", 2) + b"\r\n",
    lambda head, body, hidden: b"\r\n" * 50 + head + b"\r\n",
    lambda head, body, hidden: b"\x00" * 100 + head + b"\r\n",
    lambda head, body, hidden: b"\x16\x03\x01\x02\x00\x01\x00" + hidden,
    lambda head, body, hidden: head.replace(b"Host: north.example\r\n", b"") + b"\r\n",
    lambda head, body, hidden: head + b"Host: attacker.example\r\n\r\n",
)


def framings(world: World, service: str) -> Iterator[HostileRequest]:
    """Send requests that two readers would not agree about."""
    path, hidden_path = (
        ("/v1/scores", "/v1/scores/v1-0123456789abcdef")
        if service == "planning"
        else (
            "/cds-services/readmission-risk",
            "/worklist",
        )
    )
    while True:
        [forms] = world.source.choices((AMBIGUOUS, TOLERATED, UNFINISHED, OTHER), (12, 1, 2, 4))
        head = b"POST %s HTTP/1.1\r\nHost: north.example\r\nContent-Type: application/json\r\n" % path.encode()
        body = world.source.choice((b"{}", b'{"a": "' + world.builder.text().encode() + b'"}', b"a" * 2_000))
        hidden = b"GET %s HTTP/1.1\r\nHost: north.example\r\nConnection: close\r\n\r\n" % hidden_path.encode()
        yield HostileRequest(
            kind="framing",
            service=service,
            raw=world.source.choice(forms)(head, body, hidden),
            certificate=CALLERS[service],
            path=path,
            admitted=service == "planning",
            method="POST",
            whole=forms is not UNFINISHED,
            most_answers=2 if forms is TOLERATED else 1,
        )
