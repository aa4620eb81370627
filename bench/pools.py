"""Benchmark of the serving pools: ``python -m bench.pools`` (with the variables of ``make env``).

It asks planning at a constant rate, in alternating rounds without and with a flood of batch scoring, and says by how
much the flood moves the waits; and how long the empty batch pool takes from a Job to its first score on record.
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench.load import targets
from bench.load.environment import Environment
from bench.load.flood import Flood
from bench.load.percentiles import Blocks, interval, percentile, ratio
from bench.load.sender import Answer, by_second, send
from bench.load.tables import MEDIAN, P99
from bench.support.figures import Figure, Json, at_most, show
from model.errors import UserError

GOAL_RATIO = 1.2
QUIET, FLOODED = "alone", "beside a flood of batch scoring"


def main(
    hospital: Annotated[str, typer.Option(help="Hospital of the stack.")] = "north",
    rate: Annotated[float, typer.Option(help="Requests in a second.")] = 20.0,
    seconds: Annotated[float, typer.Option(help="Length of a round.")] = 10.0,
    rounds: Annotated[int, typer.Option(help="Rounds of each kind.")] = 4,
    jobs: Annotated[int, typer.Option(help="Scoring Jobs of a flood.")] = 10,
    wakes: Annotated[int, typer.Option(help="How often the pool is woken.")] = 3,
    as_json: Json = False,
) -> None:
    """Measure what batch scoring does to the waits of planning in the running environment."""
    with tempfile.TemporaryDirectory(prefix="bench-pools-") as folder:
        try:
            environment = Environment.open(hospital, Path(folder))
            flood = Flood(environment)
            woken = [flood.wake() for _ in range(wakes)]
            side = targets.planning(environment, targets.Encounters.of(environment))
            answers: dict[str, list[list[Answer]]] = {QUIET: [], FLOODED: []}
            requests = side.requests(round(rate * seconds))
            send(side.target, requests, rate, 1)
            for _ in range(rounds):
                answers[QUIET].append(send(side.target, requests, rate, seconds))
                with flood.of(jobs):
                    answers[FLOODED].append(send(side.target, requests, rate, seconds))
        except UserError as fault:
            print(fault, file=sys.stderr)
            raise typer.Exit(1) from None
    about = {"hospital": hospital, "at": datetime.now(UTC).isoformat(timespec="minutes"), "jobs of a flood": jobs}
    wake = "time to wake, from a Job to its first score on record: median"
    figures = [*waits(answers, rate), Figure(wake, percentile(woken, MEDIAN), "s")]
    show("serving pools", figures, as_json=as_json, about=about)


def waits(answers: dict[str, list[list[Answer]]], rate: float) -> list[Figure]:
    """Return the waits of both kinds of rounds, and how much longer those beside the flood are."""
    blocks: dict[str, Blocks] = {
        name: [one for part in parts for one in by_second(part)] for name, parts in answers.items()
    }
    figures = []
    for name, own in blocks.items():
        values = [wait for block in own for wait in block]
        for percent in (MEDIAN, P99):
            low, high = interval(own, percent)
            label = f"planning at {rate:g}/s {name}: p{percent:g} ({low:,.1f} to {high:,.1f})"
            figures.append(Figure(label, percentile(values, percent), "ms"))
    value, low, high = ratio(blocks[FLOODED], blocks[QUIET], P99)
    label = f"p99 beside the flood, times that alone ({low:.2f} to {high:.2f})"
    lost = sum(not one.accepted for parts in answers.values() for part in parts for one in part)
    return [*figures, at_most(label, value, GOAL_RATIO, ""), at_most("requests that were not answered", lost, 0)]


if __name__ == "__main__":
    typer.run(main)
