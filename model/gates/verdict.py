"""Verdict of one gate, and of all gates: the reasons for a refusal, and the warnings."""

from collections.abc import Iterable

from model.errors import GateError
from model.gates.row import Row


class Verdict(Row):
    """Verdict of a gate.

    Attributes
    ----------
    name : str
        Name of the gate.
    passed : bool
        Whether the gate was passed.
    judged : bool
        False for a gate that does not apply; it passes.
    value : float or None
        Metric; None when it could not be computed or is not a number.
    low, high : float or None
        Its 95 % interval, where the gate judges one.
    found : str
        Metric as text, where ``value`` does not show it.
    demand : str
        Requirement of the gate.
    missed_by : float or None
        Distance of the metric from the requirement; None when it passed or is not a number.
    warning : str
        Warning of a gate that passed.
    why : str
        Reason for the gate.

    Examples
    --------
    >>> from model.gates import Verdict
    >>> verdict = Verdict(name="roc_auc", passed=False, value=0.61, demand="at least 0.65", missed_by=0.04)
    >>> verdict.shown, verdict.outcome
    ('0.61', 'refused')
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
    """Return the reasons for a refusal.

    Parameters
    ----------
    judged : iterable of Verdict
        Verdicts of the gates.

    Returns
    -------
    str or None
        Each gate that was not passed, with its requirement and distance; None when all passed.

    Examples
    --------
    >>> from model.gates import Verdict, refusal
    >>> refusal([Verdict(name="roc_auc", passed=False, value=0.61, demand="at least 0.65", missed_by=0.04)])
    'roc_auc is 0.61, not at least 0.65 (missed by 0.04)'
    """
    missed = [
        f"{verdict.name} is {verdict.shown}, not {verdict.demand}"
        + (f" (missed by {verdict.missed_by:.4g})" if verdict.missed_by is not None else "")
        for verdict in judged
        if not verdict.passed
    ]
    return "; ".join(missed) or None


def refuse(profile: str, judged: Iterable[Verdict]) -> None:
    """Raise if a gate was not passed.

    Parameters
    ----------
    profile : str
        Name of the profile, for the message.
    judged : iterable of Verdict
        Verdicts of the gates.

    Raises
    ------
    GateError
        If a gate was not passed; the message has every refusal.

    Examples
    --------
    >>> from model.gates import Verdict, refuse
    >>> refuse("clinical", [Verdict(name="approval", passed=False, found="absent", demand="by a clinician")])
    Traceback (most recent call last):
    model.errors.GateError: The profile clinical refuses: approval is absent, not by a clinician.
    """
    missed = refusal(judged)
    if missed:
        raise GateError(f"The profile {profile} refuses: {missed}.")


def warnings_of(judged: Iterable[Verdict]) -> tuple[str, ...]:
    """Return the warnings of gates that passed.

    Parameters
    ----------
    judged : iterable of Verdict
        Verdicts of the gates.

    Returns
    -------
    tuple of str
        One sentence a warning.

    Examples
    --------
    >>> from model.gates import Verdict, warnings_of
    >>> warnings_of([Verdict(name="slope", passed=True, value=1.21, demand="at most 1.25", warning="wide interval")])
    ('slope: 1.21; wide interval',)
    """
    return tuple(f"{verdict.name}: {verdict.shown}; {verdict.warning}" for verdict in judged if verdict.warning)
