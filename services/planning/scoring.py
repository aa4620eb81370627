"""Scores of encounters: by the assigned release, else by LACE, else none; each with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from model.errors import UserError
from model.scoring.contract import Contract
from services.planning.lace import Lace, LaceInputsMissing, index
from services.planning.lace import inputs as lace_inputs
from services.planning.model_client import FallbackReason, ModelAnswer, ModelClient, ModelFailure, ModelScore
from services.planning.online_features import OnlineFeatures
from services.planning.release import AssignedRelease, ReleaseSource
from services.planning.schema import EncounterRequest

ENCOUNTERS_A_CALL = 25
"""Encounters that the model server is asked about at once, within one budget."""

NotScoredReason = Literal["no-features", "features-missing", "features-invalid", "lace-inputs-missing"]
Values = Mapping[str, float | None]


@dataclass(frozen=True)
class _Inputs:
    """Features of an encounter, and their age."""

    values: Values
    lace: int | None
    freshness_hours: float | None


@dataclass(frozen=True)
class ScoredOutcome:
    """A score of the release."""

    request: EncounterRequest
    freshness_hours: float | None
    values: Values
    score: ModelScore
    answer: ModelAnswer
    release: AssignedRelease


@dataclass(frozen=True)
class FallbackOutcome:
    """A LACE index in place of a score; ``parts`` is None where the features file has the index."""

    request: EncounterRequest
    freshness_hours: float | None
    values: Values
    lace: int
    parts: Lace | None
    reason: FallbackReason


@dataclass(frozen=True)
class NotScoredOutcome:
    """Neither; ``names`` are the features that are missing or impossible."""

    request: EncounterRequest
    freshness_hours: float | None
    reason: NotScoredReason
    names: tuple[str, ...] = ()
    fallback: FallbackReason | None = None


Outcome = ScoredOutcome | FallbackOutcome | NotScoredOutcome


class Scoring:
    """Scores encounters of one hospital.

    Parameters
    ----------
    releases : ReleaseSource
        The assigned release.
    features : OnlineFeatures
        Features of encounters that are given without them.
    model : ModelClient
        Asks the model server.
    stale_hours : float
        Age from which features are stale.
    """

    def __init__(
        self, releases: ReleaseSource, features: OnlineFeatures, model: ModelClient, *, stale_hours: float
    ) -> None:
        self._releases, self._features, self._model = releases, features, model
        self._stale_hours = stale_hours

    def answer(self, encounters: Sequence[EncounterRequest]) -> list[Outcome]:
        """Return an outcome for each encounter, in the order in which to show them.

        Not scored first, then by LACE, then by the release: of who has no score, the risk is not known. Within each,
        the highest first.
        """
        release = self._releases.get()
        outcomes: list[Outcome] = []
        ready: list[tuple[EncounterRequest, _Inputs]] = []
        for encounter in encounters:
            inputs = self._inputs(encounter)
            problem = _problem(encounter, inputs, release.contract if release else None)
            if problem is not None:
                outcomes.append(problem)
            elif inputs.freshness_hours is None or inputs.freshness_hours > self._stale_hours:
                outcomes.append(_fallback(encounter, inputs, FallbackReason.FEATURES_STALE))
            else:
                ready.append((encounter, inputs))
        return sorted(outcomes + self._scored(ready, release), key=_place)

    def _inputs(self, encounter: EncounterRequest) -> _Inputs:
        """Return the features of an encounter, without those that are declared missing."""
        missing = frozenset(encounter.missing)
        if encounter.features is not None:
            return _Inputs(_without(missing, encounter.features), None, encounter.features_as_of_hours)
        row = self._features.row(encounter.encounter, encounter.patient)
        if row is None:
            return _Inputs({}, None, None)
        points = None if missing & set(lace_inputs()) else row.lace
        return _Inputs(_without(missing, row.values), points, row.freshness_hours)

    def _scored(self, ready: list[tuple[EncounterRequest, _Inputs]], release: AssignedRelease | None) -> list[Outcome]:
        """Ask the release about all; after a failure the rest is not asked, so that one request waits once."""
        outcomes: list[Outcome] = []
        failure = FallbackReason.MODEL_UNAVAILABLE if release is None else None
        for start in range(0, len(ready), ENCOUNTERS_A_CALL):
            part = ready[start : start + ENCOUNTERS_A_CALL]
            if release is not None and failure is None:
                try:
                    outcomes += self._asked(part, release)
                    continue
                except ModelFailure as fault:
                    failure = fault.reason
            outcomes += [
                _fallback(encounter, inputs, failure or FallbackReason.MODEL_UNAVAILABLE) for encounter, inputs in part
            ]
        return outcomes

    def _asked(self, part: list[tuple[EncounterRequest, _Inputs]], release: AssignedRelease) -> list[Outcome]:
        names = release.contract.names
        answer = self._model.score(release, {name: [inputs.values[name] for _, inputs in part] for name in names})
        return [
            ScoredOutcome(
                encounter,
                inputs.freshness_hours,
                {name: inputs.values[name] for name in names},
                score,
                answer,
                release,
            )
            for (encounter, inputs), score in zip(part, answer.scores, strict=True)
        ]


def _problem(encounter: EncounterRequest, inputs: _Inputs, contract: Contract | None) -> NotScoredOutcome | None:
    """Return why an encounter cannot be scored, or None."""
    freshness = inputs.freshness_hours
    if all(value is None for value in inputs.values.values()):
        return NotScoredOutcome(encounter, freshness, "no-features")
    if contract is None:
        return None
    missing = tuple(name for name in contract.names if name not in inputs.values)
    if missing:
        return NotScoredOutcome(encounter, freshness, "features-missing", missing)
    invalid = tuple(_invalid(contract, inputs.values))
    return NotScoredOutcome(encounter, freshness, "features-invalid", invalid) if invalid else None


def _without(missing: frozenset[str], values: Values) -> Values:
    return {name: value for name, value in values.items() if name not in missing}


def _invalid(contract: Contract, values: Values) -> list[str]:
    """Return the features whose values cannot be, by the limits of the release."""
    columns: dict[str, list[float | None]] = {name: [values[name]] for name in contract.names}
    if _accepts(contract, columns):
        return []
    unknown: dict[str, list[float | None]] = {name: [None] for name in contract.names}
    return [name for name in contract.names if not _accepts(contract, unknown | {name: columns[name]})]


def _accepts(contract: Contract, columns: Mapping[str, list[float | None]]) -> bool:
    try:
        contract.matrix(columns)
    except UserError:
        return False
    return True


def _fallback(encounter: EncounterRequest, inputs: _Inputs, reason: FallbackReason) -> Outcome:
    if inputs.lace is not None:
        return FallbackOutcome(encounter, inputs.freshness_hours, inputs.values, inputs.lace, None, reason)
    try:
        parts = index(inputs.values)
    except LaceInputsMissing as fault:
        return NotScoredOutcome(encounter, inputs.freshness_hours, "lace-inputs-missing", fault.names, reason)
    return FallbackOutcome(encounter, inputs.freshness_hours, inputs.values, parts.total, parts, reason)


def _place(outcome: Outcome) -> tuple[int, float]:
    match outcome:
        case NotScoredOutcome():
            return 0, 0.0
        case FallbackOutcome():
            return 1, -float(outcome.lace)
        case ScoredOutcome():
            return 2, -outcome.score.risk
