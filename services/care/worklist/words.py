"""Words of the pages: times in the hospital's time zone, ages of data, percentages, codes."""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.care.worklist import codes
from services.care.worklist.scores import DatedScore, FeatureValue

UNITS = {"Cel": "°C", "mm[Hg]": "mmHg", "/min": "per minute", "10*3/uL": "10³/µL"}
"""Units of UCUM that people write otherwise."""
EVENTS = {
    "claim": "Claimed",
    "release": "Given back",
    "assign": "Assigned",
    "due": "Due date set",
    "contact": "Contact attempt",
    "intervention": "Intervention",
    "note": "Note",
    "override": "Score overridden",
    "close": "Closed",
    "reopen": "Reopened",
    "move": "Moved from unit",
}


def percent(value: float) -> str:
    """Return a probability in words: ``17 %``, and ``under 1 %`` rather than 0."""
    return "under 1 %" if value < 0.01 else f"{value * 100:.0f} %"


def hours(value: float) -> str:
    """Return an age: minutes, hours up to two days, then days."""
    if value < 1:
        return f"{max(1, round(value * 60))} min"
    return f"{round(value)} h" if value < 48 else f"{round(value / 24)} days"


def quantity(feature: FeatureValue) -> str:
    """Return the value of a feature with its unit."""
    if feature.value is None:
        return "not recorded"
    if feature.unit == "0/1":
        return "yes" if feature.value else "no"
    return f"{feature.value:g} {UNITS.get(feature.unit, feature.unit)}".rstrip()


def fallback_reason(score: DatedScore) -> str:
    """Return why there is no model score."""
    reason = score.score.fallback_reason or ""
    return codes.read().fallback_reasons.get(reason, reason or "the reason is not known")


def not_scored_reason(score: DatedScore) -> str:
    """Return why there is no score at all."""
    reason = score.score.not_scored_reason or ""
    return codes.read().not_scored_reasons.get(reason, reason or "the reason is not known")


def filters(zone: ZoneInfo) -> dict[str, Callable[..., object]]:
    """Return the filters of the templates."""

    def moment(at: datetime) -> str:
        return at.astimezone(zone).strftime("%d %b %Y, %H:%M")

    def clock(at: datetime) -> str:
        return at.astimezone(zone).strftime("%H:%M")

    def day(on: date) -> str:
        return on.strftime("%d %b %Y")

    def iso(at: datetime) -> str:
        return at.isoformat(timespec="seconds")

    return {
        "moment": moment,
        "clock": clock,
        "day": day,
        "iso": iso,
        "percent": percent,
        "hours": hours,
        "quantity": quantity,
        "fallback_reason": fallback_reason,
        "not_scored_reason": not_scored_reason,
        "event_words": lambda kind: EVENTS.get(kind, kind),
        "code_words": lambda code, kind: codes.read().words(kind, code),
    }
