"""Ports of the worklist, implemented by care: its audit records, planning's scores, and the placing of discharges."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request
from sqlalchemy import Connection

from model.definitions.features import definitions
from services.audit.http import UNIDENTIFIED, audit
from services.care import accesses, launch
from services.care.context import Care
from services.care.fresh.features import FreshFeatures
from services.care.planning_client import (
    CANARY,
    FeedbackRefusedError,
    PlanningClient,
    PlanningUnavailableError,
    feedback_content,
)
from services.care.worklist import placements, scores
from services.care.worklist.placements import Placement
from services.care.worklist.ports import Facts, Launched, Override, PastScore, ScoresUnavailableError
from services.care.worklist.web import WORKFLOW
from services.planning.schema import AnyScore, Cohort, Fallback, NotScored, Scored

UNKNOWN_UNIT = "unknown"
"""Unit of a stay whose record names none."""
PLANNING_UNAVAILABLE = "planning-unavailable"


def on_record(request: Request, facts: Facts, status: int) -> None:
    """Append the record of a request of the worklist, with every identity that it revealed."""
    shown = dict.fromkeys((*facts.encounters, *accesses.current().encounters))
    audit(request).append(
        status=status,
        workflow=WORKFLOW,
        caller=facts.caller or UNIDENTIFIED,
        caller_role=facts.caller_role,
        purpose=facts.purpose,
        encounter=facts.encounter,
        encounters=tuple(shown),
        action=facts.action,
        detail=facts.detail,
        outcome=facts.outcome,
    )


@dataclass(frozen=True)
class PlanningScores:
    """Planning, as the worklist asks it."""

    planning: PlanningClient

    def history(self, encounter: str) -> tuple[PastScore, ...]:
        """Return the scores of an encounter, the newest first."""
        try:
            answer = self.planning.history(encounter)
        except PlanningUnavailableError:
            raise ScoresUnavailableError from None
        return tuple(
            PastScore(one.scored_at, one.status, one.risk, one.lace, one.version or "", one.record)
            for one in answer.scores
        )

    def feedback(self, override: Override) -> None:
        """Report an override."""
        try:
            self.planning.feedback(feedback_content(override.encounter, override.record, override.code))
        except FeedbackRefusedError:
            return  # another attempt would be refused again
        except PlanningUnavailableError:
            raise ScoresUnavailableError from None


@dataclass(frozen=True)
class SmartLaunches:
    """Launches from the EHR, as the worklist opens them."""

    care: Care

    def opened(self, ticket: str) -> Launched | None:
        """Return what a launch opens, once."""
        with self.care.transaction() as connection:
            opened = launch.opened(connection, ticket, self.care)
        return None if opened is None else Launched(opened.patient, opened.encounter)


def place(
    connection: Connection,
    features: FreshFeatures,
    score: AnyScore | None,
    *,
    unit: str | None,
    units: Sequence[str],
    ended_at: datetime | None,
    now: datetime,
) -> None:
    """Place a discharge on the worklist, in the caller's transaction.

    Parameters
    ----------
    connection : Connection
        The database ``care``.
    features, score
        The stay, and planning's answer; None when planning did not answer or there is no stay to score.
    unit : str, optional
        The unit that the patient leaves, in the words of the EHR.
    units : sequence of str
        Names of the hospital's units, as sign-in has them.
    ended_at : datetime, optional
        True time of the discharge; now when it is not recorded yet.
    now : datetime
        When it was scored.
    """
    placements.place(
        connection,
        Placement(
            encounter=features.encounter,
            patient=features.patient,
            unit=unit_name(unit, units) if unit else UNKNOWN_UNIT,
            discharged_at=ended_at or now,
            scored_at=now,
            score=worklist_score(features, score, now),
        ),
    )


def unit_name(text: str, units: Sequence[str]) -> str:
    """Return the name of a unit as the hospital's sign-in has it, from the words of the EHR.

    Spaces, hyphens and capitals do not count. A unit that sign-in does not have is named in lower-case letters with
    hyphens; nobody sees its patients.

    Examples
    --------
    >>> unit_name("Internal  Medicine", ["4 West", "internal-medicine"])
    'internal-medicine'
    >>> unit_name("4 WEST", ["4 West", "internal-medicine"])
    '4 West'
    """
    plain = _plain(text)
    return next((name for name in units if _plain(name) == plain), plain)


def cohort_of(unit: str | None, canary_units: Sequence[str]) -> Cohort | None:
    """Return the cohort that planning is sent in place of a unit: whether a canary may answer.

    Examples
    --------
    >>> cohort_of("4 WEST", ["4 West"])
    'canary'
    """
    return CANARY if unit and unit_name(unit, canary_units) in canary_units else None


def _plain(name: str) -> str:
    return "-".join(name.casefold().replace("-", " ").split())


def worklist_score(features: FreshFeatures, score: AnyScore | None, now: datetime) -> scores.Score:
    """Return a score as the worklist shows it."""
    data: dict[str, object] = {
        "freshness_hours": features.as_of_hours,
        "features": _values(features),
        "feeds": tuple(
            scores.Feed(name=name, arrived_at=None if age is None else now - timedelta(hours=age))
            for name, age in (features.feed_hours or {}).items()
        ),
    }
    match score:
        case Scored(release=release, threshold=threshold):
            return scores.Score(
                status="scored",
                risk=score.risk,
                return_days=release.return_days,
                decision=score.decision,
                action=score.action,
                cautions=tuple(caution for caution in (release.caution, *score.warnings) if caution),
                reasons=tuple(scores.Reason(**reason.model_dump()) for reason in score.reasons),
                release=scores.Release(name=release.model, version=release.version, digest=release.digest),
                threshold=threshold.risk_from,
                threshold_approved_by=tuple(f"{one.kind}: {one.role} {one.name}" for one in threshold.approved_by),
                record=score.record,
                **data,
            )
        case Fallback():
            return scores.Score(
                status="fallback",
                lace=score.lace,
                fallback_reason=score.fallback_reason.value,
                record=score.record,
                **data,
            )
        case NotScored():
            return scores.Score(
                status="not-scored",
                not_scored_reason=score.not_scored_reason,
                missing=tuple(score.missing),
                record=score.record,
                **data,
            )
        case None:
            reason = features.excluded or PLANNING_UNAVAILABLE
            return scores.Score(status="not-scored", not_scored_reason=reason, record=0, **data)


def _values(features: FreshFeatures) -> tuple[scores.FeatureValue, ...]:
    values = features.features or {}
    return tuple(
        scores.FeatureValue(
            name=feature.name,
            text=feature.meaning,
            value=values[feature.name],
            unit=feature.unit,
            imputed=values[feature.name] is None,
        )
        for feature in definitions().features
        if feature.name in values
    )
