"""Rows of the load's table: what was sent, how long it took, and what each process spent on it."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.load.environment import Environment
from bench.load.percentiles import difference, interval, percentile
from bench.load.processor_time import OTHERS, SENDER, Meter, Usage
from bench.load.sender import Answer, by_second, send
from bench.load.targets import Side
from tests.support.audit.recorded import Record, unrecorded

PAUSE_SECONDS = 1.0
"""Between two measurements, in which requests that are still worked on end."""


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:,.1f} ({self.low:,.1f} to {self.high:,.1f})"


@dataclass(frozen=True)
class Measured:
    """Measurements of one side at a constant rate of requests, over all rounds.

    Parameters
    ----------
    name, rate
        The side, and the requests in a second.
    seconds
        Length of all rounds.
    answers
        Of each round.
    usage
        Of the machine, idle use of the same time subtracted.
    faults
        Answers without an audit record of their own.
    """

    name: str
    rate: float
    seconds: float
    answers: tuple[tuple[Answer, ...], ...]
    usage: Usage
    faults: tuple[str, ...] = ()

    @property
    def all(self) -> list[Answer]:
        """The answers of all rounds."""
        return [one for answers in self.answers for one in answers]

    @property
    def accepted(self) -> int:
        """How many requests were answered."""
        return sum(one.accepted for one in self.all)

    @property
    def refused(self) -> int:
        """How many requests were refused because there was too much to do."""
        return sum(one.refused for one in self.all)

    @property
    def failed(self) -> int:
        """How many requests were neither answered nor refused."""
        return len(self.all) - self.accepted - self.refused

    @property
    def blocks(self) -> list[list[float]]:
        """Waits of the answered requests, by second."""
        return [block for answers in self.answers for block in by_second(answers)]

    def wait(self, percent: float) -> Estimate | None:
        """Return a percentile of the waits of the answered requests, in milliseconds; None without any."""
        waits = [one for block in self.blocks for one in block]
        return Estimate(percentile(waits, percent), *interval(self.blocks, percent)) if waits else None

    def over(self, milliseconds: float) -> float:
        """Return the share of the answered requests that waited longer; 0 without any."""
        waits = [one.milliseconds for one in self.all if one.accepted]
        return sum(one > milliseconds for one in waits) / max(1, len(waits))

    def refusal_wait(self, percent: float) -> float | None:
        """Return a percentile of the waits of the refused requests, in milliseconds; None without any."""
        waits = [one.milliseconds for one in self.all if one.refused]
        return percentile(waits, percent) if waits else None

    @property
    def each(self) -> Usage:
        """The use for each request that was sent."""
        return self.usage.each(max(1, len(self.all)))


def above(one: Measured, other: Measured, percent: float) -> Estimate | None:
    """Return how much longer a percentile of the waits is than another side's; None if one answered nothing."""
    if not one.blocks or not other.blocks:
        return None
    return Estimate(*difference(one.blocks, other.blocks, percent))


@dataclass
class Runner:
    """Measures sides, and keeps what it measured.

    Parameters
    ----------
    environment
        Has the audit records.
    meter
        Reads processor time.
    idle
        Use of the machine in a second without load.
    rows
        What was measured.
    until
        By the monotonic clock: later, a row has one round alone.
    """

    environment: Environment
    meter: Meter
    until: float = math.inf
    idle: Usage = field(default_factory=Usage)
    rows: list[Measured] = field(default_factory=list)

    def rest(self, seconds: float) -> None:
        """Measure the use without load."""
        before = self.meter.read()
        time.sleep(seconds)
        used = self.meter.read().less(before).times(1 / seconds)
        # What else the machine does is not the workloads' idle use, and the sender is not idle otherwise.
        own = {name: value for name, value in used.processor.items() if name not in (OTHERS, SENDER)}
        self.idle = Usage(own, used.throttled, used.syncs)

    def alternating(self, sides: Sequence[Side], rate: float, seconds: float, rounds: int) -> list[Measured]:
        """Measure sides one after the other, in rounds, at the same rate.

        Returns
        -------
        list of Measured
            In the order of the sides.
        """
        taken: list[list[tuple[list[Answer], Usage]]] = [[] for _ in sides]
        before = self.environment.last_record()
        for number in range(rounds):
            if number and time.monotonic() > self.until:
                break
            for place, side in enumerate(sides):
                taken[place].append(self._once(side, rate, seconds))
        records = {number: (route, status) for number, _, route, status in self.environment.records(before)}
        measured = [_measured(side, rate, seconds, took, records) for side, took in zip(sides, taken, strict=True)]
        self.rows += measured
        return measured

    def _once(self, side: Side, rate: float, seconds: float) -> tuple[list[Answer], Usage]:
        *requests, first = side.requests(round(rate * seconds) + 1)
        send(side.target, [first], 1, 1)
        before, start = self.meter.read(), time.perf_counter()
        answers = send(side.target, requests, rate, seconds)
        took = time.perf_counter() - start
        used = self.meter.read().less(before)
        time.sleep(PAUSE_SECONDS)
        return answers, used.less(self.idle.times(took))


def _measured(
    side: Side, rate: float, seconds: float, took: Sequence[tuple[list[Answer], Usage]], records: Mapping[int, Record]
) -> Measured:
    usage = Usage()
    for _, one in took:
        usage += one
    answers = tuple(tuple(one) for one, _ in took)
    return Measured(side.name, rate, seconds * len(took), answers, usage, tuple(faults(side, answers, records)))


@dataclass(frozen=True)
class _Named:
    client: str
    status: int
    record: int | None


def faults(side: Side, answers: Sequence[Sequence[Answer]], records: Mapping[int, Record]) -> list[str]:
    """Return the answers without an audit record of their own; a side without a route has none."""
    if not side.route:
        return []
    every = [_Named(side.name, one.status, one.record) for answered in answers for one in answered]
    missing = [f"{one.client}: {one.status} names no record" for one in every if one.status == 200 and not one.record]
    return missing + unrecorded(records, every, {side.name: side.route})
