"""Cards of CDS Hooks: what a clinician reads at a discharge. They hold no identifier of the patient."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Literal
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from services.care.fresh.features import FreshFeatures
from services.planning.feedback import overrides
from services.planning.schema import AnyScore, Fallback, NotScored, Scored

LONGEST_SUMMARY = 140
SUMMARIES = Path(__file__).with_name("summaries.yaml")
CODE_SYSTEM = "urn:hmlops:readmission-feedback"
HIGH = "high"
DISCLAIMER = "An estimate for the discharge team; a clinician decides, and nothing is denied by it."
FALLBACKS = {
    "model-unavailable": "the model does not answer",
    "model-slow": "the model was too slow",
    "wrong-release": "another release than the assigned one answered",
    "features-stale": "the data are too old for the model",
}
NOT_SCORED = {
    "no-features": "there is no record of this stay",
    "features-missing": "data that the model needs are missing",
    "features-invalid": "a value of the record is impossible",
    "lace-inputs-missing": "the model did not answer, and data for the LACE index are missing",
}
EXCLUDED = {
    "unknown-stay": "there is no record of this stay",
    "no-inpatient-stay": "the encounter is not an inpatient stay",
    "too-short": "the stay is too short",
    "died": "the patient died",
    "hospice": "the patient goes to hospice",
    "no-end": "the stay is over, but its end is not recorded",
}
NO_STAY = "there is no stay to score"
PARTS = {
    "encounters": "earlier encounters",
    "conditions": "conditions",
    "observations": "laboratory values and vital signs",
    "medications": "medication",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True)


class Source(_Part):
    """Source of a card."""

    label: str
    url: str | None = None


class Link(_Part):
    """A link of a card; of the type smart, the EHR launches it."""

    label: str
    url: str
    type: Literal["absolute", "smart"]
    auto_launchable: bool = False


class OverrideCode(_Part):
    """A reason for which a clinician may override a card."""

    code: str
    system: str
    display: str


class Card(_Part):
    """A card (https://cds-hooks.hl7.org/2.0/#card-attributes)."""

    uuid: UUID
    summary: str = Field(max_length=LONGEST_SUMMARY)
    detail: str
    indicator: Literal["info", "warning", "critical"]
    source: Source
    override_reasons: list[OverrideCode]
    links: list[Link]


class CardsResponse(_Part):
    """The answer to a hook."""

    cards: list[Card]


def card(
    uuid: UUID,
    score: AnyScore | None,
    features: FreshFeatures,
    *,
    address: str,
    zone: tzinfo,
    missing: tuple[str, ...] = (),
) -> Card:
    """Return the card of one discharge.

    Parameters
    ----------
    uuid : UUID
        Id of the card, which feedback names.
    score : AnyScore, optional
        Planning's answer; None when planning did not answer, or there is no stay to score.
    features : FreshFeatures
        What the score was computed from.
    address : str
        The public address of care.
    zone : tzinfo
        The hospital's time zone, for times that people read.
    missing : tuple of str
        Parts of the record that could not be had.
    """
    lines = [*_detail(score), *_data(features, zone, missing), f"_{DISCLAIMER}_"]
    return Card(
        uuid=uuid,
        summary=_summary(score, features),
        detail="\n\n".join(lines),
        indicator="info" if isinstance(score, Scored) and score.decision != HIGH else "warning",
        source=Source(label="Readmission risk service", url=address),
        override_reasons=[
            OverrideCode(code=name, system=CODE_SYSTEM, display=code.meaning) for name, code in overrides().items()
        ],
        links=[Link(label="Open the discharge worklist", url=f"{address}/launch", type="smart")],
    )


def _summary(score: AnyScore | None, features: FreshFeatures) -> str:
    if features.excluded is not None:
        return f"Readmission risk not computed: {EXCLUDED.get(features.excluded, NO_STAY)}"
    match score:
        case Scored():
            stale = "" if features.fresh else "; old data"
            return f"Readmission within {score.release.return_days} days: {score.risk:.0%} ({score.decision}{stale})"
        case Fallback():
            return f"{_without()['model']}, ranked by LACE {score.lace} of 19: {FALLBACKS[score.fallback_reason]}"
        case NotScored():
            return f"Readmission risk not computed: {NOT_SCORED[score.not_scored_reason]}"
        case None:
            return f"{_without()['planning']}: the planning service does not answer"


@cache
def _without() -> dict[str, str]:
    """Return how a summary begins without a model's score, by what did not answer."""
    return TypeAdapter(dict[str, str]).validate_python(yaml.safe_load(SUMMARIES.read_text(encoding="utf-8")))


def _detail(score: AnyScore | None) -> Iterator[str]:
    match score:
        case Scored():
            yield "\n".join(["**Main reasons**", "", *(f"- {reason.text}" for reason in score.reasons)])
            yield f"Proposed: {score.action}"
            yield _threshold(score)
            if score.release.caution:
                yield f"**Caution:** {score.release.caution}"
            yield from (f"Outside of the range of the training data: {warning}" for warning in score.warnings)
        case Fallback():
            yield "**This is not a model score.** The LACE index counts length of stay, acuity, comorbidity and visits."
            yield from (f"- {approximation}" for approximation in score.approximations)
        case NotScored():
            yield "**There is no score and no rank.** Judge the risk without it."
            if score.missing:
                yield f"Missing: {', '.join(score.missing)}"
        case None:
            yield "**There is no score and no rank.** Judge the risk without it."


def _threshold(score: Scored) -> str:
    threshold, release = score.threshold, score.release
    approvals = ", ".join(f"{one.kind}: {one.role} {one.name}".strip() for one in threshold.approved_by)
    approved = f"approved by {approvals}" if approvals else "**approved by nobody for use on patients**"
    return (
        f"Threshold of the band {threshold.band}: {threshold.risk_from:.0%}, {approved}. "
        f"Release {release.version} ({release.digest[:12]})."
    )


def _data(features: FreshFeatures, zone: tzinfo, missing: tuple[str, ...]) -> Iterator[str]:
    if features.fresh:
        yield "Data: the record of this moment, with the patient's history."
    elif features.newest_at is not None:
        yield f"**No data since {_local(features.newest_at, zone)}**: there is no record of this moment."
    else:
        yield "**No data**: there is no record of this patient."
    parts = [PARTS[name] for name in missing if name in PARTS]
    if features.fresh and parts:
        yield f"Could not be read now, so only what was known last night: {', '.join(parts)}."


def _local(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"
