"""Benchmark of the clinical path under load: ``python -m bench.clinical`` (with the variables of ``make env``).

It asks the running environment on loopback and the node's own addresses: the model server alone and planning in
alternating rounds at the same constant rates, then the gateway as a program and as the EHR, then more than they carry.
Every hop is mutual TLS, and every answer must have its audit record. The gateway's rate limit stays as it is declared,
so that greater rates are sent to planning itself, with the gateway's certificate; such a row has no gateway in it.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench.load import targets
from bench.load.environment import WORKLOADS, Environment
from bench.load.processor_time import Meter, database_server, with_argument
from bench.load.rows import Estimate, Measured, Runner, above
from bench.load.sender import recovered
from bench.load.tables import ENTRY, MEDIAN, P99, POSTGRESQL, plain
from bench.load.tables import show as show_tables
from bench.load.targets import Side
from bench.support.figures import Figure, Json, at_most, show
from model.errors import UserError
from services.planning.delivery.causes import causes

GOAL_RATE, GOAL_P99, GOAL_ABOVE, GOAL_HOOK = 200.0, 10.0, 4.0, 100.0
GOAL_REFUSED, GOAL_ACCEPTED = 50.0, 50.0
TIMES = 3
"""How many times what it carries is too much."""
LIMIT = 10.0
"""Requests in a second that the gateway lets a program send (`workloads/serving/routes.yaml`)."""
IN_A_ROW = 20
RATES = (50.0, 100.0, GOAL_RATE)
MOST_SECONDS = 120.0
"""From then on, a row has one round alone: on a busy machine, requests that wait make rounds longer."""
REST_SECONDS = 5.0


def main(
    hospital: Annotated[str, typer.Option(help="Hospital of the stack.")] = "north",
    seconds: Annotated[float, typer.Option(help="Length of a round.")] = 3.0,
    rounds: Annotated[int, typer.Option(help="Rounds of each row.")] = 2,
    rates: Annotated[list[float] | None, typer.Option("--rate", help="Requests in a second.")] = None,
    hook_rate: Annotated[float, typer.Option(help="Calls of the hook in a second.")] = 0.5,
    as_json: Json = False,
) -> None:
    """Measure the clinical path of the running environment."""
    with tempfile.TemporaryDirectory(prefix="bench-clinical-") as folder:
        try:
            environment = Environment.open(hospital, Path(folder))
            runner = Runner(environment, meter(environment), time.monotonic() + MOST_SECONDS)
            figures = _measured(runner, sorted(rates or RATES), seconds, rounds, hook_rate)
        except UserError as fault:
            print(fault, file=sys.stderr)
            raise typer.Exit(1) from None
    about = {
        "hospital": hospital,
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "load average": round(os.getloadavg()[1], 1),
        "cores": os.cpu_count() or 0,
        "rows": [plain(row) for row in runner.rows],
    }
    if not as_json:
        show_tables(runner.rows)
    show("the clinical path under load", figures, as_json=as_json, about=about)


def meter(environment: Environment) -> Meter:
    """Return the meter of a hospital's workloads and of what runs beside them."""
    pods = {name: [pod.metadata.uid for pod in environment.pods(name)] for name in WORKLOADS}
    processes = {
        POSTGRESQL: lambda: database_server(f"{environment.hospital}-audit"),
        ENTRY: lambda: with_argument("/config/entry/"),
    }
    return Meter(pods, processes, environment.syncs)


def _measured(runner: Runner, rates: Sequence[float], seconds: float, rounds: int, hook_rate: float) -> list[Figure]:
    encounters = targets.Encounters.of(runner.environment)
    alone = targets.model_server(runner.environment, encounters)
    planning = targets.planning(runner.environment, encounters)
    runner.rest(REST_SECONDS)
    pairs = [runner.alternating((planning, alone), rate, seconds, rounds) for rate in rates]
    carried = [one for one, _ in pairs if _carries(one)]
    # Where it carries none of the rates, the least is the best that is known.
    most = carried[-1].rate if carried else rates[0]
    figures = [Figure("planning: greatest rate that it carried", most if carried else 0.0, "requests/s")]
    for one, other in pairs:
        figures += _beside(one, other, f"at {one.rate:g}/s", goal=one.rate == GOAL_RATE)
        figures.append(_over_limit(other))
    figures += _too_much(runner, planning, most, seconds, "planning")

    callers = runner.environment.callers()
    program = targets.program(callers, encounters)
    below = 0.8 * LIMIT
    [through, same] = runner.alternating((program, alone), below, 2 * seconds, rounds)
    figures += _beside(through, same, f"at {below:g}/s, below the limit", goal=False)
    figures += _too_much(runner, program, LIMIT, seconds, "gateway, scores")
    [hook] = runner.alternating((targets.ehr(callers),), hook_rate, 2 * seconds, rounds)
    figures += [
        _goal(f"hook with prefetch at {hook_rate:g}/s: p50", hook, hook.wait(MEDIAN), None),
        _goal(f"hook with prefetch at {hook_rate:g}/s: p99", hook, hook.wait(P99), GOAL_HOOK),
    ]
    faults = sum(len(row.faults) for row in runner.rows)
    answered = sum(row.accepted for row in runner.rows if row.name != alone.name)
    figures.append(at_most(f"answers without an audit record of their own, of {answered:,}", faults, 0))
    return figures


def _carries(row: Measured) -> bool:
    """Return whether everything was answered, and in the time that too much may take."""
    wait = row.wait(P99)
    return wait is not None and wait.value <= GOAL_ACCEPTED and row.accepted == len(row.all)


def _beside(one: Measured, other: Measured, where: str, *, goal: bool) -> list[Figure]:
    """Return the waits of a side, and how far its median is above the model server's alone."""
    figures = [
        _goal(f"{one.name} {where}: p50", one, one.wait(MEDIAN), None),
        _goal(f"{one.name} {where}: p99", one, one.wait(P99), GOAL_P99 if goal else None),
    ]
    beyond = above(one, other, MEDIAN)
    if beyond is not None:
        name = f"{one.name} {where}: p50 above the model server's alone"
        figures.append(_goal(name, one, beyond, GOAL_ABOVE))
    return figures


def _goal(name: str, row: Measured, wait: Estimate | None, goal: float | None) -> Figure:
    """Return a figure in milliseconds; a goal is met only where everything was answered."""
    whole = row.accepted == len(row.all)
    label = name if wait is None else f"{name} ({wait.low:,.1f} to {wait.high:,.1f})"
    value = wait.value if wait is not None else 0.0
    if not whole:
        label += f", {row.accepted:,} of {len(row.all):,} answered"
    if goal is None:
        return Figure(label, value, "ms")
    return Figure(label, value, "ms", f"at most {goal:g}", whole and wait is not None and value <= goal)


def _over_limit(alone: Measured) -> Figure:
    """Return the share of the model server's answers that a canary's latency counts as slow."""
    limit = causes().latency.milliseconds
    name = f"{alone.name} at {alone.rate:g}/s: answers after {limit:g} ms, which count as slow of a canary"
    return Figure(name, 100 * alone.over(limit), "%")


def _too_much(runner: Runner, side: Side, carried: float, seconds: float, name: str) -> list[Figure]:
    """Send too much, then half of what is carried, and return what was refused and when it had recovered."""
    rate = TIMES * carried
    [over] = runner.alternating((side,), rate, 2 * seconds, 1)
    [then] = runner.alternating((side,), carried / 2, 2 * seconds, 1)
    title = f"{name} at {rate:g}/s, {TIMES} times {carried:g}"
    figures = [Figure(f"{title}: answered", over.accepted / len(over.all) * 100, "%")]
    refused, accepted = over.refusal_wait(P99), over.wait(P99)
    if refused is not None:
        figures.append(at_most(f"{title}: p99 of a refusal", refused, GOAL_REFUSED, "ms"))
    if accepted is not None:
        figures.append(at_most(f"{title}: p99 of an answer", accepted.value, GOAL_ACCEPTED, "ms"))
    figures.append(at_most(f"{title}: neither answered nor refused", over.failed, 0))
    since = recovered(then.all, GOAL_ACCEPTED, min(IN_A_ROW, len(then.all)))
    if since is None:
        return [*figures, Figure(f"{name} recovers by itself: no", 0.0, "", "yes", met=False)]
    return [*figures, Figure(f"{name} has recovered after", since, "s")]


if __name__ == "__main__":
    typer.run(main)
