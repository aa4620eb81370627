"""Scores of encounters: by the canary or the active release, else by LACE, else none; each with its reason."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from model.errors import UserError
from model.scoring.contract import Contract
from services.planning.delivery.calls import Call, CallFault, call_fault
from services.planning.delivery.canary import Canary
from services.planning.delivery.observations import Answered
from services.planning.delivery.releases import Role
from services.planning.lace import Lace, LaceInputsMissingError, index
from services.planning.lace import inputs as lace_inputs
from services.planning.model_client import FallbackReason, ModelAnswer, ModelFailureError, ModelScore, ReleaseServer
from services.planning.online_features import OnlineFeatures
from services.planning.release import AssignedRelease
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
    """A score of a release; ``milliseconds`` is the time of the call that gave it."""

    request: EncounterRequest
    freshness_hours: float | None
    values: Values
    score: ModelScore
    answer: ModelAnswer
    release: AssignedRelease
    milliseconds: float


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
_Ready = list[tuple[EncounterRequest, _Inputs]]


@dataclass(frozen=True)
class Answers:
    """Answers to a request.

    Attributes
    ----------
    outcomes
        One for each encounter, in the order in which to show them.
    calls
        The calls of model servers.
    compared
        The scored encounters that a canary may take and that the release answered whose share they are in: where the
        active release answers in place of the canary, nothing is compared.
    """

    outcomes: tuple[Outcome, ...]
    calls: tuple[Call, ...]
    compared: tuple[Answered, ...] = ()


class Scoring:
    """Scores encounters of one hospital.

    Parameters
    ----------
    active : ReleaseServer, optional
        The active release; without one every encounter is ranked by LACE.
    features : OnlineFeatures
        Features of encounters that are given without them.
    stale_hours : float
        Age from which features are stale.
    canary : Canary, optional
        Answers its share of the encounters. Where it gives no answer, the active release does: a patient gets a score
        of an approved release before a rank by LACE.
    """

    def __init__(
        self,
        active: ReleaseServer | None,
        features: OnlineFeatures,
        *,
        stale_hours: float,
        canary: Canary | None = None,
    ) -> None:
        self._active, self._features, self._canary = active, features, canary
        self._stale_hours = stale_hours

    def answer(self, encounters: Sequence[EncounterRequest]) -> Answers:
        """Return an outcome for each encounter, in the order in which to show them.

        Not scored first, then by LACE, then by a release: of who has no score, the risk is not known. Within each,
        the highest first.
        """
        release = self._active.source.get() if self._active else None
        # Without the active release there is nothing to compare a canary with.
        canary = self._canary.release() if self._canary and release else None
        outcomes: list[Outcome] = []
        ready: _Ready = []
        ready_for_canary: _Ready = []
        for encounter in encounters:
            inputs = self._inputs(encounter)
            problem = _problem(encounter, inputs, release.contract if release else None)
            if problem is not None:
                outcomes.append(problem)
            elif inputs.freshness_hours is None or inputs.freshness_hours > self._stale_hours:
                outcomes.append(_fallback(encounter, inputs, FallbackReason.FEATURES_STALE))
            elif canary is not None and self._taken(encounter, inputs, canary):
                ready_for_canary.append((encounter, inputs))
            else:
                ready.append((encounter, inputs))
        calls: list[Call] = []
        if canary is not None and self._canary is not None:
            scored, unanswered, _ = _scored(ready_for_canary, canary, self._canary.server, Role.CANARY, calls)
            outcomes += scored
            ready += unanswered
        scored, unanswered, failure = _scored(ready, release, self._active, Role.ACTIVE, calls)
        outcomes += scored
        outcomes += [_fallback(encounter, inputs, failure) for encounter, inputs in unanswered]
        # In the order of the request, in which the two answer alternately, and not in that of the risks.
        by_encounter = {outcome.request.encounter: outcome for outcome in outcomes}
        asked = [by_encounter[encounter.encounter] for encounter in encounters]
        compared = self._compared(asked, canary) if canary is not None else ()
        return Answers(tuple(sorted(outcomes, key=_place)), tuple(calls), compared)

    def _compared(self, outcomes: Sequence[Outcome], canary: AssignedRelease) -> tuple[Answered, ...]:
        if self._canary is None:
            return ()
        compared = []
        for outcome in outcomes:
            request = outcome.request
            if isinstance(outcome, ScoredOutcome) and self._canary.may_take(request.cohort):
                by_canary = outcome.release.digest == canary.digest
                if by_canary == self._canary.takes(request.encounter, request.cohort):
                    compared.append(Answered(request.encounter, Role.CANARY if by_canary else Role.ACTIVE))
        return tuple(compared)

    def _taken(self, encounter: EncounterRequest, inputs: _Inputs, canary: AssignedRelease) -> bool:
        """Return whether the canary answers an encounter; what its contract does not take is the active release's."""
        if self._canary is None or not self._canary.takes(encounter.encounter, encounter.cohort):
            return False
        return _problem(encounter, inputs, canary.contract) is None

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


def _scored(
    ready: _Ready, release: AssignedRelease | None, server: ReleaseServer | None, role: Role, calls: list[Call]
) -> tuple[list[Outcome], _Ready, FallbackReason]:
    """Ask a release about all; after a failure the rest is not asked, so that one request waits once for a release.

    Returns
    -------
    tuple
        Outcomes; the encounters without an answer; why they have none. ``calls`` gets the calls.
    """
    outcomes: list[Outcome] = []
    if release is None or server is None:
        return outcomes, ready, FallbackReason.MODEL_UNAVAILABLE
    for start in range(0, len(ready), ENCOUNTERS_A_CALL):
        part = ready[start : start + ENCOUNTERS_A_CALL]
        begin = time.monotonic()
        fault: CallFault | None = None
        try:
            outcomes += _asked(part, release, server)
        except ModelFailureError as failure:
            fault = call_fault(failure)
            return outcomes, ready[start:], failure.reason
        finally:
            calls.append(Call(role, len(part), (time.monotonic() - begin) * 1000, fault))
    return outcomes, [], FallbackReason.MODEL_UNAVAILABLE


def _asked(part: _Ready, release: AssignedRelease, server: ReleaseServer) -> list[Outcome]:
    names, begin = release.contract.names, time.monotonic()
    answer = server.client.score(release, {name: [inputs.values[name] for _, inputs in part] for name in names})
    milliseconds = (time.monotonic() - begin) * 1000
    return [
        ScoredOutcome(
            encounter,
            inputs.freshness_hours,
            {name: inputs.values[name] for name in names},
            score,
            answer,
            release,
            milliseconds,
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
    except LaceInputsMissingError as fault:
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
