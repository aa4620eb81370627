"""Comparison of the policy pack with checkov on the same Kubernetes manifests, and on seeded violations.

Every finding of checkov that is in scope must also be found by the pack, on the same resource; otherwise the exit code
is 1. In the other direction, checkov scans the violations of the pack's own tests. AWS resources are neither manifests
nor CloudFormation or Terraform templates here, so checkov's AWS checks are not run.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.support.checkov import Failed, ScannerError, known, manifest, scan
from bench.support.figures import Json
from policy_pack.engine.evaluate import Evaluator
from policy_pack.settings import Settings
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Graph, Resource
from tests.policy import world
from tests.policy.changes.planting import own
from tests.policy.evaluation import BROKEN
from tests.policy.seeds import access, cluster
from tests.policy.seeds.seed import Seed

_STACKS = ("dev", "prod")
SEEDS = (*access.SEEDS, *cluster.SEEDS)


@dataclass(frozen=True)
class Compared:
    """One finding of checkov, and the pack's findings on the same resource.

    Parameters
    ----------
    where
        The stack, or the seed that was planted.
    resource
        The resource.
    check, title
        What checkov found.
    controls
        The pack's controls that found it too.
    why
        Why no control asks it.
    """

    where: str
    resource: str
    check: str
    title: str
    controls: tuple[str, ...]
    why: str

    @property
    def missed(self) -> bool:
        """Whether it is in scope and missed by the pack."""
        return not self.controls and not self.why


@dataclass(frozen=True)
class Mutants:
    """Seeded violations found by the pack and by checkov."""

    planted: int
    pack: int
    checkov: int
    invisible: int
    compared: tuple[Compared, ...]


@dataclass(frozen=True)
class _Judged:
    graph: Graph
    settings: Settings
    addresses: Addresses | None

    def says(self, control: str, urn: str = "") -> bool:
        """Return whether a control has a finding, optionally on one resource."""
        evaluator = Evaluator(self.settings, self.addresses, controls=(control,))
        findings = evaluator.evaluate_stack(Graph(self.graph.resources, self.graph.stack))
        return any(result.status in BROKEN and (not urn or result.urn == urn) for result in findings)

    def compare(self, where: str, resource: Resource, failed: Failed) -> Compared:
        """Compare a finding of checkov with the pack."""
        asked = known().controls(failed.check)
        reporting = tuple(control for control in asked if self.says(control, resource.urn))
        why = "" if asked else known().why(failed.check)
        return Compared(where, resource.name, failed.check, failed.title, reporting, why)


def stack(name: str, folder: Path) -> list[Compared]:
    """Compare the findings on one of the program's stacks."""
    known_as = own(name, folder)
    judged = _Judged(known_as.graph, known_as.settings, known_as.addresses)
    resources = list(known_as.graph.resources)
    failures = scan(resources, folder / "manifests")
    return [
        judged.compare(name, resources[position], failed)
        for position, every in sorted(failures.items())
        for failed in sorted(every, key=lambda one: one.check)
    ]


def _planted() -> Iterator[tuple[Seed, Resource | None, Resource, Graph]]:
    """Return each seed with the resource before and after, and its stack; seeds without a manifest are skipped."""
    resources = list(world.resources())
    for seed in SEEDS:
        _, graph = next(seed.broken(resources))
        old = None if seed.add else seed.targets(resources)[0]
        new = seed.add or (graph.get(old.urn) if old else None)
        if new is not None and manifest(new) is not None:
            yield seed, old, new, graph


def mutants(folder: Path) -> Mutants:
    """Apply the Kubernetes seeds and scan each changed manifest with checkov, and the original one."""
    every = list(_planted())
    gone = [seed for seed in SEEDS if seed.drop and seed.kind.startswith("k8s:")]
    before = scan([old or new for _, old, new, _ in every], folder / "before")
    after = scan([new for _, _, new, _ in every], folder / "after")
    compared: list[Compared] = []
    noticed = pack = 0
    for position, (seed, old, new, graph) in enumerate(every):
        judged = _Judged(graph, world.settings(), world.ADDRESSES)
        pack += judged.says(seed.control)
        fresh = after.get(position, set()) - (before.get(position, set()) if old else set())
        noticed += bool(fresh)
        compared += [judged.compare(seed.title, new, failed) for failed in sorted(fresh, key=lambda one: one.check)]
    return Mutants(len(every), pack, noticed, len(gone), tuple(compared))


def _rows(compared: list[Compared]) -> Iterator[tuple[str, ...]]:
    """Return a row for each check and stack, with the number of failures."""
    places = {(one.check, "mutants" if one.where not in _STACKS else one.where): one for one in compared}
    for (check, place), one in sorted(places.items()):
        mine = [c for c in compared if c.check == check and (c.where == place or place == "mutants")]
        ours = ", ".join(sorted({control for c in mine for control in c.controls}))
        missed = [c.resource for c in mine if c.missed]
        yield place, check, one.title, str(len(mine)), f"missed on {', '.join(missed)}" if missed else ours or one.why


def _show(stacks: dict[str, list[Compared]], planted: Mutants) -> None:
    console = Console()
    seeded = [one for every in stacks.values() for one in every]
    heads = ("where", "check", "checkov's finding", "count", "the pack's controls, or the reason for none")
    shown = Table(*heads, title=f"checkov {known().checkov} and the pack", title_justify="left")
    for row in _rows([*seeded, *planted.compared]):
        shown.add_row(*row)
    console.print(shown)
    for name, every in stacks.items():
        console.print(f"Stack {name}: {len(every)} findings of checkov.", highlight=False)
    console.print(
        f"Seeded violations that change a manifest: {planted.planted}. The pack finds {planted.pack}, checkov "
        f"{planted.checkov}. {planted.invisible} more take a whole object away, which no check of a manifest sees.",
        highlight=False,
    )
    console.print("Not compared: AWS and Vault resources, which are not manifests, and charts, which are not rendered.")


def main(as_json: Json = False, stacks: Annotated[list[str] | None, typer.Option("--stack")] = None) -> None:
    """Run both on the same manifests and report what only one of them finds."""
    try:
        with tempfile.TemporaryDirectory() as root:
            compared: dict[str, list[Compared]] = {}
            for name in stacks or _STACKS:
                (Path(root) / name).mkdir()
                compared[name] = stack(name, Path(root) / name)
            planted = mutants(Path(root) / "mutants")
    except ScannerError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    missed = [one for every in (*compared.values(), planted.compared) for one in every if one.missed]
    if as_json:
        report: dict[str, Any] = {
            "checkov": known().checkov,
            "stacks": {name: [asdict(one) for one in every] for name, every in compared.items()},
            "mutants": asdict(planted),
            "missed": [asdict(one) for one in missed],
        }
        typer.echo(json.dumps(report, sort_keys=True))
    else:
        _show(compared, planted)
    raise typer.Exit(1 if missed or planted.pack < planted.planted else 0)


if __name__ == "__main__":
    typer.run(main)
