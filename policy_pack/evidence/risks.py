"""The risk assessment: the controls that mitigate each risk, their status, and the questions for the hospital."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.evidence.control_report import ControlResult, ControlStatus

TABLE = Path(__file__).with_name("risks.yaml")
_SEVERITIES = ("critical", "high", "medium", "low")
_OPEN = (ControlStatus.REFUSED, ControlStatus.ADVISORY, ControlStatus.UNKNOWN)


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class RiskRow:
    """A risk in the table."""

    id: str
    risk: str
    impact: str
    controls: tuple[str, ...]
    question: str


@dataclass(frozen=True)
class Risk:
    """A risk of this stack.

    Parameters
    ----------
    id, risk, impact, question
        The row of the risk, with the question that only the hospital can answer.
    severity
        The highest severity of its controls.
    compliant, open, exempt, declared, not_applicable
        Its controls by status.
    treatment
        The state of treatment, in a sentence.
    """

    id: str
    risk: str
    impact: str
    severity: str
    compliant: tuple[str, ...]
    open: tuple[str, ...]
    exempt: tuple[str, ...]
    declared: tuple[str, ...]
    not_applicable: tuple[str, ...]
    treatment: str
    question: str


@cache
def risk_table() -> tuple[RiskRow, ...]:
    """Return the table of risks."""
    return tables.read(TypeAdapter(tuple[RiskRow, ...]).validate_python, TABLE)


def risks(results: Sequence[ControlResult]) -> list[Risk]:
    """Return every risk with the status of its controls."""
    by_id = {result.id: result for result in results}
    return [_risk(row, [by_id[name] for name in row.controls]) for row in risk_table()]


def _risk(row: RiskRow, results: Sequence[ControlResult]) -> Risk:
    def with_status(*statuses: ControlStatus) -> tuple[str, ...]:
        return tuple(result.id for result in results if result.status in statuses)

    open_controls = with_status(*_OPEN)
    exempt, declared = with_status(ControlStatus.EXEMPT), with_status(ControlStatus.DECLARED)
    if open_controls:
        treatment = f"Open: {', '.join(open_controls)} must be corrected before this risk is treated."
    elif exempt:
        treatment = f"Accepted in part: {', '.join(exempt)} is exempt; see the owner and the expiry date."
    elif declared:
        treatment = f"Treated by the stack; {', '.join(declared)} requires evidence from people."
    else:
        treatment = "Treated by the stack."
    return Risk(
        id=row.id,
        risk=row.risk,
        impact=row.impact,
        severity=min((result.severity for result in results), key=_SEVERITIES.index),
        compliant=with_status(ControlStatus.COMPLIANT),
        open=open_controls,
        exempt=exempt,
        declared=declared,
        not_applicable=with_status(ControlStatus.NOT_APPLICABLE, ControlStatus.OFF),
        treatment=treatment,
        question=row.question,
    )
