"""Verdict of one gate, and of all gates: the reasons for a refusal, and the warnings."""

from collections.abc import Iterable

from model.errors import GateError
from model.gates.row import Row


class Verdict(Row):
    """Verdict of a gate.

    Attributes
    ----------
    judged
        False when the gate was not asked: it neither passes nor refuses anything.
    value
        The figure; nothing when it could not be computed or is no number.
    low, high
        Its 95 % interval, where the gate judges one.
    found
        What was found, where the value does not say it.
    missed_by
        How far the figure is from what was demanded; nothing when it passed or is no number.
    warning
        What a person should know of a gate that passed.
    """

    name: str
    passed: bool
    judged: bool = True
    value: float | None = None
    low: float | None = None
    high: float | None = None
    found: str = ""
    demand: str
    missed_by: float | None = None
    warning: str = ""
    why: str = ""

    @property
    def shown(self) -> str:
        """Measured value, as text."""
        return self.found or ("unknown" if self.value is None else f"{self.value:.4g}")

    @property
    def outcome(self) -> str:
        """Result, as text."""
        if not self.judged:
            return "not judged"
        return ("passed with a warning" if self.warning else "passed") if self.passed else "refused"


def refusal(judged: Iterable[Verdict]) -> str | None:
    """Return what refuses, each with its demand and by how much it was missed, or nothing when all passed."""
    missed = [
        f"{verdict.name} is {verdict.shown}, not {verdict.demand}"
        + (f" (missed by {verdict.missed_by:.4g})" if verdict.missed_by is not None else "")
        for verdict in judged
        if not verdict.passed
    ]
    return "; ".join(missed) or None


def refuse(profile: str, judged: Iterable[Verdict]) -> None:
    """Raise when a gate refused.

    Raises
    ------
    GateError
        With every refusal and by how much.
    """
    missed = refusal(judged)
    if missed:
        raise GateError(f"The profile {profile} refuses: {missed}.")


def warnings_of(judged: Iterable[Verdict]) -> tuple[str, ...]:
    """Return what passed with a warning, one sentence each."""
    return tuple(f"{verdict.name}: {verdict.shown}; {verdict.warning}" for verdict in judged if verdict.warning)
