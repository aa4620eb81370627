"""Benchmark of the features of a million encounters: DuckDB against a pandas loop per bundle, and against Spark.

Each engine runs in a separate process on the same tables, one after the other. Wall and processor time are reported;
the start of Spark is not counted. The loop is the usual one of tutorials: a data frame for each patient's bundle, and
filters that compute the features of each discharge.
"""

import multiprocessing
import resource
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import pyarrow.parquet as pq
import typer

from bench.support.bundle_loop import loop
from bench.support.figures import Figure, Json, at_least, at_most, show
from bench.support.hospital_tables import write
from model.definitions.features import definitions
from model.features.build import compute
from model.features.engines import engine

MEMORY_GB = 4
TIMES_FASTER = 10
LOOP_PATIENTS = 400
SMALLER = (0.1, 0.4)
"""Further sizes, as shares of the full one, that the lines of time over size are fitted to."""


@dataclass(frozen=True)
class Run:
    """One engine on one size."""

    encounters: int
    discharges: int
    seconds: float
    processor_seconds: float
    memory_gb: float


def measure(folder: Path, encounters: int, engine_name: str) -> Run:
    """Run one engine in a new process and return its time and memory."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(folder, encounters, engine_name, theirs))
    worker.start()
    theirs.close()
    try:
        run: Run = ours.recv()
    except EOFError:
        raise typer.Exit(1) from None
    finally:
        worker.join()
    return run


def _work(folder: Path, encounters: int, engine_name: str, answer: "multiprocessing.connection.Connection") -> None:
    with engine(engine_name) as runs:
        tables = runs.tables(folder)
        runs.fetch(tables["patient"].count().as_table())
        started, busy = time.perf_counter(), _processor_seconds()
        table, _ = compute(runs, tables, definitions())
        took, worked = time.perf_counter() - started, _processor_seconds() - busy
        memory = sum(_peak(process.pid) for process in [psutil.Process(), *psutil.Process().children(recursive=True)])
    answer.send(Run(encounters, table.num_rows, took, worked, memory))
    answer.close()


def _processor_seconds() -> float:
    """Return the processor time of this process and of its Java process."""
    own = psutil.Process()
    times = [process.cpu_times() for process in [own, *own.children(recursive=True)]]
    return sum(used.user + used.system for used in times)


def _peak(process: int) -> float:
    """Return the peak memory of a process so far, in GB; of the current process if that cannot be read."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1e6


def line(runs: list[Run]) -> tuple[float, float]:
    """Fit seconds = start + rate * encounters, with both parameters non-negative."""
    sizes = np.array([run.encounters for run in runs], dtype=float)
    took = np.array([run.seconds for run in runs])
    rate, start = np.polyfit(sizes, took, 1)
    return max(0.0, float(start)), max(1e-9, float(rate))


def pays_from(slow_start: tuple[float, float], quick_start: tuple[float, float]) -> float:
    """Return the size from which the first line is below the second; infinite if it never is."""
    gain = quick_start[1] - slow_start[1]
    return max(0.0, (slow_start[0] - quick_start[0]) / gain) if gain > 0 else float("inf")


def main(
    encounters: Annotated[int, typer.Option(min=1000, help="Encounters of the full run.")] = 1_000_000,
    spark_encounters: Annotated[
        int, typer.Option(min=0, help="Encounters of Spark's largest run; 0 skips it.")
    ] = 200_000,
    as_json: Json = False,
) -> None:
    """Measure the computation of features for a large hospital."""
    scratch = Path(tempfile.mkdtemp(prefix="bench-features-"))
    try:
        figures = _full(scratch, encounters)
        if spark_encounters:
            figures += _engines(scratch, spark_encounters)
    finally:
        shutil.rmtree(scratch)
    show("features", figures, as_json=as_json, about={"encounters": encounters, "spark_encounters": spark_encounters})


def _full(scratch: Path, encounters: int) -> list[Figure]:
    folder = scratch / "full"
    rows = write(folder, encounters)
    duckdb = measure(folder, encounters, "duckdb")
    looped, seconds = loop({name: pq.read_table(folder / name) for name in rows}, LOOP_PATIENTS)
    a_loop, a_query = seconds / looped, duckdb.seconds / encounters
    return [
        Figure("rows of all tables", sum(rows.values())),
        Figure("discharges", duckdb.discharges),
        Figure("DuckDB, all encounters", duckdb.seconds, "s"),
        Figure("DuckDB, processor", duckdb.processor_seconds, "s"),
        at_most("DuckDB, peak memory", duckdb.memory_gb, MEMORY_GB, "GB"),
        Figure("pandas loop, per encounter", a_loop * 1e6, "us"),
        Figure("DuckDB, per encounter", a_query * 1e6, "us"),
        at_least("times faster than the loop", a_loop / a_query, TIMES_FASTER),
    ]


def _engines(scratch: Path, encounters: int) -> list[Figure]:
    """Run both engines on the same tables of three sizes."""
    taken: dict[str, list[Run]] = {"duckdb": [], "spark": []}
    for share in (*SMALLER, 1.0):
        size = max(1000, int(encounters * share))
        folder = scratch / f"size-{size}"
        write(folder, size)
        for name, runs in taken.items():
            runs.append(measure(folder, size, name))
    lines = {name: line(runs) for name, runs in taken.items()}
    figures = [
        Figure(f"{name}, {run.encounters:,} encounters", run.seconds, "s")
        for name, runs in taken.items()
        for run in runs
    ]
    return [
        *figures,
        at_least("Spark's time over DuckDB's", taken["spark"][-1].seconds / taken["duckdb"][-1].seconds, 1),
        Figure("Spark faster from, by the fitted lines", pays_from(lines["spark"], lines["duckdb"]), "encounters"),
        Figure("DuckDB, a million more", lines["duckdb"][1] * 1e6, "s"),
        Figure("Spark, a million more", lines["spark"][1] * 1e6, "s"),
    ]


if __name__ == "__main__":
    typer.run(main)
