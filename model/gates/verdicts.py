"""Verdicts of an evaluation's metrics against the gates of a profile."""

import math
from dataclasses import dataclass
from datetime import date

from model.gates.conditions import evaluated_verdict
from model.gates.exceptions import GateException
from model.gates.gate import Gate
from model.gates.table import GateTable, Profile, Straddle
from model.gates.verdict import Verdict
from model.metrics.figure_parts import Spread
from model.metrics.figures import Figures


@dataclass(frozen=True)
class _Figure:
    """A figure and the ends of its interval; all three are the same for one number."""

    value: float
    low: float
    high: float


def verdicts(table: GateTable, name: str, figures: Figures, *, today: date | None = None) -> list[Verdict]:
    """Return the verdicts of a profile on an evaluation: on the size of the test data, then of each gate.

    Parameters
    ----------
    table : GateTable
        Gates table.
    name : str
        Name of the profile.
    figures : Figures
        Metrics of the evaluation.
    today : date, optional
        Date on which exceptions must be in force.

    Returns
    -------
    list of Verdict
        One verdict on the test data, and one for each gate.

    Raises
    ------
    UserError
        If the table has no such profile.

    Examples
    --------
    >>> from model.gates import Evaluation, gate_table, verdicts
    >>> all(verdict.passed for verdict in verdicts(gate_table(), "clinical", Evaluation()))
    False
    """
    profile = table.profile(name)
    return [evaluated_verdict(table, profile, figures), *judge(profile, figures, today=today)]


def judge(profile: Profile, figures: Figures, *, today: date | None = None) -> list[Verdict]:
    """Return the verdict of each gate on an evaluation; a metric that could not be computed does not pass.

    Parameters
    ----------
    profile : Profile
        Gates and exceptions.
    figures : Figures
        Metrics of the evaluation.
    today : date, optional
        Date on which exceptions must be in force; others have no effect.

    Returns
    -------
    list of Verdict
        One verdict for each gate, and one for the baseline where the profile requires it.

    Examples
    --------
    >>> from model.gates import Evaluation, Gate, Minimum, Profile, judge
    >>> from model.metrics.figure_parts import Spread
    >>> gate = Gate(name="discrimination", metric="roc_auc", at_least=0.65)
    >>> least = Minimum(discharges=0, readmissions=0, patients=0)
    >>> profile = Profile(meaning="an example", minimum=least, gates=(gate,))
    >>> [verdict] = judge(profile, Evaluation(roc_auc=Spread(value=0.7, low=0.66, high=0.74)))
    >>> verdict.outcome, verdict.shown
    ('passed', '0.7 (0.66 to 0.74)')
    """
    compared = figures.baseline is not None
    exceptions = {exception.gate: exception for exception in profile.exceptions}
    judged = []
    for gate in profile.gates:
        if gate.with_baseline and not compared:
            judged.append(_unasked(gate, "not judged", f"{gate.demand} against a baseline"))
        elif gate.where_recorded and _figure(gate, figures) is None:
            judged.append(_unasked(gate, "not recorded, or groups too small to tell", gate.demand))
        elif gate.name in exceptions:
            judged.append(_excepted(gate, exceptions[gate.name], profile, figures, today or date.today()))
        else:
            judged.append(_verdict(gate, figures, profile.straddle))
    if profile.baseline_required:
        presence = "given" if compared else "absent; give --baseline RELEASE"
        judged.append(Verdict(name="baseline", passed=compared, found=presence, demand="given"))
    return judged


def _excepted(gate: Gate, exception: GateException, profile: Profile, figures: Figures, today: date) -> Verdict:
    """Judge a gate by its exception, or by its own bounds where the exception is not in force."""
    fault = exception.fault(profile.exception_rule, today)
    if fault:
        verdict = _verdict(gate, figures, profile.straddle)
        return verdict.model_copy(update={"demand": f"{gate.demand} ({fault})"})
    bounds = {name: value for name in ("at_least", "at_most") if (value := getattr(exception, name)) is not None}
    verdict = _verdict(gate.model_copy(update=bounds), figures, profile.straddle)
    note = f"lowered from {gate.demand} by an exception until {exception.until}"
    warning = "; ".join(filter(None, (verdict.warning, note))) if verdict.passed else ""
    return verdict.model_copy(update={"warning": warning})


def _verdict(gate: Gate, figures: Figures, straddle: Straddle) -> Verdict:
    unknown = Verdict(name=gate.name, passed=False, demand=_demand(gate, straddle), why=gate.why)
    if gate.holds is not None:
        return _yes_or_no(gate, figures.at(gate.metric), unknown)
    figure = _figure(gate, figures)
    if figure is None:
        return unknown
    allowed = gate.margin if straddle == "margin" else math.inf
    straddles = _missed(gate, figure.low, figure.high) > 0
    # Beyond the bound as a whole, however wide the margin.
    surely = _missed(gate, figure.high, figure.low)
    missed = surely or max(0.0, _missed(gate, figure.low, figure.high) - allowed)
    return unknown.model_copy(
        update={
            "passed": missed == 0,
            "value": figure.value,
            "missed_by": missed or None,
            "warning": _straddling(gate) if straddles and missed == 0 else "",
        }
        | _interval(gate, figure)
    )


def _demand(gate: Gate, straddle: Straddle) -> str:
    if not gate.has_interval or straddle == "warn":
        return gate.demand
    return gate.demand + (
        f" with the interval within a margin of {gate.margin:g}" if gate.margin else " with the whole interval"
    )


def _missed(gate: Gate, lower: float, upper: float) -> float:
    """Return how far ``lower`` is below the least, or ``upper`` above the most, whichever is further."""
    short = 0.0 if gate.at_least is None else gate.at_least - lower
    over = 0.0 if gate.at_most is None else upper - gate.at_most
    return max(0.0, short, over)


def _straddling(gate: Gate) -> str:
    return f"the 95 % interval is on both sides of the bound ({gate.demand}), so the test data does not decide"


def _interval(gate: Gate, figure: _Figure) -> dict[str, float | str]:
    if not gate.has_interval:
        return {}
    shown = f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"
    return {"low": figure.low, "high": figure.high, "found": shown}


def _yes_or_no(gate: Gate, found: object, unknown: Verdict) -> Verdict:
    if not isinstance(found, bool):
        return unknown
    shown = {"value": float(found), "found": str(found).lower()}
    return unknown.model_copy(update=shown | {"passed": found == gate.holds})


def _unasked(gate: Gate, found: str, demand: str) -> Verdict:
    return Verdict(name=gate.name, passed=True, judged=False, found=found, demand=demand, why=gate.why)


def _figure(gate: Gate, figures: Figures) -> _Figure | None:
    """Return a gate's figure; nothing where any part of it is no number, or its interval is in disorder."""
    figure = figures.at(gate.metric)
    if isinstance(figure, Spread):
        return _Figure(*figure.whole) if gate.has_interval and figure.whole else None
    if figure is None or isinstance(figure, bool) or gate.has_interval:
        return None
    return _Figure(figure, figure, figure)
