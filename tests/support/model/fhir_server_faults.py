"""Faults that a test orders from the FHIR server, and time that passes when somebody sleeps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fastapi import Response
from fastapi.responses import JSONResponse, StreamingResponse

from model.fhir_server.wire import Clock
from tests.support.model.fhir_server_resources import SECRET_NAME

Fault = Callable[[Response], Response]


@dataclass
class FakeTime:
    """Time that passes only when somebody sleeps."""

    seconds: float = 1_760_000_000.0
    pauses: list[float] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds
        self.during()

    def clock(self) -> Clock:
        return Clock(now=lambda: self.seconds, sleep=self.sleep, chance=lambda: 1.0)


def busy(status: int, after: str | None = None) -> Fault:
    """Answer with a status in place of what was asked for, with words that must not be repeated."""
    said = {"resourceType": "OperationOutcome", "issue": [{"code": "throttled", "diagnostics": SECRET_NAME}]}
    return lambda _: JSONResponse(said, status, {"Retry-After": after} if after else {})


def cut(share: float = 0.5, *, framed: bool = True) -> Fault:
    """Hang up in the middle of the body."""

    def broken(answer: Response) -> Response:
        body = bytes(answer.body)

        def part() -> Iterator[bytes]:
            yield body[: int(len(body) * share)]
            raise ConnectionAbortedError

        return StreamingResponse(part(), headers={"Content-Length": str(len(body))} if framed else {})

    return broken


def changed(change: Callable[[bytes], bytes]) -> Fault:
    """Send another body, whole as HTTP sees it."""
    return lambda answer: Response(change(bytes(answer.body)), media_type=answer.media_type)
