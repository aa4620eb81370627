"""What stops a canary, over traffic whose every figure is given; and how often healthy traffic does."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.planning.delivery.calls import CallFault
from services.planning.delivery.causes import causes
from services.planning.delivery.releases import Role
from services.planning.delivery.stops import Cause
from services.planning.delivery.verdict import AnswerSeen, CallSeen, Observations, verdict

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
LATER = START + timedelta(days=60)
RESAMPLES = 500
MOST_FALSE_STOPS = 0.01


def healthy(generator: np.random.Generator, share: float) -> Observations:
    """Return traffic of two releases that behave the same: a third of a percent fails, a tenth is overridden."""
    number = int(generator.integers(600, 2400))
    roles = [Role.CANARY if chosen else Role.ACTIVE for chosen in generator.random(number) < share]
    times = generator.lognormal(np.log(15), 0.8, number).tolist()
    failed = (generator.random(number) < 1 / 300).tolist()
    risks = generator.beta(1.2, 9, number).tolist()
    overridden = (generator.random(number) < 0.1).tolist()
    waits = generator.exponential(36, number).tolist()
    moments = [START + timedelta(minutes=10 * place) for place in range(number)]
    calls = [
        CallSeen(role, time, CallFault.UNAVAILABLE if fault else None)
        for role, time, fault in zip(roles, times, failed, strict=True)
    ]
    answers = [
        AnswerSeen(role, risk, at, at + timedelta(hours=wait) if override else None)
        for role, risk, at, override, wait in zip(roles, risks, moments, overridden, waits, strict=True)
    ]
    return Observations(calls, answers)


def test_at_most_one_percent_of_healthy_canaries_are_stopped() -> None:
    stopped = 0
    for seed in range(RESAMPLES):
        generator = np.random.default_rng(seed)
        seen = healthy(generator, share=float(generator.choice([0.05, 0.1, 0.25, 0.5])))
        # The tests look after each observation: once exceeded, a limit stays exceeded.
        stopped += verdict(seen, causes(), LATER) is not None
    assert stopped / RESAMPLES <= MOST_FALSE_STOPS


def calls(*kinds: tuple[Role, float, CallFault | None]) -> Observations:
    return Observations([CallSeen(*kind) for kind in kinds], [])


def alternately(canary: Sequence[CallSeen], active: Sequence[CallSeen]) -> Observations:
    return Observations([call for pair in zip(active, canary, strict=True) for call in pair], [])


def test_one_answer_without_a_complete_record() -> None:
    stop = verdict(calls((Role.CANARY, 5, CallFault.INCOMPLETE)), causes(), LATER)
    assert stop is not None
    assert (stop.cause, stop.figures) == (Cause.INCOMPLETE_RECORD, {"answers": 1})
    assert verdict(calls((Role.ACTIVE, 5, CallFault.INCOMPLETE)), causes(), LATER) is None


@pytest.mark.parametrize("fault", [CallFault.UNAVAILABLE, CallFault.SLOW])
def test_errors_of_the_canary_alone_count(fault: CallFault) -> None:
    stop = verdict(calls(*[(Role.CANARY, 5, fault)] * 5), causes(), LATER)
    assert stop is not None
    assert stop.cause is Cause.ERROR_RATE
    assert stop.figures["failed"] == stop.figures["calls"] <= 5
    assert verdict(calls(*[(Role.ACTIVE, 5, fault)] * 500), causes(), LATER) is None


def test_a_busy_cluster_that_slows_both_stops_nothing() -> None:
    slow = causes().latency.milliseconds * 2
    both = [CallSeen(Role.CANARY, slow, None)] * 200, [CallSeen(Role.ACTIVE, slow, None)] * 200
    assert verdict(alternately(*both), causes(), LATER) is None
    one = [CallSeen(Role.CANARY, slow, None)] * 30, [CallSeen(Role.ACTIVE, 5, None)] * 30
    stop = verdict(alternately(*one), causes(), LATER)
    assert stop is not None
    assert stop.cause is Cause.LATENCY
    other = [CallSeen(Role.CANARY, 5, None)] * 200, [CallSeen(Role.ACTIVE, slow, None)] * 200
    assert verdict(alternately(*other), causes(), LATER) is None


def answers(canary_risk: float, active_risk: float, number: int) -> list[AnswerSeen]:
    generator = np.random.default_rng(0)
    return [
        AnswerSeen(role, min(1.0, risk + 0.1 * float(generator.random())), START, None)
        for _ in range(number)
        for role, risk in ((Role.ACTIVE, active_risk), (Role.CANARY, canary_risk))
    ]


def test_a_shift_of_the_scores_needs_enough_of_them() -> None:
    block = causes().score_shift.block
    assert verdict(Observations([], answers(0.5, 0.1, block - 1)), causes(), LATER) is None
    stop = verdict(Observations([], answers(0.5, 0.1, block)), causes(), LATER)
    assert stop is not None
    assert stop.cause is Cause.SCORE_SHIFT
    assert stop.figures["psi"] > stop.figures["limit"] >= causes().score_shift.psi
    assert verdict(Observations([], answers(0.1, 0.1, block)), causes(), LATER) is None


def overridden(number: int, canary_hours: float | None, active_hours: float | None) -> Observations:
    def answer(role: Role, place: int, hours: float | None) -> AnswerSeen:
        at = START + timedelta(minutes=place)
        return AnswerSeen(role, 0.1, at, None if hours is None else at + timedelta(hours=hours))

    return Observations(
        [],
        [
            one
            for place in range(number)
            for one in (answer(Role.ACTIVE, place, active_hours), answer(Role.CANARY, place, canary_hours))
        ],
    )


@pytest.mark.parametrize(
    ("canary_hours", "active_hours", "stopped"),
    [(5, None, True), (5, 50, True), (5, 5, False), (50, 5, False), (None, 5, False), (None, None, False)],
)
def test_overrides_of_the_canary_that_come_sooner(
    canary_hours: float | None, active_hours: float | None, stopped: bool
) -> None:
    stop = verdict(overridden(30, canary_hours, active_hours), causes(), LATER)
    assert (stop is not None and stop.cause is Cause.OVERRIDE_RATE) == stopped


def test_an_override_counts_when_both_have_waited_as_long() -> None:
    seen = overridden(30, None, 5)
    # Of none of the pairs the canary's has waited five hours yet; nothing of it counts for or against the canary.
    assert verdict(seen, causes(), START + timedelta(hours=1)) is None
