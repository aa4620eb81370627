"""State of a hospital's releases: roles and further models, counts, and the stop of a canary with its cause."""

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from services.planning.delivery.releases import Assigned, Releases, Role
from services.planning.tables import ANSWERS, CALLS, DIFFERENCES, DROPS, STOPS


@dataclass(frozen=True)
class StopState:
    """A canary's stop.

    Parameters
    ----------
    cause
        Code of the cause.
    figures
        What the cause was computed from.
    at
        When.
    record
        Sequence of its audit record.
    """

    cause: str
    figures: dict[str, float]
    at: datetime
    record: int


@dataclass(frozen=True)
class Counts:
    """Counts of the canary or, since its first call, of the active release.

    Parameters
    ----------
    calls, failed
        Calls of its model server, and those without an answer that counts.
    answers
        Answers for encounters that the canary may take.
    """

    calls: int
    failed: int
    answers: int


@dataclass(frozen=True)
class Differences:
    """Differences of a shadow's scores on copies of requests.

    Parameters
    ----------
    compared, failed
        Copies that it was asked about, and those without an answer that counts.
    other_decision
        Copies that it places in another band than the answer did.
    dropped
        Copies that it was not asked about, because too many waited or its files could not be verified.
    """

    compared: int
    failed: int
    other_decision: int
    dropped: int


@dataclass(frozen=True)
class RoleState:
    """A release with its role; of a further model, with its name, by which it is asked."""

    role: Role
    release: str
    percent: int | None = None
    cohort: bool | None = None
    counts: Counts | None = None
    differences: Differences | None = None
    stop: StopState | None = None
    model: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return it as plain values; what it has not is left out."""
        plain = {name: value for name, value in asdict(self).items() if value is not None}
        if self.stop is not None:
            plain["stop"]["at"] = self.stop.at.isoformat()
        return plain

    def sentence(self) -> str:
        """Return it as a line for a person."""
        share = f", {self.percent} % of encounters" if self.percent else ""
        units = ", of some units alone" if self.cohort else ""
        counts = (
            f", {self.counts.answers} answers, {self.counts.failed} of {self.counts.calls} calls failed"
            if self.counts
            else ""
        )
        if self.differences:
            counts = (
                f", {self.differences.compared} copies compared, {self.differences.other_decision} in another band, "
                f"{self.differences.failed} without an answer, {self.differences.dropped} dropped"
            )
        stop = f", STOPPED at {self.stop.at:%Y-%m-%d %H:%M} UTC: {self.stop.cause}" if self.stop else ""
        subject = f"{self.model} {self.role.value}" if self.model else self.role.value
        return f"{subject}: {self.release}{share}{units}{counts}{stop}"


def read(connection: sa.Connection, releases: Releases) -> list[RoleState]:
    """Return the state of each role, and the release of each further model.

    Parameters
    ----------
    connection : Connection
        A connection to the hospital's database ``planning``.
    releases : Releases
        The hospital's releases.
    """
    canary = releases.canary
    states = []
    for role, assigned in releases.by_role():
        compared = canary is not None and role in (Role.ACTIVE, Role.CANARY)
        states.append(
            RoleState(
                role,
                assigned.release,
                percent=getattr(assigned, "percent", None),
                cohort=getattr(assigned, "cohort", None),
                counts=_counts(connection, canary.digest, role) if canary is not None and compared else None,
                differences=_differences(connection, assigned) if role is Role.SHADOW else None,
                stop=_stop(connection, assigned.digest),
            )
        )
    states += [RoleState(Role.ACTIVE, one.release, model=model) for model, one in releases.models.items()]
    return states


def _counts(connection: sa.Connection, digest: str, role: Role) -> Counts:
    calls = connection.execute(
        sa.select(sa.func.count(), sa.func.count(CALLS.c.fault)).where(
            CALLS.c.digest.startswith(digest), CALLS.c.role == role.value
        )
    ).one()
    answers = connection.execute(
        sa.select(sa.func.count()).where(ANSWERS.c.digest.startswith(digest), ANSWERS.c.role == role.value)
    ).scalar_one()
    return Counts(calls[0], calls[1], answers)


def _differences(connection: sa.Connection, shadow: Assigned) -> Differences:
    other = sa.func.count().filter(DIFFERENCES.c.shadow_decision != DIFFERENCES.c.decision)
    compared = connection.execute(
        sa.select(sa.func.count(), sa.func.count(DIFFERENCES.c.fault), other).where(
            DIFFERENCES.c.digest.startswith(shadow.digest)
        )
    ).one()
    dropped = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(DROPS.c.copies), 0)).where(DROPS.c.release == shadow.release)
    ).scalar_one()
    return Differences(compared[0], compared[1], compared[2], int(dropped))


def _stop(connection: sa.Connection, digest: str) -> StopState | None:
    row = connection.execute(sa.select(STOPS).where(STOPS.c.digest.startswith(digest))).first()
    return None if row is None else StopState(row.cause, row.figures, row.stopped_at, row.record)
