"""A score as an entry of the worklist has it: what planning answered, and the data behind it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Status = Literal["scored", "fallback", "not-scored"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reason(_Part):
    """A feature that moved the risk; the text has its meaning, value and effect."""

    feature: str
    text: str
    value: str | float | None = None
    effect: str


class FeatureValue(_Part):
    """A feature behind a score, and whether its value was imputed because the record has none."""

    name: str
    text: str
    value: float | None = None
    unit: str = ""
    imputed: bool = False


class Feed(_Part):
    """A source of data, and when it last sent something; null if never."""

    name: str
    arrived_at: AwareDatetime | None = None


class Release(_Part):
    """The release that scored."""

    name: str
    version: str
    digest: str


class Score(_Part):
    """A score, or why there is none.

    Parameters
    ----------
    status
        ``fallback`` is ranked by LACE and is not a model's score; ``not-scored`` has neither.
    risk
        Probability of readmission within ``return_days``; null unless the model scored.
    return_days
        Readmission window of the release that scored, in days.
    lace
        LACE index, 0 to 19 (van Walraven 2010, CMAJ 182:551).
    freshness_hours
        Age of the data when it was scored.
    action, cautions
        What planning proposes, and what is to be shown with the risk.
    record
        Sequence number of the audit record.
    """

    status: Status
    risk: float | None = Field(default=None, ge=0, le=1)
    return_days: int | None = Field(default=None, ge=1)
    lace: int | None = Field(default=None, ge=0, le=19)
    decision: str = ""
    action: str = ""
    cautions: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    release: Release | None = None
    threshold: float | None = None
    threshold_approved_by: tuple[str, ...] = ()
    freshness_hours: float | None = Field(default=None, ge=0)
    fallback_reason: str | None = None
    not_scored_reason: str | None = None
    record: int = Field(ge=0)
    features: tuple[FeatureValue, ...] = ()
    missing: tuple[str, ...] = ()
    feeds: tuple[Feed, ...] = ()


@dataclass(frozen=True)
class DatedScore:
    """A score, and when it was given."""

    at: datetime
    score: Score

    def data_age_hours(self, now: datetime) -> float | None:
        """Return the age of the data behind the score."""
        if self.score.freshness_hours is None:
            return None
        return self.score.freshness_hours + (now - self.at).total_seconds() / 3600

    def is_stale(self, now: datetime, stale_after_hours: float) -> bool:
        """Return whether the data are older than they may be, or of unknown age."""
        age = self.data_age_hours(now)
        return self.score.status != "not-scored" and (age is None or age > stale_after_hours)
