"""Soak of the clinical path: ``python -m bench.soak`` (with the variables of ``make env``).

A program asks the gateway for scores and the EHR calls the hook, at half of what they may, while every three minutes
pods are replaced or a container is killed. No answer may fail or be without its audit record, and no pod's memory may
grow.
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.clinical import LIMIT
from bench.load import targets
from bench.load.disturbances import MemorySample, disturbances, growth, memory
from bench.load.environment import Environment
from bench.load.percentiles import percentile
from bench.load.rows import faults
from bench.load.sender import Answer, send
from bench.load.targets import Side
from bench.support.figures import Figure, Json, at_most, show
from model.errors import UserError

SEGMENT_SECONDS = 5.0
TOKEN_SECONDS = 60.0
SAMPLE_SECONDS = 5.0
SETTLED_SECONDS = 120.0
AFTERMATH_SECONDS = 10.0
MOST_GROWTH = 1.0
P99 = 99.0


@dataclass
class Load:
    """Clients that ask until they are told to stop; answers are kept with the time at which they were due.

    Parameters
    ----------
    rates
        Requests in a second of each side, by name.
    sides
        What is asked; replaced when a token is.
    """

    rates: dict[str, float]
    sides: dict[str, Side] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    start: float = 0.0

    def begin(self) -> None:
        """Start to ask."""
        self.start = time.monotonic()
        self.answers = {name: [] for name in self.sides}
        self._threads = [threading.Thread(target=self._run, args=(name,)) for name in self.sides]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop to ask, and wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.start

    def _run(self, name: str) -> None:
        while not self._stop.is_set():
            side, rate, began = self.sides[name], self.rates[name], self.seconds
            seconds = max(SEGMENT_SECONDS, 1 / rate)
            for one in send(side.target, side.requests(round(rate * seconds)), rate, seconds):
                self.answers[name].append(replace(one, due=began + one.due))
            self._stop.wait(max(0.0, began + seconds - self.seconds))


@dataclass(frozen=True)
class Happened:
    """A disturbance, and when it began and ended."""

    name: str
    began: float
    ended: float
    whole: bool


def main(
    hospital: Annotated[str, typer.Option(help="Hospital of the stack.")] = "north",
    minutes: Annotated[float, typer.Option(help="Length of the soak.")] = 30.0,
    every: Annotated[float, typer.Option(help="Minutes between two disturbances.")] = 3.0,
    hook_rate: Annotated[float, typer.Option(help="Calls of the hook in a second.")] = 0.2,
    as_json: Json = False,
) -> None:
    """Ask the running environment for a long time, while parts of it are replaced and killed."""
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as folder:
        try:
            environment = Environment.open(hospital, Path(folder))
            encounters = targets.Encounters.of(environment)
            before = environment.last_record()
            load = Load({"scores": LIMIT / 2, "hook": hook_rate})
            happened, samples = _soaked(environment, encounters, load, minutes * 60, every * 60)
        except UserError as fault:
            print(fault, file=sys.stderr)
            raise typer.Exit(1) from None
        records = {number: (route, status) for number, _, route, status in environment.records(before)}
    wrong = [one for name, side in load.sides.items() for one in faults(side, [load.answers[name]], records)]
    grown = growth(samples, SETTLED_SECONDS)
    if not as_json:
        Console(width=140).print(_table(happened, load))
    figures = _figures(load, wrong, grown)
    about = {
        "hospital": hospital,
        "minutes": minutes,
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "load average": round(os.getloadavg()[2], 1),
        "disturbances": [[one.name, round(one.began), round(one.ended), one.whole] for one in happened],
        "failed": [[name, round(one.due, 1), one.status] for name, one in _failed(load)],
        "unrecorded": wrong,
    }
    show("soak of the clinical path", figures, as_json=as_json, about=about)


def _soaked(
    environment: Environment, encounters: targets.Encounters, load: Load, seconds: float, every: float
) -> tuple[list[Happened], list[MemorySample]]:
    """Ask for some seconds; return what happened meanwhile, and the memory of pods."""
    happened: list[Happened] = []
    samples: list[MemorySample] = []
    load.sides = _sides(environment, encounters)
    stop = threading.Event()

    def watch() -> None:
        token = time.monotonic()
        while not stop.wait(SAMPLE_SECONDS):
            samples.extend(memory(environment, load.seconds))
            if time.monotonic() - token > TOKEN_SECONDS:
                # Without a new token the one before is used for as long as it is good.
                with suppress(UserError):
                    load.sides, token = _sides(environment, encounters), time.monotonic()

    watching = threading.Thread(target=watch)
    load.begin()
    watching.start()
    try:
        due = every
        for number in range(max(0, round(seconds / every) - 1)):
            every_kind = disturbances(environment)
            one = every_kind[number % len(every_kind)]
            time.sleep(max(0.0, due - load.seconds))
            began, whole = load.seconds, True
            try:
                one.run()
            except TimeoutError:
                whole = False
            happened.append(Happened(one.name, began, load.seconds, whole))
            due += every
        time.sleep(max(0.0, seconds - load.seconds))
    finally:
        load.end()
        stop.set()
        watching.join()
    return happened, samples


def _sides(environment: Environment, encounters: targets.Encounters) -> dict[str, Side]:
    callers = environment.callers()
    return {"scores": targets.program(callers, encounters), "hook": targets.ehr(callers)}


def _failed(load: Load) -> list[tuple[str, Answer]]:
    return [(name, one) for name, answers in load.answers.items() for one in answers if not one.accepted]


def _table(happened: Sequence[Happened], load: Load) -> Table:
    """Return the table of disturbances, with the answers that failed until shortly after each."""
    table = Table(title="while it was asked", title_justify="left")
    table.add_column("disturbance")
    for heading in ("after, s", "whole again after, s", "failed scores", "failed hooks", "p99 of scores, ms"):
        table.add_column(heading, justify="right")
    for one in happened:
        end = one.ended + AFTERMATH_SECONDS
        during = {name: [a for a in answers if one.began <= a.due <= end] for name, answers in load.answers.items()}
        lost = [sum(not a.accepted for a in during[name]) for name in ("scores", "hook")]
        waits = [a.milliseconds for a in during["scores"] if a.accepted]
        table.add_row(
            one.name,
            f"{one.began:.0f}",
            f"{one.ended - one.began:.0f}" if one.whole else "not",
            *(str(count) for count in lost),
            f"{percentile(waits, P99):,.0f}" if waits else "",
        )
    return table


def _figures(load: Load, wrong: Sequence[str], grown: dict[tuple[str, str], tuple[float, float]]) -> list[Figure]:
    figures = []
    for name, answers in load.answers.items():
        failed = sum(not one.accepted for one in answers)
        waits = [one.milliseconds for one in answers if one.accepted]
        figures.append(at_most(f"{name}: failed, of {len(answers):,}", failed, 0))
        if waits:
            figures.append(Figure(f"{name}: p50", percentile(waits, 50), "ms"))
            figures.append(Figure(f"{name}: p99", percentile(waits, P99), "ms"))
    figures.append(at_most("answers without an audit record of their own", len(wrong), 0))
    for (workload, _), (last, slope) in grown.items():
        figures.append(at_most(f"{workload}: growth of memory, of {last:,.0f} MiB", slope, MOST_GROWTH, "MiB a minute"))
    return figures


if __name__ == "__main__":
    typer.run(main)
