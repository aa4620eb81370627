"""Mutation tests of the controls, and of the safeguards of the program's stacks.

Each ``yield`` of a control module is a mutant: it is replaced by one without findings, the checks of the module are
registered again, and the seeds of its controls are evaluated. A mutant that survives is logic without a test. Then each
seed that fits is planted in the program's own stacks, one change at a time.
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
from policy_pack.controls.rules import Rule, registered_by, rules
from policy_pack.engine.evaluate import Evaluator
from policy_pack.stack.graph import Graph
from tests.policy import world
from tests.policy.cases import CASES
from tests.policy.changes.planting import Outcome, Planted, own, planted
from tests.policy.evaluation import BROKEN, statuses
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
    """Return the family and name of a control module, such as ``data.encryption``."""
    return ".".join(path.relative_to(FOLDER).with_suffix("").parts)


def mutants(path: Path) -> Iterator[Mutant]:
    """Return every mutant of a control module; findings for unknown values are held by the unit tests."""
    source = path.read_text(encoding="utf-8")
    count = sum(_finds(node) for node in ast.walk(ast.parse(source)))
    for position in range(count):
        tree = ast.parse(source)
        target = [node for node in ast.walk(tree) if _finds(node)][position]
        if not isinstance(target, ast.Yield | ast.YieldFrom):
            raise TypeError("only findings are removed")
        text = ast.get_source_segment(source, target) or ""
        changed = ast.fix_missing_locations(_Silence(target).visit(tree))
        yield Mutant(_dotted(path), target.lineno, " ".join(text.split())[:100], changed)


def _finds(node: ast.AST) -> bool:
    """Return whether a node yields a finding, and not one for an unknown value."""
    if not isinstance(node, ast.Yield | ast.YieldFrom) or node.value is None:
        return False
    called = node.value.func if isinstance(node.value, ast.Call) else None
    if isinstance(called, ast.Name):
        return called.id not in ("not_yet_known",)
    return isinstance(node.value, ast.Call)


def mutated(mutant: Mutant) -> tuple[Rule, ...]:
    """Return the rules that a changed module registers."""
    name = f"{controls.__name__}.{mutant.module}"
    file = str(FOLDER / f"{mutant.module.replace('.', '/')}.py")
    return registered_by(lambda: exec(compile(mutant.tree, file, "exec"), {"__name__": name, "__file__": file}))


@cache
def seeded(control: str) -> list[tuple[str, Graph]]:
    """Return the stacks of a control's seeds: the first and the last resource that each fits."""
    found = []
    for seed in (seed for seed in SEEDS if seed.control == control):
        broken = list(seed.broken(list(world.resources())))
        found += [(seed.title, graph) for _, graph in (broken[0], broken[-1])]
    return found


def killed(mutant: Mutant) -> bool:
    """Return whether a seed is no longer caught, or has fewer messages than its case requires."""
    changed_rules = mutated(mutant)
    whole = f"{controls.__name__}.{mutant.module}"
    others = [rule for rule in rules() if rule.module != whole]
    for control in sorted({rule.control for rule in changed_rules}):
        evaluator = Evaluator(
            world.settings(), world.ADDRESSES, controls=(control,), rule_set=(*others, *changed_rules)
        )
        for _, graph in seeded(control):
            if not statuses(evaluator.evaluate_stack(graph), control) & BROKEN:
                return True
        for case in (case for case in CASES if case.control == control):
            messages = {result.message for result in case.evaluate(rule_set=(*others, *changed_rules))}
            if not all(any(text in message for message in messages) for text in case.messages):
                return True
    return False


def logic(modules: list[str] | None) -> list[dict[str, Any]]:
    """Return the outcome of every removed finding."""
    report = []
    for path in sorted(FOLDER.glob("*/[!_]*.py")):
        if modules and _dotted(path) not in modules:
            continue
        for mutant in mutants(path):
            messages = {"module": mutant.module, "line": mutant.line, "finding": mutant.text}
            report.append({**messages, "killed": killed(mutant)})
        typer.echo(f"{_dotted(path)}: done", err=True)
    return report


def stacks() -> list[Planted]:
    """Return the outcome of every change of the program's own stacks."""
    report: list[Planted] = []
    for name in STACKS:
        with tempfile.TemporaryDirectory() as root:
            report += planted(own(name, Path(root)))
        typer.echo(f"stack {name}: done", err=True)
    return report


def _show(removed: list[dict[str, Any]], changes: list[Planted]) -> None:
    console = Console()
    table = Table("module", "findings removed", "noticed", title="Mutants of the controls", title_justify="left")
    for module in dict.fromkeys(entry["module"] for entry in removed):
        mine = [entry for entry in removed if entry["module"] == module]
        table.add_row(module, str(len(mine)), str(sum(entry["killed"] for entry in mine)))
    console.print(table)
    heads = ("stack", "provider", "changes", *(outcome.value for outcome in Outcome))
    table = Table(*heads, title="Single changes of the program's stacks", title_justify="left")
    for stack, package in dict.fromkeys((change.stack, change.package) for change in changes):
        outcomes = Counter(c.outcome for c in changes if (c.stack, c.package) == (stack, package))
        counts = (outcomes.total(), *(outcomes[outcome] for outcome in Outcome))
        table.add_row(stack, package, *map(str, counts))
    console.print(table)
    for entry in removed:
        if not entry["killed"]:
            console.print(f"survives: {entry['module']}.py:{entry['line']} {entry['finding']}", markup=False)
    for change in changes:
        if change.outcome is Outcome.SURVIVES:
            console.print(f"survives: {change.stack} {change.title} of {change.resource}", markup=False)


def main(
    module: Annotated[
        list[str] | None, typer.Option(help="Only these control modules, and no stacks; by default everything.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Remove findings from the controls and safeguards from the stacks, and report what no test detects."""
    removed = logic(module)
    changes = [] if module else stacks()
    survivors_of_logic = [entry for entry in removed if not entry["killed"]]
    survivors = [change for change in changes if change.outcome is Outcome.SURVIVES]
    if as_json:
        counts = {outcome.value: sum(c.outcome is outcome for c in changes) for outcome in Outcome}
        messages = {
            "logic": {
                "mutants": len(removed),
                "killed": len(removed) - len(survivors_of_logic),
                "survivors": survivors_of_logic,
            },
            "stacks": {"changes": len(changes), **counts, "survivors": [asdict(change) for change in survivors]},
        }
        typer.echo(json.dumps(messages, sort_keys=True))
    else:
        _show(removed, changes)
    raise typer.Exit(1 if survivors_of_logic or survivors else 0)


if __name__ == "__main__":
    typer.run(main)
