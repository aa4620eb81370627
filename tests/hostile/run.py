"""Sends hostile requests to a running path, and collects what came of them."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from typing import Any

from services.audit.http import HEADER
from tests.hostile import bodies, certificates, forms, framing, generated, judge, messages
from tests.hostile.request import HostileRequest
from tests.hostile.wire import Exchange, exchange
from tests.hostile.world import World, world
from tests.support.care.clinical_path import ClinicalPath

SENDERS = 4
"""Requests on their way at once."""
BATCH = 40
Kind = Callable[[World, str], Iterator[HostileRequest]]
# Effects of requests that prove nothing: the use of a good token in a claim that is wrong, a launch that began, and a
# session that a browser opened.
MAY_CHANGE = frozenset({"care.launch"})


@dataclass(frozen=True)
class Row:
    """A kind of request: its generator, and how many of 10,000 requests are of it."""

    service: str
    make: Kind
    share: int
    proven: bool = False


ROWS: tuple[Row, ...] = (
    Row("planning", certificates.connections, 400),
    Row("care", certificates.connections, 400),
    Row("care", messages.ehr_tokens, 1050),
    Row("care", messages.people_tokens, 1000),
    Row("care", messages.methods, 250),
    Row("care", messages.paths, 600),
    Row("care", messages.queries, 300),
    Row("care", messages.headers, 500),
    Row("care", framing.framings, 300),
    Row("planning", messages.methods, 250, proven=True),
    Row("planning", messages.paths, 500, proven=True),
    Row("planning", messages.queries, 200, proven=True),
    Row("planning", messages.headers, 400, proven=True),
    Row("planning", framing.framings, 300, proven=True),
    Row("planning", lambda world, _: bodies.planning(world), 700, proven=True),
    Row("planning", generated.generated, 1000, proven=True),
    Row("care", lambda world, _: bodies.care(world), 500, proven=True),
    Row("care", lambda world, _: bodies.prefetches(world), 150, proven=True),
    Row("care", forms.forms, 700, proven=True),
    Row("care", generated.generated, 500, proven=True),
)
"""Those that prove nothing come first: until then no table may have changed."""


@dataclass
class Outcomes:
    """What came of a run."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    faults: list[judge.Fault] = field(default_factory=list)
    answers: int = 0
    records: int = 0
    without_reader: int = 0
    effects: dict[str, int] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """Requests that were sent."""
        return sum(self.counts.values())


def run(path: ClinicalPath, total: int, seed: int = 1, rows: tuple[Row, ...] = ROWS) -> Outcomes:
    """Send hostile requests, and judge what comes of them.

    Parameters
    ----------
    path
        The services, which nobody else uses meanwhile.
    total
        How many requests, at least one of each kind.
    seed
        Of everything random but keys and tokens.
    rows
        The kinds.
    """
    known = world(path, seed)
    identities = _identities(path.discharge["prefetch"]["patient"])
    watch, contexts = judge.Watch(identities), certificates.contexts(path)
    before = max(record.sequence for record in path.records())
    found, answered, sent = Outcomes(), list[int](), set[str]()
    shares = sum(row.share for row in rows)
    for proven in (False, True):
        tables = path.counts()
        for row in rows:
            if row.proven is not proven:
                continue
            number = ceil(row.share * total / shares)
            requests = islice(row.make(known, row.service), number)
            for request, result in _exchanges(path, contexts, requests):
                _note(found, answered, request, result, watch)
                if request.request_id is not None:
                    sent.add(request.request_id)
        if not proven:
            found.effects = _changes(tables, path.counts())
            found.faults += [
                judge.Fault("effect", "", f"{count} more rows in {table}", "")
                for table, count in found.effects.items()
                if table not in MAY_CHANGE
            ]
    _judge_records(path, before, found, answered, sent, watch)
    for service in (path.planning, path.care):
        found.faults += judge.of_log(service.module, service.log.read_bytes(), watch)
        if service.process is None or service.process.poll() is not None:
            found.faults.append(judge.Fault("process", service.module, "the service ended", ""))
    return found


def _exchanges(
    path: ClinicalPath, contexts: dict[str, Any], requests: Iterator[HostileRequest]
) -> Iterator[tuple[HostileRequest, Exchange]]:
    """Send requests, some at once; a few are kept in memory, as some are large."""
    with ThreadPoolExecutor(SENDERS) as senders:
        while batch := list(islice(requests, BATCH)):
            yield from zip(batch, senders.map(lambda one: _send(path, contexts, one), batch), strict=True)


def _send(path: ClinicalPath, contexts: dict[str, Any], request: HostileRequest) -> Exchange:
    service = path.planning if request.service == "planning" else path.care
    return exchange(service.port, contexts[request.certificate], request.raw, request.method, whole=request.whole)


def _note(found: Outcomes, answered: list[int], request: HostileRequest, result: Exchange, watch: judge.Watch) -> None:
    found.counts[(request.kind, request.service, judge.outcome(result))] += 1
    found.faults += judge.faults(request, result, watch)
    for answer in result.answers:
        number = answer.header(HEADER)
        if number is not None:
            answered.append(int(number))
            found.answers += 1


def _judge_records(
    path: ClinicalPath, before: int, found: Outcomes, answered: list[int], sent: set[str], watch: judge.Watch
) -> None:
    records = path.records(before)
    # The generators look at pages, too; their answers are not hostile requests'.
    found.records = len(records)
    found.without_reader = len(judge.unanswered(records, answered))
    found.faults += judge.of_chain(records, answered, sent, watch)


def _changes(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {table: after[table] - count for table, count in before.items() if after[table] != count}


def _identities(patient: dict[str, Any]) -> list[str]:
    name = patient["name"][0]
    return [
        str(patient["id"]),
        f"{name['family']}, {name['given'][0]}",
        f"{name['given'][0]} {name['family']}",
        *(one["value"] for one in patient["identifier"]),
    ]
