"""HTTP client for a FHIR server: retries, origin checks, and errors without response content."""

import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from model.errors import UserError
from model.fhir.resource_types import NEEDED, OPTIONAL
from model.fhir_server.credentials import Credentials
from model.fhir_server.tls import context, handshake_fault

ATTEMPTS = 6
LONGEST_PAUSE = 60.0
LONGEST_ASKED_PAUSE = 900.0
TIMEOUT = httpx.Timeout(120.0, connect=15.0)
REDIRECTS = 5
# A busy or broken server, or the proxy before it; all else is an answer.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_CODE = re.compile(r"[a-z][a-z-]{1,30}")
_FIXES: Mapping[int, str] = {
    400: "see which request parameters it does not support",
    401: "check the client's registration and its credentials",
    403: "ask the hospital to grant this client the scope for it",
    404: "check the base address",
    410: "run again to start over",
}

Made = TypeVar("Made")

# The library logs every address, and a query may hold an identifier.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Clock:
    """Clock and sleep, replaceable in tests."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = field(default=random.SystemRandom().random)


class RefusedError(UserError):
    """A permanent HTTP error."""


class PassingError(Exception):
    """A fault that another attempt may not meet; it says what happened and how long the server asks us to wait."""

    def __init__(self, happened: str, pause: float | None = None) -> None:
        super().__init__(happened)
        self.pause = pause


def origin(url: str) -> str:
    """Return scheme, host and port of an address, which is all of it that a message may name."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port and parts.port != 443 else ""
    return f"{parts.scheme}://{(parts.hostname or '').lower()}{port}"


class Wire:
    """The connections to one FHIR server.

    Parameters
    ----------
    base : str
        The server's FHIR base; our token and our certificate are shown to its host alone.
    credentials : Credentials
        What is trusted, and the client certificate if any.
    clock : Clock
        The time.
    """

    def __init__(self, base: str, credentials: Credentials, clock: Clock) -> None:
        self.base = base.rstrip("/")
        self.clock = clock
        self.bearer: httpx.Auth | None = None
        named = [kind for kind in OPTIONAL if f"system/{kind}." in (credentials.scope or "")]
        self.kinds = (*NEEDED, *named)
        """The resource types to ask for: a server may refuse everything for a type that was not granted."""
        self._has_certificate = credentials.certificate is not None
        self._own = httpx.Client(verify=context(credentials, with_certificate=True), timeout=TIMEOUT)
        self._other = httpx.Client(verify=context(credentials, with_certificate=False), timeout=TIMEOUT)

    def close(self) -> None:
        """Close all connections."""
        self._own.close()
        self._other.close()

    def is_own(self, url: str) -> bool:
        """Return whether an address lies on the FHIR server's own host."""
        return origin(url) == origin(self.base)

    def ask(
        self,
        method: str,
        url: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        accepted: frozenset[int] = frozenset(),
        advice: Mapping[int, str] | None = None,
    ) -> httpx.Response:
        """Return the answer to a request of the FHIR server.

        Parameters
        ----------
        method, url : str
            What to send where; the address must be the server's own.
        what : str
            The request in words, for a message.
        headers, params : Mapping, optional
            As in HTTP.
        accepted : frozenset of int
            Statuses of 300 and more that are answers here.
        advice : Mapping of int to str, optional
            How to fix a status of this request, where that differs from the usual.

        Raises
        ------
        RefusedError
            When the server refuses.
        UserError
            When it cannot be reached in several attempts.
        """
        if not self.is_own(url):
            raise self._foreign(what, url)

        def once() -> httpx.Response:
            answer = self._own.request(method, url, headers=headers, params=params, auth=self.bearer)
            self._judge(answer, what, accepted, advice or {})
            return answer

        return self.patiently(what, once)

    def form(
        self, url: str, what: str, fields: Callable[[], Mapping[str, str]], *, basic: tuple[str, str] | None
    ) -> httpx.Response:
        """Return a token endpoint's answer to a form, built for each attempt, even if it refuses."""
        if urlsplit(url).scheme != "https":
            raise UserError(f"The token endpoint on {origin(url)} is not https; credentials are not sent there.")

        def once() -> httpx.Response:
            auth = httpx.BasicAuth(*basic) if basic else None
            accept = {"Accept": "application/json"}
            answer = self._own.request("POST", url, data=dict(fields()), headers=accept, auth=auth)
            if answer.status_code in PASSING:
                raise PassingError(f"answered {answer.status_code}", self._asked_pause(answer))
            return answer

        return self.patiently(what, once, host=origin(url))

    @contextmanager
    def stream(
        self, url: str, what: str, *, with_token: bool, accepted: frozenset[int] = frozenset()
    ) -> Iterator[httpx.Response]:
        """Give the answer to a file's address before its body is read; redirects are followed, tokens are not."""
        if with_token and not self.is_own(url):
            raise self._foreign(what, url)
        for _ in range(REDIRECTS):
            if urlsplit(url).scheme != "https":
                raise self._foreign(what, url)
            own = self.is_own(url)
            client, auth = (self._own, self.bearer if with_token else None) if own else (self._other, None)
            with client.stream("GET", url, headers={"Accept-Encoding": "gzip"}, auth=auth) as answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["Location"])
                    continue
                if answer.status_code >= 400:
                    answer.read()
                self._judge(answer, what, accepted, {})
                yield answer
                return
        raise UserError(
            f"The FHIR server {origin(self.base)} redirects {what} in a loop; ask the hospital to correct it."
        )

    def patiently(self, what: str, work: Callable[[], Made], *, host: str | None = None) -> Made:
        """Do something that talks to a server, again after a passing fault, with growing pauses.

        Raises
        ------
        UserError
            When the last attempt failed too, or when no attempt can succeed.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(PassingError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._pause,
            sleep=self.clock.sleep,
            reraise=True,
        )
        server = f"The FHIR server {host or origin(self.base)}"

        def once() -> Made:
            try:
                return work()
            except httpx.TransportError as fault:
                if reason := handshake_fault(fault):
                    raise UserError(f"{server} {reason}.") from None
                raise PassingError(self._broken(fault)) from None

        try:
            return retrying(once)
        except PassingError as fault:
            raise UserError(f"{server} {fault} at {what}, {ATTEMPTS} times; run again later to continue.") from None

    def _broken(self, fault: httpx.TransportError) -> str:
        kind = type(fault).__name__
        if isinstance(fault, httpx.ConnectError | httpx.ConnectTimeout):
            return f"cannot be reached ({kind})"
        # Some servers only hang up on a client that shows no certificate.
        hint = "" if self._has_certificate else ", possibly because a client certificate is missing"
        return f"closed the connection ({kind}{hint})"

    def _foreign(self, what: str, url: str) -> UserError:
        return UserError(
            f"The FHIR server {origin(self.base)} names {origin(url)} for {what}, where the access token is not sent; "
            "ask the hospital to serve it from the FHIR server's own host over https."
        )

    def _pause(self, state: RetryCallState) -> float:
        """Return what the server asks for, or a random share of a pause that doubles (full jitter)."""
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.pause if isinstance(fault, PassingError) else None
        if asked is not None and asked > LONGEST_ASKED_PAUSE:
            raise UserError(
                f"The FHIR server {origin(self.base)} sent Retry-After: {asked:.0f}; run again then to continue."
            )
        growing = min(LONGEST_PAUSE, 2.0**state.attempt_number)
        return asked if asked is not None else growing * (0.5 + 0.5 * self.clock.chance())

    def _asked_pause(self, answer: httpx.Response) -> float | None:
        return retry_after(answer, self.clock)

    def _judge(self, answer: httpx.Response, what: str, accepted: frozenset[int], advice: Mapping[int, str]) -> None:
        status = answer.status_code
        if status < 300 or status in accepted:
            return
        if status in PASSING:
            raise PassingError(f"answered {status}", self._asked_pause(answer))
        fix = advice.get(status) or _FIXES.get(status, "ask the hospital what it means")
        codes = issue_codes(answer)
        raise RefusedError(f"The FHIR server {origin(self.base)} answered {status}{codes} to {what}; {fix}.")


def retry_after(answer: httpx.Response, clock: Clock) -> float | None:
    """Return how many seconds a server asks us to wait, written as a number or as a date (RFC 9110, 10.2.3)."""
    text = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.fromtimestamp(clock.now(), UTC)).total_seconds())


def issue_codes(answer: httpx.Response) -> str:
    """Return the codes of an OperationOutcome in brackets; its texts may speak of a patient and stay out."""
    try:
        issues = answer.json()["issue"]
        codes = {str(issue["code"]) for issue in issues}
    except (ValueError, TypeError, KeyError):
        return ""
    valid = sorted(code for code in codes if _CODE.fullmatch(code))
    return f" ({', '.join(valid)})" if valid else ""
