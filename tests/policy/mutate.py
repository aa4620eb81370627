"""Does a test fail when the logic of a control goes, and a control speak when a safeguard of a stack does? Try each.

Each ``yield`` of a control module is one mutant: it is replaced by one that finds nothing, the module's controls are
entered anew, and every seed of these controls is planted again. A mutant that all seeds survive is logic that nothing
holds. Then every seed that fits is planted in the program's own stacks, one change at a time.
Run as ``python -m tests.policy.mutate``; exit 1 when one survives.
"""

import ast
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from policy_pack import controls
from policy_pack.controls.rules import Rule, entered, rules
from policy_pack.engine.evaluate import Judge
from policy_pack.stack.graph import Graph
from tests.policy import world
from tests.policy.cases import CASES
from tests.policy.judged import BROKEN, statuses
from tests.policy.planting import Outcome, Planted, own, planted
from tests.policy.seeds import SEEDS

FOLDER = Path(controls.__file__).parent
STACKS = ("dev", "prod")


@dataclass(frozen=True)
class Mutant:
    """A module without one of its findings."""

    module: str
    line: int
    text: str
    tree: ast.Module


class _Silence(ast.NodeTransformer):
    """Replace one ``yield`` by one that yields nothing."""

    def __init__(self, target: ast.expr) -> None:
        self._target = target

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if node is self._target:
            return ast.copy_location(ast.YieldFrom(ast.Tuple([], ast.Load())), node)
        return super().generic_visit(node)


def _dotted(path: Path) -> str:
    """Return a control module by its family and name, such as ``data.encryption``."""
    return ".".join(path.relative_to(FOLDER).with_suffix("").parts)


def mutants(path: Path) -> Iterator[Mutant]:
    """Return every mutant of a control module; what is not known yet is held by the unit tests."""
    source = path.read_text(encoding="utf-8")
    count = sum(_finds(node) for node in ast.walk(ast.parse(source)))
    for position in range(count):
        tree = ast.parse(source)
        target = [node for node in ast.walk(tree) if _finds(node)][position]
        if not isinstance(target, ast.Yield | ast.YieldFrom):
            raise TypeError("only findings are taken out")
        text = ast.get_source_segment(source, target) or ""
        changed = ast.fix_missing_locations(_Silence(target).visit(tree))
        yield Mutant(_dotted(path), target.lineno, " ".join(text.split())[:100], changed)


def _finds(node: ast.AST) -> bool:
    """Return whether a node yields a finding, and not one that only waits for a value."""
    if not isinstance(node, ast.Yield | ast.YieldFrom) or node.value is None:
        return False
    called = node.value.func if isinstance(node.value, ast.Call) else None
    if isinstance(called, ast.Name):
        return called.id not in ("later", "Edge", "Node", "Home")
    return isinstance(node.value, ast.Call)


def mutated(mutant: Mutant) -> tuple[Rule, ...]:
    """Return the rules that a changed module enters."""
    name = f"{controls.__name__}.{mutant.module}"
    file = str(FOLDER / f"{mutant.module.replace('.', '/')}.py")
    return entered(lambda: exec(compile(mutant.tree, file, "exec"), {"__name__": name, "__file__": file}))


@cache
def seeded(control: str) -> list[tuple[str, Graph]]:
    """Return the stacks of a control's seeds: the first and the last resource that each can break."""
    found = []
    for seed in (seed for seed in SEEDS if seed.control == control):
        broken = list(seed.broken(list(world.resources())))
        found += [(seed.title, graph) for _, graph in (broken[0], broken[-1])]
    return found


def killed(mutant: Mutant) -> bool:
    """Return whether some seed is no longer caught, or tells less than its test asks for."""
    held = mutated(mutant)
    whole = f"{controls.__name__}.{mutant.module}"
    others = [rule for rule in rules() if rule.module != whole]
    for control in sorted({rule.control for rule in held}):
        judge = Judge(world.settings(), world.ADDRESSES, only=(control,), among=(*others, *held))
        for _, graph in seeded(control):
            if not statuses(judge.whole(graph), control) & BROKEN:
                return True
        for case in (case for case in CASES if case.control == control):
            told = {result.message for result in case.judge(held=(*others, *held))}
            if not all(any(words in message for message in told) for words in case.words):
                return True
    return False


def logic(modules: list[str] | None) -> list[dict[str, Any]]:
    """Return what became of every finding that was taken out."""
    report = []
    for path in sorted(FOLDER.glob("*/[!_]*.py")):
        if modules and _dotted(path) not in modules:
            continue
        for mutant in mutants(path):
            told = {"module": mutant.module, "line": mutant.line, "finding": mutant.text}
            report.append({**told, "killed": killed(mutant)})
        typer.echo(f"{_dotted(path)}: done", err=True)
    return report


def stacks() -> list[Planted]:
    """Return what became of every change of the program's own stacks."""
    report: list[Planted] = []
    for name in STACKS:
        with tempfile.TemporaryDirectory() as root:
            report += planted(own(name, Path(root)))
        typer.echo(f"stack {name}: done", err=True)
    return report


def _show(taken: list[dict[str, Any]], changes: list[Planted]) -> None:
    console = Console()
    table = Table("module", "findings taken out", "noticed", title="The controls' logic", title_justify="left")
    for module in dict.fromkeys(entry["module"] for entry in taken):
        mine = [entry for entry in taken if entry["module"] == module]
        table.add_row(module, str(len(mine)), str(sum(entry["killed"] for entry in mine)))
    console.print(table)
    heads = ("stack", "provider", "changes", *(outcome.value for outcome in Outcome))
    table = Table(*heads, title="Single changes of the program's stacks", title_justify="left")
    for stack, package in dict.fromkeys((change.stack, change.package) for change in changes):
        outcomes = Counter(c.outcome for c in changes if (c.stack, c.package) == (stack, package))
        counts = (outcomes.total(), *(outcomes[outcome] for outcome in Outcome))
        table.add_row(stack, package, *map(str, counts))
    console.print(table)
    for entry in taken:
        if not entry["killed"]:
            console.print(f"survives: {entry['module']}.py:{entry['line']} {entry['finding']}", markup=False)
    for change in changes:
        if change.outcome is Outcome.SURVIVES:
            console.print(f"survives: {change.stack} {change.title} of {change.resource}", markup=False)


def main(
    module: Annotated[
        list[str] | None, typer.Option(help="Modules of the controls, and no stacks; everything unless given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take findings out of the controls and safeguards out of the stacks, and report what nothing notices."""
    taken = logic(module)
    changes = [] if module else stacks()
    alive = [entry for entry in taken if not entry["killed"]]
    survivors = [change for change in changes if change.outcome is Outcome.SURVIVES]
    if as_json:
        counts = {outcome.value: sum(c.outcome is outcome for c in changes) for outcome in Outcome}
        told = {
            "logic": {"mutants": len(taken), "killed": len(taken) - len(alive), "survivors": alive},
            "stacks": {"changes": len(changes), **counts, "survivors": [asdict(change) for change in survivors]},
        }
        typer.echo(json.dumps(told, sort_keys=True))
    else:
        _show(taken, changes)
    raise typer.Exit(1 if alive or survivors else 0)


if __name__ == "__main__":
    typer.run(main)
