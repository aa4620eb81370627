"""A day of a hospital begins and ends in its time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.replay.day import bounds


@pytest.mark.parametrize(
    ("day", "zone", "start", "hours"),
    [
        (date(2026, 11, 30), "UTC", datetime(2026, 11, 30, tzinfo=UTC), 24),
        (date(2026, 11, 30), "America/New_York", datetime(2026, 11, 30, 5, tzinfo=UTC), 24),
        (date(2026, 11, 1), "America/New_York", datetime(2026, 11, 1, 4, tzinfo=UTC), 25),
        (date(2026, 3, 29), "Europe/London", datetime(2026, 3, 29, tzinfo=UTC), 23),
    ],
)
def test_a_day_has_its_own_hours(day: date, zone: str, start: datetime, hours: int) -> None:
    first, end = (moment.astimezone(UTC) for moment in bounds(day, ZoneInfo(zone)))
    assert (first, end - first) == (start, timedelta(hours=hours))
