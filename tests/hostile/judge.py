"""What an answer, a log and the audit chain must not have, and what they must."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.leaks.canaries import CANARIES, forms
from services.audit.http import HEADER, WITHOUT_RECORD
from services.audit.records import Record
from services.problems import MEDIA_TYPE
from tests.hostile.request import HostileRequest
from tests.hostile.wire import Answer, Exchange
from tests.support.care.clinical_path import CARE

PUBLIC = frozenset({"/cds-services", "/openapi.json", *WITHOUT_RECORD})
"""Paths that answer without proof of who asks: descriptions and probes."""
STATIC = "/worklist/static/"
LAUNCH = frozenset({"/launch", "/callback"})
"""Answers 502 while the EHR of a launch does not answer."""
BEFORE_THE_APPLICATION = b"Invalid HTTP request received."
PSEUDONYM = re.compile(rb"v[0-9]{1,4}-[0-9a-f]{6,64}")
TRACE = re.compile(rb'Traceback|File "[^"]+", line|\.py:[0-9]+|sqlalchemy|psycopg|pydantic_core|site-packages', re.I)
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{20,}")


@dataclass(frozen=True)
class Fault:
    """Something that must not be: what, and in which kind of request."""

    kind: str
    service: str
    what: str
    where: str


class Watch:
    """Looks for identifiers: those that requests carry, and those of the patient who was discharged."""

    def __init__(self, own: Iterable[str]) -> None:
        looks = set().union(*(forms(text) for text in (*CANARIES.values(), *own)))
        self._pattern = re.compile(b"|".join(re.escape(look) for look in sorted(looks, key=len, reverse=True)), re.I)

    def finds(self, content: bytes) -> bytes | None:
        """Return the first identifier in some content."""
        found = self._pattern.search(content)
        return found[0] if found else None


def outcome(exchange: Exchange) -> str:
    """Return in a word what came of a request."""
    if not exchange.answers:
        return "closed"
    answer = exchange.answers[0]
    if answer.body == BEFORE_THE_APPLICATION:
        return "refused as HTTP"
    return {2: "answered", 3: "answered", 4: "refused"}.get(answer.status // 100, str(answer.status))


def faults(request: HostileRequest, exchange: Exchange, watch: Watch) -> Iterable[Fault]:
    """Yield what is wrong with the answers of a request."""

    def fault(what: str) -> Fault:
        return Fault(request.kind, request.service, what, repr(request.raw[:300]))

    if exchange.ended == "no HTTP" or (exchange.ended == "open" and not exchange.answers and request.whole):
        yield fault(f"no answer, and the connection ended as: {exchange.ended}")
    if sum(answer.body != BEFORE_THE_APPLICATION for answer in exchange.answers) > request.most_answers:
        yield fault("a hidden request was answered")
    for answer in exchange.answers:
        yield from (fault(what) for what in _of_answer(request, answer, watch))


def _of_answer(request: HostileRequest, answer: Answer, watch: Watch) -> Iterable[str]:
    if answer.status >= 500 and not (answer.status == 502 and request.path in LAUNCH):
        yield f"status {answer.status}"
    content = answer.body + b"\n".join(f"{name}: {value}".encode() for name, value in answer.headers)
    if answer.status >= 400 and (trace := TRACE.search(content)):
        yield f"a trace: {trace[0]!r}"
    typed = request.admitted and request.service == "care" and _is_page(answer)
    if not typed and not (request.admitted and answer.status < 400) and (found := watch.finds(content)):
        yield f"an identifier in the answer: {found!r}"
    if answer.status >= 400 and PSEUDONYM.search(content):
        yield "a pseudonym in a refusal"
    if answer.status < 400 and not request.admitted and not _is_public(request.path):
        yield f"let in with status {answer.status}"
    if answer.body == BEFORE_THE_APPLICATION:
        return
    if answer.header(HEADER) is None and request.path not in WITHOUT_RECORD:
        yield "an answer without an audit record"
    if answer.status >= 400 and not _is_page(answer) and answer.header("content-type") != MEDIA_TYPE:
        yield f"a refusal as {answer.header('content-type')}"


def _is_page(answer: Answer) -> bool:
    return (answer.header("content-type") or "").startswith("text/html")


def _is_public(path: str) -> bool:
    return path in PUBLIC or (path.startswith(STATIC) and "%" not in path and ".." not in path)


def of_log(service: str, content: bytes, watch: Watch) -> Iterable[Fault]:
    """Yield what is wrong with a service's log."""
    for number, line in enumerate(content.splitlines(), 1):
        if found := watch.finds(line):
            yield Fault("log", service, f"an identifier in line {number}: {found!r}", "")
        if PSEUDONYM.search(line) or TOKEN.search(line):
            yield Fault("log", service, f"a pseudonym or a token in line {number}", "")
        if TRACE.search(line) and b"UserWarning" not in line:
            yield Fault("log", service, f"a trace in line {number}: {line[:200]!r}", "")


def of_chain(records: list[Record], answered: list[int], sent: set[str], watch: Watch) -> Iterable[Fault]:
    """Yield what is wrong with the records: each answer has one of its own, and no record is without a request.

    Parameters
    ----------
    records
        Those that were written while the requests came.
    answered
        Numbers of the records that the answers name.
    sent
        Ids of the requests that were sent.
    watch
        Looks for identifiers.
    """
    for number, count in Counter(answered).items():
        if count > 1:
            yield Fault("audit", "", f"record {number} is of {count} answers", "")
    by_number = {record.sequence: record for record in records}
    for number in sorted(set(answered) - by_number.keys()):
        yield Fault("audit", "", f"record {number} is of an answer and not in the chain", "")
    of_care = {record.entry.request_id for record in records if record.entry.service == "care"}
    ids = Counter[Any]()
    for record in records:
        entry = record.entry
        if found := watch.finds(record.entry_text.encode()):
            yield Fault("audit", entry.service, f"an identifier in record {record.sequence}: {found!r}", "")
        inner = entry.service == "planning" and entry.request_id in of_care
        if not inner:
            ids[(entry.service, str(entry.request_id))] += 1
    for (service, identity), count in ids.items():
        if count > 1 and identity in sent:
            yield Fault("audit", service, f"request {identity} has {count} records", "")


def unanswered(records: list[Record], answered: list[int]) -> list[Record]:
    """Return the records of requests whose answer nobody read; planning's of care's own questions are none."""
    of_care = {record.entry.request_id for record in records if record.entry.service == "care"}
    named = set(answered)
    return [
        record
        for record in records
        if record.sequence not in named and not (record.entry.service == "planning" and _asked_by_care(record, of_care))
    ]


def _asked_by_care(record: Record, of_care: set[Any]) -> bool:
    return record.entry.request_id in of_care or record.entry.caller.endswith(f"/{CARE}")
