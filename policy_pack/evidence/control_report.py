"""The result of each control: its citations, its status, the resources that were evaluated, and its findings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy_pack.controls.rows import Control, table
from policy_pack.controls.rules import ANY, rules
from policy_pack.engine.evaluate import EXEMPTIONS, Evaluation, Result, Status
from policy_pack.evidence.frameworks import Requirements, requirements
from policy_pack.settings import Level, Settings
from policy_pack.stack.graph import STACK, Graph


class ControlStatus(StrEnum):
    """The status of a control, the worst first."""

    REFUSED = "refused"
    ADVISORY = "advisory"
    UNKNOWN = "not yet known"
    EXEMPT = "exempt"
    DECLARED = "declared only"
    COMPLIANT = "compliant"
    NOT_APPLICABLE = "not applicable"
    OFF = "off"


@dataclass(frozen=True)
class ControlFinding:
    """One finding: its status, the resource, the message, and the exemption that covers it."""

    status: str
    resource: str
    message: str
    exemption: str


@dataclass(frozen=True)
class ControlResult:
    """The result of one control.

    Parameters
    ----------
    id, title, severity, level, citations, specification
        The row of the control.
    status
        The status of the control.
    requirement
        The requirement on the stack.
    evaluated
        The number of resources that were evaluated, by kind, and the modules of the checks.
    findings
        The findings.
    remediation
        How to correct a violation.
    not_in_stack
        What the stack alone cannot show.
    requirements
        The requirements of other frameworks that it serves.
    """

    id: str
    title: str
    severity: str
    level: str
    citations: str
    specification: str
    status: ControlStatus
    requirement: str
    evaluated: str
    findings: tuple[ControlFinding, ...]
    remediation: str
    not_in_stack: str
    requirements: Requirements


def control_results(graph: Graph, evaluation: Evaluation, settings: Settings) -> list[ControlResult]:
    """Return the result of every control, in the order of the table."""
    by_control: dict[str, list[Result]] = {}
    for result in evaluation.results:
        by_control.setdefault(result.control, []).append(result)
    evaluated = _evaluated(graph)
    controls = table().rows.values()
    return [_result(control, by_control.get(control.id, []), evaluated[control.id], settings) for control in controls]


def exemption_violations(evaluation: Evaluation) -> list[str]:
    """Return the violations of exemptions themselves, such as one that has expired."""
    return [result.message for result in evaluation.results if result.control == EXEMPTIONS]


def control_counts(results: Sequence[ControlResult]) -> dict[str, int]:
    """Return the number of controls by status."""
    counts = Counter(result.status for result in results)
    return {status.value: counts[status] for status in ControlStatus}


def _result(
    control: Control, results: Sequence[Result], modules: Mapping[str, Counter[str]], settings: Settings
) -> ControlResult:
    kinds = {kind: number for counts in modules.values() for kind, number in counts.items() if number}
    return ControlResult(
        id=control.id,
        title=control.title,
        severity=str(control.severity),
        level=str(control.effective_level(settings)),
        citations=control.citation(settings),
        specification=control.specification,
        status=_status(control, results, bool(kinds), settings),
        requirement=control.check,
        evaluated=_evaluated_text(kinds, sorted(modules)),
        findings=tuple(_finding(result) for result in results),
        remediation=control.remediation,
        not_in_stack=control.not_in_stack,
        requirements=requirements(control.id),
    )


def _status(control: Control, results: Sequence[Result], applicable: bool, settings: Settings) -> ControlStatus:
    if control.effective_level(settings) is Level.OFF:
        return ControlStatus.OFF
    statuses = {result.status for result in results}
    for status in (Status.REFUSED, Status.ADVISORY, Status.UNKNOWN, Status.EXEMPT):
        if status in statuses:
            return ControlStatus(status.value)
    if not applicable:
        return ControlStatus.NOT_APPLICABLE
    return ControlStatus.DECLARED if control.not_in_stack else ControlStatus.COMPLIANT


def _evaluated(graph: Graph) -> dict[str, dict[str, Counter[str]]]:
    """Return for each control, by module, the number of resources of each kind that its checks evaluate."""
    by_control: dict[str, dict[str, Counter[str]]] = {control: {} for control in table().rows}
    for rule in rules():
        counts = by_control[rule.control].setdefault(rule.module.rpartition(".")[2], Counter())
        for kind in rule.kinds:
            number = len(graph) if kind == ANY else 1 if kind == STACK else len(graph.of(kind))
            counts[kind] = max(counts[kind], number)
    return by_control


def _evaluated_text(kinds: Mapping[str, int], modules: Sequence[str]) -> str:
    special = {STACK: "the stack as a whole", ANY: "every resource"}
    parts = [
        special.get(kind) or f"{number} {kind.rpartition('/')[2].rpartition(':')[2]}" for kind, number in kinds.items()
    ]
    text = ", ".join(sorted(parts)) or "no resource of these kinds in the stack"
    return f"{text} (policy_pack/controls/{', '.join(modules)}.py)"


def _finding(result: Result) -> ControlFinding:
    exemption = result.exemption
    text = ""
    if exemption:
        approval = f"approved by {exemption.approver} in {exemption.ticket}"
        text = f"until {exemption.expires}, owner {exemption.owner}, {approval}: {exemption.reason}"
    message = result.message + (f" [{result.path}]" if result.path else "")
    return ControlFinding(str(result.status), result.name, message, text)
