"""Outcomes of scoring as the answer of the service and as the audit record of the request."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from services.audit.records import ReleaseRef, ScoredEncounter, feature_bytes
from services.planning import lace
from services.planning.delivery.shadow import Copy
from services.planning.model_client import FallbackReason, ModelScore
from services.planning.release import AssignedRelease
from services.planning.schema import (
    AnyScore,
    Approval,
    Fallback,
    LaceParts,
    NotScored,
    Reason,
    Release,
    Scored,
    ScoreResponse,
    Threshold,
)
from services.planning.scoring import FallbackOutcome, NotScoredOutcome, Outcome, ScoredOutcome


def response(outcomes: Sequence[Outcome], record: int) -> ScoreResponse:
    """Return the answer; the outcomes are in the order in which to show them."""
    return ScoreResponse(scores=[_score(outcome, rank, record) for rank, outcome in enumerate(outcomes, start=1)])


def recorded(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the fields of the audit record: each encounter's answer, the release and the exact features."""
    scored = [outcome for outcome in outcomes if isinstance(outcome, ScoredOutcome)]
    release = release_ref(scored[0].release) if scored else None
    reasons = {reason for reason in map(_fallback_reason, outcomes) if reason is not None}
    # One request has one outcome; the scores say it of each encounter.
    fallback = next((reason for reason in FallbackReason if reason in reasons), None)
    return {
        "outcome": "answered" if fallback is None else "fallback",
        "fallback_reason": fallback.value if fallback else None,
        "release": release,
        "scores": tuple(_scored_encounter(outcome, release) for outcome in outcomes),
        "features": tuple(_features(outcome) for outcome in outcomes),
    }


def copies(outcomes: Sequence[Outcome], record: int) -> list[Copy]:
    """Return copies of the scored encounters of a request, for a shadow."""
    return [
        Copy(
            outcome.request.encounter,
            record,
            outcome.values,
            outcome.score.risk,
            outcome.score.decision,
            outcome.milliseconds,
        )
        for outcome in outcomes
        if isinstance(outcome, ScoredOutcome)
    ]


def past_reasons(score: ModelScore) -> list[dict[str, object]]:
    """Return the reasons of a score as the history keeps them."""
    return [reason.model_dump() for reason in _reasons(score)]


def release_ref(release: AssignedRelease) -> ReleaseRef:
    """Return a release as audit records name it."""
    return ReleaseRef(
        model=release.model,
        version=release.version,
        digest=release.digest,
        preprocessing=release.preprocessing,
        # The highest band's: from this risk on the release proposes its strongest action.
        threshold=release.bands[0].start,
        schema_version=str(release.schema_version),
    )


def thresholds(release: AssignedRelease) -> bytes:
    """Return the thresholds of a release and who approved them, for their digest in the record of a start."""
    content = {"bands": [asdict(band) for band in release.bands], "approvals": [asdict(a) for a in release.approvals]}
    return json.dumps(content, sort_keys=True).encode()


def _score(outcome: Outcome, rank: int, record: int) -> AnyScore:
    ranked: dict[str, object] = {
        "encounter": outcome.request.encounter,
        "rank": rank,
        "freshness_hours": outcome.freshness_hours,
        "record": record,
    }
    match outcome:
        case ScoredOutcome(score=score):
            return Scored(
                **ranked,
                risk=score.risk,
                decision=score.decision,
                action=score.action,
                reasons=_reasons(score),
                warnings=list(score.warnings),
                release=_release(outcome),
                threshold=_threshold(outcome),
            )
        case FallbackOutcome(parts=parts):
            return Fallback(
                **ranked,
                lace=outcome.lace,
                lace_parts=parts
                and LaceParts(
                    length=parts.length, acuity=parts.acuity, comorbidity=parts.comorbidity, visits=parts.visits
                ),
                fallback_reason=outcome.reason,
                approximations=list(lace.APPROXIMATIONS) if parts else [],
            )
        case NotScoredOutcome():
            return NotScored(
                **ranked,
                not_scored_reason=outcome.reason,
                missing=list(outcome.names),
                fallback_reason=outcome.fallback,
            )


def _reasons(score: ModelScore) -> list[Reason]:
    effect: dict[str, Literal["raises", "lowers"]] = {"raises": "raises", "lowers": "lowers"}
    return [
        Reason(feature=reason.feature, text=reason.text, value=reason.value, effect=effect[reason.direction])
        for reason in score.reasons
    ]


def _release(outcome: ScoredOutcome) -> Release:
    release, answer = outcome.release, outcome.answer
    return Release(
        model=release.model,
        version=release.version,
        digest=release.digest,
        preprocessing=release.preprocessing,
        schema_version=release.schema_version,
        return_days=release.return_days,
        evaluated=answer.evaluated,
        caution=answer.caution,
    )


def _threshold(outcome: ScoredOutcome) -> Threshold:
    band = outcome.release.band(outcome.score.risk)
    approvals = [Approval(kind=one.kind, role=one.role, name=one.name) for one in outcome.release.approvals]
    return Threshold(band=band.name, risk_from=band.start, approved_by=approvals)


def _fallback_reason(outcome: Outcome) -> FallbackReason | None:
    match outcome:
        case FallbackOutcome():
            return outcome.reason
        case NotScoredOutcome():
            return outcome.fallback
        case ScoredOutcome():
            return None


def _scored_encounter(outcome: Outcome, entry_release: ReleaseRef | None) -> ScoredEncounter:
    request, reason = outcome.request, _fallback_reason(outcome)
    common: dict[str, Any] = {
        "encounter": request.encounter,
        "patient": request.patient,
        "freshness_hours": outcome.freshness_hours,
        "fallback_reason": reason.value if reason else None,
    }
    match outcome:
        case ScoredOutcome(score=score):
            release = release_ref(outcome.release)
            return ScoredEncounter(
                **common,
                status="scored",
                risk=score.risk,
                decision=score.decision,
                release=release if release != entry_release else None,
            )
        case FallbackOutcome():
            return ScoredEncounter(**common, status="fallback", lace=outcome.lace)
        case NotScoredOutcome():
            return ScoredEncounter(**common, status="not-scored", not_scored_reason=outcome.reason)


def _features(outcome: Outcome) -> bytes | None:
    """Return the exact values that the answer was computed from; None where there was none to compute from."""
    match outcome:
        case NotScoredOutcome():
            return None
        case ScoredOutcome() | FallbackOutcome():
            return feature_bytes(dict(outcome.values))
