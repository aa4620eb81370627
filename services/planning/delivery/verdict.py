"""Verdict on a canary: the causes of ``causes.yaml``, over its observations so far."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.planning.delivery.calls import CallFault
from services.planning.delivery.causes import Causes
from services.planning.delivery.evidence import ChangeTest, block_level, critical_index, stability_index
from services.planning.delivery.releases import Role
from services.planning.delivery.stops import Cause, Stop

REFERENCE = 1000
"""Scores of the active release, the newest, that a block of the canary's is compared with."""


@dataclass(frozen=True)
class CallSeen:
    """A call of the canary or of the active release, in the order of time."""

    role: Role
    milliseconds: float
    fault: CallFault | None


@dataclass(frozen=True)
class AnswerSeen:
    """The first answer for an encounter that the canary might have taken, in the order of time.

    Parameters
    ----------
    role
        Who answered: the canary, or the active release.
    risk
        The score.
    answered_at
        When.
    overridden_at
        When a clinician first overrode a score of the encounter; None: nobody did.
    """

    role: Role
    risk: float
    answered_at: datetime
    overridden_at: datetime | None


@dataclass(frozen=True)
class Observations:
    """Observations since the canary's first call."""

    calls: Sequence[CallSeen]
    answers: Sequence[AnswerSeen]


def verdict(seen: Observations, causes: Causes, now: datetime) -> Stop | None:
    """Return the first cause that holds, or None."""
    return (
        _incomplete(seen.calls)
        or _error_rate(seen.calls, causes)
        or _latency(seen.calls, causes)
        or _score_shift(seen.answers, causes)
        or _override_rate(seen.answers, causes, now)
    )


def _incomplete(calls: Sequence[CallSeen]) -> Stop | None:
    number = sum(call.role is Role.CANARY and call.fault is CallFault.INCOMPLETE for call in calls)
    return Stop(Cause.INCOMPLETE_RECORD, {"answers": number}) if number else None


def _error_rate(calls: Sequence[CallSeen], causes: Causes) -> Stop | None:
    row = causes.error_rate
    test = row.test()
    for call in calls:
        if call.role is Role.CANARY:
            test.observe(call.fault is not None)
    return _stop(Cause.ERROR_RATE, test, "calls", "failed", row.tolerated)


def _latency(calls: Sequence[CallSeen], causes: Causes) -> Stop | None:
    row = causes.latency
    test = row.test()
    for canary, active in _pairs_of_calls(calls):
        slow, active_slow = canary > row.milliseconds, active > row.milliseconds
        if slow != active_slow:
            test.observe(slow)
    return _stop(Cause.LATENCY, test, "pairs", "canary_slower", row.tolerated)


def _pairs_of_calls(calls: Sequence[CallSeen]) -> Iterator[tuple[float, float]]:
    """Yield the times of each call of the canary, and of the active release's newest before it, each once."""
    active: float | None = None
    for call in calls:
        if call.fault is not None:
            continue
        if call.role is Role.ACTIVE:
            active = call.milliseconds
        elif active is not None:
            yield call.milliseconds, active
            active = None


def _score_shift(answers: Sequence[AnswerSeen], causes: Causes) -> Stop | None:
    row = causes.score_shift
    active: list[float] = []
    canary: list[float] = []
    blocks = 0
    for answer in answers:
        (canary if answer.role is Role.CANARY else active).append(answer.risk)
        if len(canary) < row.block or len(active) < row.block:
            continue
        blocks += 1
        expected, actual = np.array(active[-REFERENCE:]), np.array(canary)
        index = stability_index(expected, actual, row.bins)
        limit = critical_index(len(expected), len(actual), row.bins, block_level(row.level, blocks))
        if index > max(row.psi, limit):
            figures = {"psi": index, "limit": max(row.psi, limit), "scores": len(actual), "active": len(expected)}
            return Stop(Cause.SCORE_SHIFT, figures)
        canary = []
    return None


def _override_rate(answers: Sequence[AnswerSeen], causes: Causes, now: datetime) -> Stop | None:
    row = causes.override_rate
    test = row.test()
    for canary_sooner in _sooner_overrides(answers, now):
        test.observe(canary_sooner)
    return _stop(Cause.OVERRIDE_RATE, test, "pairs", "canary_sooner", row.tolerated)


def _sooner_overrides(answers: Sequence[AnswerSeen], now: datetime) -> list[bool]:
    """Return of each pair with an override whether the canary's came sooner after its answer.

    A pair counts when both have waited as long as the sooner one took, in the order of those times: what was counted
    does not change any more, whatever is overridden later.
    """
    known: list[tuple[datetime, bool]] = []
    for canary, active in _pairs_of_answers(answers):
        waits = [
            (one.overridden_at - one.answered_at, one is canary)
            for one in (canary, active)
            if one.overridden_at is not None
        ]
        if not waits or len({wait for wait, _ in waits}) < len(waits):
            continue
        wait, of_canary = min(waits)
        both_waited = max(canary.answered_at, active.answered_at) + wait
        if both_waited <= now:
            known.append((both_waited, of_canary))
    return [of_canary for _, of_canary in sorted(known)]


def _pairs_of_answers(answers: Sequence[AnswerSeen]) -> Iterator[tuple[AnswerSeen, AnswerSeen]]:
    """Yield each answer of the canary with the newest answer before it of the active release, each once."""
    active: list[AnswerSeen] = []
    for answer in answers:
        if answer.role is Role.ACTIVE:
            active.append(answer)
        elif active:
            yield answer, active.pop()


def _stop(cause: Cause, test: ChangeTest, observed: str, marked: str, tolerated: float) -> Stop | None:
    if not test.exceeded:
        return None
    figures = {observed: test.observations, marked: test.marked, "tolerated": tolerated, "evidence": test.evidence}
    return Stop(cause, figures)
