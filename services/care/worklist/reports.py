"""Readmissions by intervention and unit, with intervals.

A rate describes the patients who had an intervention; it is no effect of it: those who were called differ from those
who were not.
"""

from dataclasses import dataclass

from scipy.stats import binomtest
from sqlalchemy import Integer, case, cast, exists, func, literal, select

from services.care.worklist import tables
from services.care.worklist.sessions import Session

CONFIDENCE = 0.95
NO_INTERVENTION = "none"
FEWEST = 5
"""Discharges below which a row shows no rate: a rate of so few says nothing, and could identify a patient."""


@dataclass(frozen=True)
class Readmissions:
    """Readmissions within the window after discharges of a unit with an intervention."""

    unit: str
    intervention: str
    discharges: int
    readmitted: int

    @property
    def rate(self) -> float | None:
        """Proportion that came back; none for too few discharges."""
        return self.readmitted / self.discharges if self.discharges >= FEWEST else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson score interval of the rate; none for too few discharges."""
        return wilson(self.readmitted, self.discharges) if self.discharges >= FEWEST else None


def wilson(events: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson 1927, J Am Stat Assoc 22:209), by scipy.

    Examples
    --------
    >>> tuple(round(limit, 3) for limit in wilson(3, 10))
    (0.108, 0.603)
    """
    interval = binomtest(events, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def readmissions(session: Session) -> list[Readmissions]:
    """Return the rows of the report for the units of the person, with discharges whose window is over.

    A discharge with two interventions counts in both rows.
    """
    entries, events = tables.entries, tables.events
    is_intervention = (events.c.entry == entries.c.id) & (events.c.kind == "intervention")
    query = select(entries.c.id, entries.c.unit, entries.c.readmitted, events.c.code).join(events, is_intervention)
    none = select(entries.c.id, entries.c.unit, entries.c.readmitted, literal(NO_INTERVENTION).label("code")).where(
        ~exists().where(is_intervention)
    )
    rows = query.distinct().union_all(none).subquery()
    statement = (
        select(
            rows.c.unit,
            rows.c.code,
            func.count(),
            cast(func.sum(case((rows.c.readmitted, 1), else_=0)), Integer),
        )
        .where(rows.c.readmitted.is_not(None))
        .group_by(rows.c.unit, rows.c.code)
        .order_by(rows.c.unit, rows.c.code)
    )
    return [Readmissions(*row) for row in session.connection.execute(statement)]
