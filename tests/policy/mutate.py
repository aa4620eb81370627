"""Does a test fail when a control's logic goes? Take each finding out of the controls, one at a time, and see.

Each ``yield`` of a control module is one mutant: it is replaced by one that finds nothing, the module's controls are
entered anew, and every seed of these controls is planted again. A mutant that all seeds survive is logic that nothing
holds. Run as ``python -m tests.policy.mutate``; exit 1 when one survives.
"""

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from policy_pack import controls
from policy_pack.evaluate import Judge
from policy_pack.graph import Graph
from policy_pack.rules import Rule, entered, rules
from tests.policy import world
from tests.policy.cases import CASES
from tests.policy.judged import BROKEN, statuses
from tests.policy.seeds import SEEDS

FOLDER = Path(controls.__file__).parent


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
        yield Mutant(path.stem, target.lineno, " ".join(text.split())[:100], changed)


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
    file = str(FOLDER / f"{mutant.module}.py")
    return entered(lambda: exec(compile(mutant.tree, file, "exec"), {"__name__": name, "__file__": file}))


@cache
def planted(control: str) -> list[tuple[str, Graph]]:
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
        for _, graph in planted(control):
            if not statuses(judge.whole(graph), control) & BROKEN:
                return True
        for case in (case for case in CASES if case.control == control):
            told = {result.message for result in case.judge(held=(*others, *held))}
            if not all(any(words in message for message in told) for words in case.words):
                return True
    return False


def main(
    module: Annotated[list[str] | None, typer.Option(help="Modules of the controls; all unless given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take each finding out of the controls and report the mutants that nothing notices."""
    chosen = [path for path in sorted(FOLDER.glob("[!_]*.py")) if not module or path.stem in module]
    report = []
    for path in chosen:
        for mutant in mutants(path):
            dead = killed(mutant)
            report.append({"module": mutant.module, "line": mutant.line, "finding": mutant.text, "killed": dead})
            if not as_json and not dead:
                typer.echo(f"survives: {mutant.module}.py:{mutant.line} {mutant.text}")
        typer.echo(f"{path.stem}: done", err=True)
    alive = [entry for entry in report if not entry["killed"]]
    if as_json:
        typer.echo(json.dumps({"mutants": len(report), "killed": len(report) - len(alive), "survivors": alive}))
    else:
        typer.echo(f"{len(report)} mutants, {len(report) - len(alive)} killed, {len(alive)} survive.")
    raise typer.Exit(1 if alive else 0)


if __name__ == "__main__":
    typer.run(main)
