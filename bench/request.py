"""Benchmark of a whole request at the real model server: ``python -m bench.request``.

The server runs as in its pod, in a process of its own behind mutual TLS, with a release of a small synthetic hospital.
The figures are the processor time of that process for each request, TLS and HTTP included, in rounds of all forms one
after the other; and for one row how long the caller waits, alone and while requests of the most rows are answered.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from bench.support.figures import Figure, Json, at_most, show
from model.release.signing import LocalSigner
from model.scoring import Scorer
from model.scoring.latest_discharge import latest
from services.inference import MOST_ROWS
from services.planning.open_inference import request_body, tensor_body
from tests.support.model.model_world import world
from tests.support.serving.model_servers import Server, released, serving

GOAL = 1.5
JSON_BODY = {"Content-Type": "application/json"}
START_SECONDS = 120
ONE_CALL = 25
LARGE_CALLERS = 2
PERCENTILES = 100


@dataclass(frozen=True)
class Running:
    """A running server, its process and a client with planning's certificate."""

    server: Server
    process: psutil.Process
    client: httpx.Client

    def ask(self, body: bytes) -> None:
        """Ask once."""
        self.client.post(f"{self.server.url}/infer", content=body, headers=JSON_BODY).raise_for_status()


def main(
    requests: Annotated[int, typer.Option(help="Requests of one row in each round.")] = 300,
    rounds: Annotated[int, typer.Option(help="Rounds.")] = 7,
    as_json: Json = False,
) -> None:
    """Measure whole requests of one row, of 25 and of the most that may be asked."""
    with _running() as running:
        bodies = _bodies(running.server.release)
        for body in bodies.values():
            running.ask(body)
        counts = {name: max(10, requests // (1 + len(body) // 20_000)) for name, body in bodies.items()}
        taken: dict[str, list[float]] = {name: [] for name in bodies}
        for _ in range(rounds):
            for name, body in bodies.items():
                taken[name].append(_processor_time(running, body, counts[name]))
        medians = {name: statistics.median(times) for name, times in taken.items()}
        alone = _waits(running, bodies["one tensor, 1 row"], requests)
        with _asking(running, bodies[f"one tensor, {MOST_ROWS:,} rows"]):
            beside = _waits(running, bodies["one tensor, 1 row"], requests)
    figures = [
        at_most(f"{name}: processor time of the server", value, GOAL, "ms")
        if name.endswith(" 1 row")
        else Figure(f"{name}: processor time of the server", value, "ms")
        for name, value in medians.items()
    ]
    for title, waits in (("alone", alone), (f"beside {LARGE_CALLERS} callers with {MOST_ROWS:,} rows each", beside)):
        figures.append(Figure(f"one tensor, 1 row, {title}: wait, median", statistics.median(waits), "ms"))
        figures.append(Figure(f"one tensor, 1 row, {title}: wait, p99", _p99(waits), "ms"))
    show("one request", figures, as_json=as_json, about={"requests": requests, "rounds": rounds})


def _bodies(release: Path) -> dict[str, bytes]:
    columns = latest(str(world().features), "any").columns
    contract = Scorer.open(str(release)).contract
    row = [columns[name][0] for name in contract.names]
    tensors = {
        rows: json.dumps(tensor_body(contract.order, [row] * rows)).encode() for rows in (1, ONE_CALL, MOST_ROWS)
    }
    return {
        "one input a feature, 1 row": json.dumps(request_body(columns)).encode(),
        "one tensor, 1 row": tensors[1],
        f"one tensor, {ONE_CALL} rows": tensors[ONE_CALL],
        f"one tensor, {MOST_ROWS:,} rows": tensors[MOST_ROWS],
    }


def _processor_time(running: Running, body: bytes, requests: int) -> float:
    """Return the processor time of the server for each request, in milliseconds."""
    before = running.process.cpu_times()
    for _ in range(requests):
        running.ask(body)
    after = running.process.cpu_times()
    return (after.user + after.system - before.user - before.system) / requests * 1e3


def _waits(running: Running, body: bytes, requests: int) -> list[float]:
    """Return how long the caller waited for each answer, in milliseconds."""
    return [_timed(lambda: running.ask(body)) for _ in range(requests)]


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def _p99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=PERCENTILES)[-1]


@contextmanager
def _asking(running: Running, body: bytes) -> Iterator[None]:
    """Ask for many rows again and again, from several callers."""
    going = True

    def ask() -> None:
        with running.server.client() as client:
            while going:
                client.post(f"{running.server.url}/infer", content=body, headers=JSON_BODY).raise_for_status()

    with ThreadPoolExecutor(LARGE_CALLERS) as pool:
        callers = [pool.submit(ask) for _ in range(LARGE_CALLERS)]
        try:
            yield
        finally:
            going = False
        for caller in callers:
            caller.result()


@contextmanager
def _running() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="bench-request-") as folder:
        place = released(Path(folder, "release"))
        key = LocalSigner(place.parents[1] / "key").public_keys()["v1"]
        scratch = Path(folder, "server")
        scratch.mkdir()
        with serving(place, key, scratch) as server, server.client() as client:
            failed = (httpx.TransportError, httpx.HTTPStatusError)
            ready = Retrying(
                retry=retry_if_exception_type(failed),
                stop=stop_after_delay(START_SECONDS),
                wait=wait_fixed(0.2),
                reraise=True,
            )
            ready(lambda: client.get(f"{server.url}/ready").raise_for_status())
            yield Running(server, psutil.Process().children()[-1], client)


if __name__ == "__main__":
    typer.run(main)
