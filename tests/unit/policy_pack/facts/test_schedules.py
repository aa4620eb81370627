"""On which days the schedules of AWS run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_pack.facts.schedules import NEVER, Schedule, schedule

DAILY, MONTHLY = Schedule(daily=True, monthly=True), Schedule(daily=False, monthly=True)


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("cron(0 5 * * ? *)", DAILY),
        ("cron(0/30 5,17 1-31 1-12 ? *)", DAILY),
        ("cron(0 5 ? * SUN-SAT *)", DAILY),
        ("cron(0 5 ? * 1,2,3,4,5,6,7 *)", DAILY),
        ("cron(0 5 ? JAN-DEC * *)", DAILY),
        ("rate(1 day)", DAILY),
        ("rate(24 hours)", DAILY),
        ("rate(5 minutes)", DAILY),
        ("rate(25 hours)", MONTHLY),
        ("rate(28 days)", MONTHLY),
        ("rate(29 days)", NEVER),
        ("cron(0 9 1 * ? *)", MONTHLY),
        ("cron(0 9 ? * MON *)", MONTHLY),
        ("cron(0 9 1-30 * ? *)", MONTHLY),
        ("cron(0 9 */2 * ? *)", MONTHLY),
        ("cron(0 9 31 * ? *)", NEVER),
        ("cron(0 9 L * ? *)", NEVER),
        ("cron(0 9 1 1 ? *)", NEVER),
        ("cron(0 5 * * ? 2020)", NEVER),
        ("cron(0 5 * * * *)", NEVER),
        ("cron(0 5 ? * ? *)", NEVER),
        ("cron(61 5 * * ? *)", NEVER),
        ("cron(0 24 * * ? *)", NEVER),
        ("cron(0 5 * * ?)", NEVER),
        ("cron(0 5 5-1 * ? *)", NEVER),
        ("cron(0 5 1/0 * ? *)", NEVER),
        ("rate(0 days)", NEVER),
        ("rate(1 week)", NEVER),
        ("at(2026-01-01T00:00:00)", NEVER),
        ("", NEVER),
    ],
)
def test_a_schedule_runs_as_aws_runs_it(expression: str, runs: Schedule) -> None:
    assert schedule(expression) == runs


@given(st.text(alphabet="cronrate()0123456789 *?/,-LMONSUN", max_size=30))
def test_any_expression_has_an_answer(expression: str) -> None:
    found = schedule(expression)
    assert found.monthly or not found.daily
