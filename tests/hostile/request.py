"""A hostile request as bytes on the wire, and what may come of it."""

import random
from dataclasses import dataclass, field
from urllib.parse import quote

from bench.leaks.canaries import CANARIES
from tests.support.care.clinical_path import CARE, GATEWAY

TEXTS = tuple(CANARIES.values())
"""Identifiers that requests carry everywhere: none may come out where it does not belong."""


@dataclass(frozen=True)
class HostileRequest:
    """A request.

    Parameters
    ----------
    kind
        What is hostile about it.
    service
        Which service gets it: ``planning`` or ``care``.
    raw
        All that is sent.
    certificate
        Whose certificate the connection has; an account, or a name of :mod:`tests.hostile.certificates`.
    path
        The path as it is sent, without a query; decides which routes are public.
    request_id
        The ``X-Request-Id`` that it carries, by which its record is found.
    admitted
        Whether it proves who sends it, so that it may have an effect and be answered.
    most_answers
        How many answers may come.
    whole
        Whether all of it is sent, so that it gets an answer.
    method
        Its method, as the answer's form depends on it.
    """

    kind: str
    service: str
    raw: bytes
    certificate: str
    path: str = "/"
    request_id: str | None = None
    admitted: bool = False
    whole: bool = True
    most_answers: int = 1
    method: str = "GET"


@dataclass
class Builder:
    """Makes requests, repeatably.

    Parameters
    ----------
    source
        Where everything random comes from.
    """

    source: random.Random
    made: int = field(default=0)

    def text(self) -> str:
        """Return an identifier."""
        return self.source.choice(TEXTS)

    def identity(self) -> str:
        """Return a request id."""
        self.made += 1
        return f"{self.source.getrandbits(96):024x}{self.made:08x}"

    def request(
        self,
        kind: str,
        service: str,
        method: str,
        target: str | bytes,
        *,
        headers: tuple[tuple[str | bytes, str | bytes], ...] = (),
        body: bytes = b"",
        certificate: str | None = None,
        admitted: bool = False,
    ) -> HostileRequest:
        """Return a request with right framing, whose connection ends after it.

        A header of the given ones replaces the usual one of its name.
        """
        identity = self.identity()
        given = [(_bytes(name), _bytes(value)) for name, value in headers]
        usual = [
            (b"Host", b"north.example"),
            (b"X-Request-Id", _uuid(identity).encode()),
            (b"Connection", b"close"),
        ]
        if body or method in {"POST", "PUT", "PATCH"}:
            usual += [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(body)).encode())]
        names = {name.lower() for name, _ in given}
        lines = [pair for pair in usual if pair[0].lower() not in names] + given
        head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
        path = _bytes(target)
        return HostileRequest(
            kind=kind,
            service=service,
            raw=method.encode("latin-1") + b" " + path + b" HTTP/1.1\r\n" + head + b"\r\n" + body,
            certificate=certificate or (CARE if service == "planning" else GATEWAY),
            path=path.partition(b"?")[0].decode("latin-1"),
            request_id=_uuid(identity) if b"x-request-id" not in names else None,
            # Planning knows its callers by their certificate alone.
            admitted=admitted or (service == "planning" and certificate is None),
            method=method,
        )


def encoded(text: str) -> str:
    """Return a text as part of an address."""
    return quote(text, safe="")


def bearer(token: str | bytes) -> tuple[tuple[str | bytes, str | bytes], ...]:
    """Return the header with a token."""
    return (("Authorization", b"Bearer " + _bytes(token)),)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
