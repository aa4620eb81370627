"""Benchmark of `pulumi preview` of production by number of hospitals, against as many plain resources."""

import copy
import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import urlsplit

import psutil
import typer
import yaml

from bench.support.curves import Png, draw
from bench.support.figures import Figure, Json, at_most, show
from bench.support.samples import REPOSITORY

FLOOR = REPOSITORY / "bench" / "floor"
_HOSPITALS = "healthcare-mlops:hospitals"
_START_GOAL = 10.0
_SECONDS_A_RESOURCE = 0.25 / 60
_APPLIED_GOAL = 2.0
# Otherwise the engine writes the whole state after each resource, which takes hours for thousands of them.
_SAVED_ONCE = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}


@dataclass(frozen=True)
class Measurement:
    """One run of the engine: wall time, processor time (seconds) and peak memory (MiB) of all its processes."""

    resources: int
    wall: float
    cpu: float
    memory: float


def configuration(hospitals: int) -> dict[str, Any]:
    """Return the configuration of production, with the environment's Vault and copies of its first hospital."""
    written: dict[str, Any] = yaml.safe_load((REPOSITORY / "Pulumi.prod.yaml").read_text(encoding="utf-8"))
    config = written["config"]
    vault = os.environ["VAULT_ADDR"]
    config["healthcare-mlops:endpoints"]["vault"] = {"url": vault, "network": f"{urlsplit(vault).hostname}/32"}
    first = config[_HOSPITALS][0]
    entries = []
    for number in range(hospitals):
        entry = copy.deepcopy(first)
        entry["name"] = f"hospital{number}"
        entry["network"] = f"10.{60 + number // 200}.{number % 200}.0/24"
        entries.append(entry)
    config[_HOSPITALS] = entries
    return written


class Bench:
    """The Pulumi CLI with a separate backend."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        own = {
            "PULUMI_BACKEND_URL": f"file://{scratch}",
            "PULUMI_CONFIG_PASSPHRASE": "bench",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        kept = {name: value for name, value in os.environ.items() if name != "PULUMI_CONFIG_PASSPHRASE_FILE"}
        self.environment = {**kept, **own}

    def stack(self, name: str, project: Path, written: Mapping[str, Any]) -> tuple[str, ...]:
        """Create a stack with this configuration; return the arguments that select it."""
        folder = self.scratch / name
        folder.mkdir()
        # The salt is written next to the project file; the project's own folder is not changed.
        described = yaml.safe_load((project / "Pulumi.yaml").read_text(encoding="utf-8"))
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump({k: described[k] for k in ("name", "runtime")}))
        file = folder / f"Pulumi.{name}.yaml"
        file.write_text(yaml.safe_dump(dict(written)))
        self._run(folder, "stack", "init", name)
        return ("--stack", name, "--config-file", str(file))

    def _run(self, project: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"pulumi {arguments[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        return done.stdout

    def timed(self, project: Path, *arguments: str, more: Mapping[str, str] | None = None) -> Measurement:
        """Run the CLI, with optional further variables, and return time and memory of it and its children."""
        command = ["pulumi", "--non-interactive", *arguments, "--json"]
        environment = {**self.environment, **(more or {})}
        before, began = os.times(), time.perf_counter()
        with subprocess.Popen(
            command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            watcher = _Memory(process.pid)
            watcher.start()
            output, errors = process.communicate()
            watcher.ended.set()
            watcher.join()
        wall, after = time.perf_counter() - began, os.times()
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{_errors(output)}{errors[-2000:]}")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Measurement(_resources(output), wall, cpu, watcher.most / 2**20)


class _Memory(threading.Thread):
    """Peak memory of a process and its descendants, sampled a few times per second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.most, self.ended, self._pid = 0, threading.Event(), pid

    def run(self) -> None:
        while not self.ended.wait(0.2):
            with suppress(psutil.Error):
                top = psutil.Process(self._pid)
                self.most = max(self.most, sum(_resident(each) for each in (top, *top.children(recursive=True))))


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _resources(output: str) -> int:
    """Return the number of resources in the engine's JSON: a preview's object, or the events of an update."""
    last = output.rstrip().rpartition("\n")[2]
    if last == "}":
        changes = json.loads(output[output.index("{") :])["changeSummary"]
    else:
        events = (json.loads(line) for line in output.splitlines() if '"summaryEvent"' in line)
        changes = next(events)["summaryEvent"]["resourceChanges"]
    return sum(changes.values())


def _errors(output: str) -> str:
    return "\n".join(line[:1000] for line in output.splitlines() if '"severity":"error"' in line) or output[-3000:]


def slope(points: list[tuple[float, float]]) -> float:
    """Return the least-squares slope of the points."""
    middle = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread


def main(
    hospitals: Annotated[list[int] | None, typer.Option(help="Number of hospitals; may be repeated.")] = None,
    applied: Annotated[
        int, typer.Option(help="Hospitals to deploy to the running emulators before timing an update without changes.")
    ] = 0,
    png: Png = None,
    as_json: Json = False,
) -> None:
    """Time previews of production from an empty state. The environment must be running, with its variables set."""
    if "VAULT_ADDR" not in os.environ:
        raise SystemExit('The variables of the environment are not set: run `make up`, then eval "$(make -s env)".')
    sizes = sorted(hospitals or [1, 2, 10, 25, 50, 100])
    taken: dict[int, Measurement] = {}
    floor: dict[int, Measurement] = {}
    figures: list[Figure] = []
    with TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        for size in sizes:
            named = bench.stack(f"prod{size}", REPOSITORY, configuration(size))
            taken[size] = bench.timed(REPOSITORY, "preview", *named)
            config = {"config": {"floor:resources": str(taken[size].resources), "aws:region": "us-east-1"}}
            plain = bench.stack(f"floor{size}", FLOOR, config)
            floor[size] = bench.timed(FLOOR, "preview", *plain)
            figures += _figures(size, taken[size], floor[size])
        figures += _growth(taken)
        if applied:
            named = bench.stack("applied", REPOSITORY, configuration(applied))
            figures += _applied(bench, applied, named)
    if png:
        lines = {
            "preview": [(t.resources, t.wall) for t in taken.values()],
            "as many plain resources": [(t.resources, t.wall) for t in floor.values()],
        }
        draw(png, "pulumi preview of production", "resources", "seconds", lines)
    show("preview", figures, as_json=as_json, about={"clock": "wall seconds; processor seconds of all processes"})


def _figures(size: int, taken: Measurement, floor: Measurement) -> list[Figure]:
    name = f"{size} hospital{'s' if size > 1 else ''} ({taken.resources:,} resources)"
    goal = at_most(f"{name}, start and preview", taken.wall, _START_GOAL, "s") if size == 1 else None
    return [
        goal or Figure(f"{name}, preview", taken.wall, "s"),
        Figure(f"{name}, processor", taken.cpu, "s"),
        Figure(f"{name}, memory of all processes", taken.memory, "MiB"),
        Figure(f"{name}, of as many plain resources", taken.wall / floor.wall, "times"),
    ]


def _growth(taken: Mapping[int, Measurement]) -> list[Figure]:
    if len(taken) < 2:
        return []
    by_hospital = slope([(size, t.wall) for size, t in taken.items()])
    resources = slope([(size, t.resources) for size, t in taken.items()])
    memory = slope([(size, t.memory) for size, t in taken.items()])
    return [
        at_most(
            f"each further hospital of {resources:.0f} resources",
            by_hospital,
            round(resources * _SECONDS_A_RESOURCE, 3),
            "s",
        ),
        Figure("each further hospital, memory", memory, "MiB"),
    ]


def _applied(bench: Bench, hospitals: int, named: tuple[str, ...]) -> list[Figure]:
    """Deploy to an empty environment, then time a preview and an update without changes."""
    applied = bench.timed(REPOSITORY, "up", *named, "--yes", "--skip-preview", more=_SAVED_ONCE)
    previewed = bench.timed(REPOSITORY, "preview", *named)
    settled = bench.timed(REPOSITORY, "up", *named, "--yes", "--skip-preview")
    name = f"{hospitals} hospitals ({applied.resources:,} resources)"
    return [
        Figure(f"{name}, applied from nothing", applied.wall, "s"),
        Figure(f"{name}, preview without changes", previewed.wall, "s"),
        at_most(
            f"{name}, update without changes over its preview", settled.wall / previewed.wall, _APPLIED_GOAL, "times"
        ),
    ]


if __name__ == "__main__":
    typer.run(main)
