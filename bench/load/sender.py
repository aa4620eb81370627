"""Requests at a constant rate: each is sent when it is due, whether the ones before it were answered or not.

What a request waits is counted from when it was due, so that a slow server cannot hide its own delays.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from services.audit.http import HEADER

PATIENCE_SECONDS = 15.0
CONNECTIONS = 128
"""Connections that are kept open, at most: a proxy before a service keeps a pool as well."""
OK, REFUSED = 200, (429, 503)
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Target:
    """Destination of requests.

    Parameters
    ----------
    url
        The address, by IP.
    tls
        Certificate of the caller, and the authority of the server.
    host
        Name of the server in TLS and in ``Host``, where it is not the address.
    headers
        Of each request.
    """

    url: str
    tls: ssl.SSLContext
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request.

    Parameters
    ----------
    body
        JSON.
    headers
        Of this request alone.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """Response to a request.

    Parameters
    ----------
    due
        When the request was due, in seconds since the start of the load.
    milliseconds
        From then to the end of the answer.
    status
        Of the answer; 0 where none came.
    record
        The audit record that the answer names, if any.
    """

    due: float
    milliseconds: float
    status: int
    record: int | None = None

    @property
    def accepted(self) -> bool:
        """Whether the server answered what was asked."""
        return self.status == OK

    @property
    def refused(self) -> bool:
        """Whether the server, or a proxy before it, said that there is too much to do."""
        return self.status in REFUSED


def send(target: Target, requests: Sequence[Request], rate: float, seconds: float) -> list[Answer]:
    """Send requests at a constant rate, in turn.

    Parameters
    ----------
    target
        Where they go.
    requests
        What is sent; from the first again when they are used up.
    rate
        Requests in a second.
    seconds
        For how long.

    Returns
    -------
    list of Answer
        In the order in which the requests were due.
    """
    return asyncio.run(_send(target, requests, rate, seconds))


async def _send(target: Target, requests: Sequence[Request], rate: float, seconds: float) -> list[Answer]:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=target.tls)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        start, tasks = time.perf_counter(), []
        for number in range(round(rate * seconds)):
            due = number / rate
            await asyncio.sleep(start + due - time.perf_counter())
            one = requests[number % len(requests)]
            tasks.append(asyncio.create_task(_ask(session, target, one, start, due)))
        return list(await asyncio.gather(*tasks))


async def _ask(session: aiohttp.ClientSession, target: Target, request: Request, start: float, due: float) -> Answer:
    headers = {**JSON, **target.headers, **request.headers} | ({"Host": target.host} if target.host else {})
    name = target.host.partition(":")[0] or None
    status, record = 0, None
    try:
        async with session.post(
            target.url, data=request.body, headers=headers, server_hostname=name, allow_redirects=False
        ) as answer:
            await answer.read()
            status, record = answer.status, answer.headers.get(HEADER)
    except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError):
        pass
    return Answer(due, (time.perf_counter() - start - due) * 1e3, status, int(record) if record else None)


def by_second(answers: Sequence[Answer]) -> list[list[float]]:
    """Return the waits of the accepted requests of each second."""
    blocks: dict[int, list[float]] = {}
    for one in answers:
        if one.accepted:
            blocks.setdefault(int(one.due), []).append(one.milliseconds)
    return [blocks[second] for second in sorted(blocks)]


def recovered(answers: Sequence[Answer], milliseconds: float, in_a_row: int) -> float | None:
    """Return when the server had recovered: the first of a number of requests in a row that were answered in time.

    Returns
    -------
    float or None
        Seconds from the start of these answers to when the first of them was due; None if it did not recover.
    """
    run = 0
    for place, one in enumerate(answers):
        run = run + 1 if one.accepted and one.milliseconds <= milliseconds else 0
        if run == in_a_row:
            return answers[place - in_a_row + 1].due
    return None
