"""Each control with its paragraphs, how it stands, what it looked at, and what people must show besides."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy_pack.controls.rows import Row, table
from policy_pack.controls.rules import ANY, rules
from policy_pack.engine.evaluate import EXEMPTIONS, Result, Status, Verdict
from policy_pack.settings import Level, Settings
from policy_pack.stack.graph import STACK, Graph


class Standing(StrEnum):
    """How a control stands, the worst first."""

    REFUSED = "refused"
    ADVISED = "advised"
    LATER = "not yet known"
    EXEMPT = "exempt"
    DECLARED = "declared only"
    HELD = "held"
    ABSENT = "no subject"
    OFF = "off"


@dataclass(frozen=True)
class Finding:
    """One finding: how it weighs, the resource, what is wrong, and the exemption that covers it."""

    status: str
    resource: str
    message: str
    exemption: str


@dataclass(frozen=True)
class Control:
    """One control as the report shows it.

    Parameters
    ----------
    id, title, severity, level, cites, specification
        The row of the control.
    standing
        How it stands.
    asks
        What is asked of the stack.
    looked_at
        The resources that its functions looked at, by kind, and the module that has them.
    findings
        What was found.
    remediation
        How to mend a violation.
    besides
        What the stack alone cannot show.
    """

    id: str
    title: str
    severity: str
    level: str
    cites: str
    specification: str
    standing: Standing
    asks: str
    looked_at: str
    findings: tuple[Finding, ...]
    remediation: str
    besides: str


def controls(graph: Graph, found: Verdict, settings: Settings) -> list[Control]:
    """Return every control of the pack, by id."""
    by_control: dict[str, list[Result]] = {}
    for result in found.results:
        by_control.setdefault(result.control, []).append(result)
    looks = _looks(graph)
    return [_control(row, by_control.get(row.id, []), looks[row.id], settings) for row in table().rows.values()]


def exemptions_at_fault(found: Verdict) -> list[str]:
    """Return what is wrong with the exemptions themselves."""
    return [result.message for result in found.results if result.control == EXEMPTIONS]


def counts(reported: Sequence[Control]) -> dict[str, int]:
    """Return how many controls stand how."""
    counted = Counter(control.standing for control in reported)
    return {standing.value: counted[standing] for standing in Standing}


def _control(row: Row, results: Sequence[Result], look: Mapping[str, Counter[str]], settings: Settings) -> Control:
    seen = {kind: number for kinds in look.values() for kind, number in kinds.items() if number}
    return Control(
        id=row.id,
        title=row.title,
        severity=str(row.severity),
        level=str(row.held(settings)),
        cites=row.citation(settings),
        specification=row.specification,
        standing=_standing(row, results, bool(seen), settings),
        asks=row.check,
        looked_at=_told(seen, sorted(look)),
        findings=tuple(_finding(result) for result in results),
        remediation=row.remediation,
        besides=row.evidence,
    )


def _standing(row: Row, results: Sequence[Result], seen: bool, settings: Settings) -> Standing:
    if row.held(settings) is Level.OFF:
        return Standing.OFF
    worst = {result.status for result in results}
    for status in (Status.REFUSED, Status.ADVISED, Status.LATER, Status.EXEMPT):
        if status in worst:
            return Standing(status.value)
    if not seen:
        return Standing.ABSENT
    return Standing.DECLARED if row.evidence else Standing.HELD


def _looks(graph: Graph) -> dict[str, dict[str, Counter[str]]]:
    """Return for each control, by module, how many resources of which kind its functions look at."""
    found: dict[str, dict[str, Counter[str]]] = {row: {} for row in table().rows}
    for rule in rules():
        counted = found[rule.control].setdefault(rule.module.rpartition(".")[2], Counter())
        for kind in rule.kinds:
            number = len(graph) if kind == ANY else 1 if kind == STACK else len(graph.of(kind))
            counted[kind] = max(counted[kind], number)
    return found


def _told(seen: Mapping[str, int], modules: Sequence[str]) -> str:
    words = {STACK: "the stack as a whole", ANY: "every resource"}
    parts = [
        words.get(kind) or f"{number} {kind.rpartition('/')[2].rpartition(':')[2]}" for kind, number in seen.items()
    ]
    looked = ", ".join(sorted(parts)) or "nothing of its kinds is in the stack"
    return f"{looked} (policy_pack/controls/{', '.join(modules)}.py)"


def _finding(result: Result) -> Finding:
    given = result.exemption
    leave = f"until {given.expires} by {given.owner}: {given.reason}" if given else ""
    message = result.message + (f" [{result.path}]" if result.path else "")
    return Finding(str(result.status), result.name, message, leave)
