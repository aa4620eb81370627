"""Simulation of patients and their stays from the declared causes of readmission."""

import functools
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml

from model.definitions.features import definitions
from model.synthesis.measuring import Values, measure

OPENING = datetime(2021, 1, 1, tzinfo=UTC)
CLOSING = datetime(2024, 12, 31, tzinfo=UTC)
DISPOSITIONS = {
    "home": 0.645,
    "hhc": 0.17,
    "snf": 0.09,
    "rehab": 0.02,
    "other-hcf": 0.02,
    "aadvice": 0.015,
    "exp": 0.025,
    "hosp": 0.015,
}


@dataclass(frozen=True)
class Cause:
    """A chronic condition: its codes and what it does to the risk."""

    name: str
    icd10cm: str
    icd9cm: str
    snomed: str
    share: float
    slope: float
    effect: float
    needs: str | None = None


@dataclass(frozen=True)
class Causes:
    """The table of what makes a patient come back."""

    intercept: float
    effects: dict[str, float]
    unseen: float
    conditions: tuple[Cause, ...]
    drugs: tuple[str, ...]
    names: dict[str, Any]


@dataclass(frozen=True)
class Stay:
    """An inpatient stay, what was measured in it (early: at admission) and the true risk at its end."""

    start: datetime
    end: datetime
    emergency: bool
    early: Values
    late: Values
    disposition: str
    transferred: datetime | None
    risk: float


@dataclass(frozen=True)
class Person:
    """A synthetic patient with everything that the record will show."""

    number: int
    sex: str
    born: datetime
    conditions: tuple[Cause, ...]
    drugs: tuple[str, ...]
    first_seen: datetime
    visits: tuple[datetime, ...]
    emergencies: tuple[datetime, ...]
    stays: tuple[Stay, ...]
    died: datetime | None
    current: Stay | None = None
    """The stay that goes on at the end of the record, with the end that it will have."""

    def until(self, day: date) -> Self:
        """Return the same patient in a record that ends as a day begins: all dates are moved by whole days."""
        shift = datetime.combine(day, time(), UTC) - CLOSING

        def moved(moment: datetime | None) -> datetime | None:
            return moment and moment + shift

        def stay(one: Stay) -> Stay:
            return replace(one, start=one.start + shift, end=one.end + shift, transferred=moved(one.transferred))

        return replace(
            self,
            born=self.born + shift,
            first_seen=self.first_seen + shift,
            visits=tuple(visit + shift for visit in self.visits),
            emergencies=tuple(visit + shift for visit in self.emergencies),
            stays=tuple(stay(one) for one in self.stays),
            died=moved(self.died),
            current=self.current and stay(self.current),
        )


@functools.cache
def causes() -> Causes:
    """Read the table of causes."""
    table = yaml.safe_load((Path(__file__).parent / "causes.yaml").read_text(encoding="utf-8"))
    return Causes(
        intercept=table["intercept"],
        effects=table["effects"],
        unseen=table["unseen"],
        conditions=tuple(Cause(**row) for row in table["conditions"]),
        drugs=tuple(table["drugs"]),
        names=table["names"],
    )


def simulate(number: int, seed: int) -> Person:
    """Simulate one patient; the same number and seed give the same patient whatever else is simulated."""
    chance = np.random.default_rng([seed, number])
    table = causes()
    age = float(np.clip(chance.normal(66, 15), 19, 97))
    decades = (age - 60) / 10
    ill = _ill(chance, table, decades)
    count = int(np.clip(chance.poisson(2 + 1.1 * len(ill)), 0, len(table.drugs)))
    first = OPENING + timedelta(days=float(chance.uniform(0, 500)), hours=9)
    story = _Story(
        chance=chance,
        age=age,
        conditions=ill,
        drugs=tuple(table.drugs[i] for i in sorted(chance.choice(len(table.drugs), size=count, replace=False))),
        unseen=float(chance.normal(0, table.unseen)),
    )
    story.live(first)
    return Person(
        number=number,
        sex="female" if chance.random() < 0.52 else "male",
        born=first - timedelta(days=age * 365.25),
        conditions=ill,
        drugs=story.drugs,
        first_seen=first,
        visits=tuple(story.visits),
        emergencies=tuple(story.emergencies),
        stays=tuple(story.stays),
        died=story.died,
        current=story.current,
    )


def _ill(chance: np.random.Generator, table: Causes, decades: float) -> tuple[Cause, ...]:
    """Draw the illnesses; one that needs another comes after it in the table."""
    illnesses: dict[str, Cause] = {}
    for cause, draw in zip(table.conditions, chance.random(len(table.conditions)).tolist(), strict=True):
        possible = cause.needs is None or cause.needs in illnesses
        if possible and draw < min(0.9, cause.share * math.exp(cause.slope * decades)):
            illnesses[cause.name] = cause
    return tuple(illnesses.values())


@dataclass
class _Story:
    """One patient's life between the opening and the closing of the record."""

    chance: np.random.Generator
    age: float
    conditions: tuple[Cause, ...]
    drugs: tuple[str, ...]
    unseen: float
    visits: list[datetime] = field(default_factory=list)
    emergencies: list[datetime] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    died: datetime | None = None
    current: Stay | None = None

    def live(self, first: datetime) -> None:
        """Go from stay to stay until death, hospice or the end of the record."""
        self.visits.append(first)
        now = first + self._gap()
        while now < CLOSING and self.died is None:
            stay = self._stay(now)
            if stay.end >= CLOSING:
                self.current = stay
                break
            self.stays.append(stay)
            if stay.disposition == "exp":
                self.died = stay.end
            if stay.disposition in {"exp", "hosp"}:
                break
            window = definitions().stay.return_days
            if self.chance.random() < stay.risk:
                # Within a day of a discharge to another hospital it would be the same stay.
                soonest = 1.5 if stay.disposition == "other-hcf" else 0.5
                now = stay.end + timedelta(days=float(self.chance.uniform(soonest, window - 0.5)))
            else:
                now = stay.end + timedelta(days=window + 1) + self._gap()

    def _gap(self) -> timedelta:
        """Return the time to the next unrelated stay, with the visits that fall into it."""
        severity = sum(c.effect for c in self.conditions) + self.unseen
        days = float(self.chance.exponential(600 * math.exp(-0.35 * severity)))
        start = self.stays[-1].end if self.stays else self.visits[0]
        for days_after in self.chance.uniform(5, max(days, 6), size=self.chance.poisson(min(days, 900) / 250)):
            visit = start + timedelta(days=float(days_after))
            if visit < CLOSING:
                self.emergencies.append(visit)
        return timedelta(days=days)

    def _stay(self, start: datetime) -> Stay:
        chance = self.chance
        names = {c.name for c in self.conditions}
        length = timedelta(hours=float(np.clip(chance.gamma(1.6, 55), 14, 900)))
        end = start + length
        early, late = measure(chance, names)
        disposition = str(chance.choice(list(DISPOSITIONS), p=list(DISPOSITIONS.values())))
        emergency = bool(chance.random() < 0.62)
        moved = start + length * float(chance.uniform(0.3, 0.7)) if chance.random() < 0.03 else None
        seen = {
            "age_decades_over_60": (self.age - 60) / 10,
            "prior_admissions": min(4, sum(start - timedelta(days=365) <= s.end < start for s in self.stays)),
            "emergency_visits": min(4, sum(start - timedelta(days=182) <= e < start for e in self.emergencies)),
            "emergency_admission": float(emergency),
            "log_days": math.log1p(length / timedelta(days=1)),
            "creatinine_over_1": min(4.0, max(0.0, late["creatinine"] - 1)),
            "hemoglobin_under_12": max(0.0, 12 - late["hemoglobin"]),
            "sodium_under_135": max(0.0, 135 - late["sodium"]),
            "drugs_over_5": max(0, len(self.drugs) - 5),
            "albumin_under_3_5": max(0.0, 3.5 - late["albumin"]),
            "home_health": float(disposition == "hhc"),
            "against_advice": float(disposition == "aadvice"),
        }
        table = causes()
        logit = table.intercept + self.unseen + sum(c.effect for c in self.conditions)
        logit += sum(table.effects[name] * value for name, value in seen.items())
        return Stay(
            start=start,
            end=end,
            emergency=emergency,
            early=early,
            late=late,
            disposition=disposition,
            transferred=moved,
            risk=1 / (1 + math.exp(-logit)),
        )
