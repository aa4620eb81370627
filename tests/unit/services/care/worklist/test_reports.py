"""Readmissions by intervention and unit."""

import pytest
from sqlalchemy import text

from model.definitions.features import definitions
from services.care.worklist import placements, reports
from services.care.worklist.reports import Readmissions, wilson
from tests.support.care.worklist_world import World, scored
from tests.support.identity.sign_in import MANAGER


# Newcombe 1998, Stat Med 17:857, table I, method 3 (Wilson score without continuity correction).
@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_the_literature(events: int, trials: int, low: float, high: float) -> None:
    assert wilson(events, trials) == pytest.approx((low, high), abs=5e-5)


def test_so_few_discharges_have_no_rate() -> None:
    few = Readmissions("cardiology", "call", reports.FEWEST - 1, 1)
    assert (few.rate, few.interval) == (None, None)
    assert Readmissions("cardiology", "call", reports.FEWEST, 1).rate == 1 / reports.FEWEST


@pytest.mark.process
def test_rows_count_discharges_whose_days_are_over(world: World) -> None:
    given: dict[int, tuple[str, list[str], bool]] = {
        1: ("cardiology", ["call"], True),
        2: ("cardiology", ["call", "call"], False),
        3: ("cardiology", ["call", "home-visit"], True),
        4: ("cardiology", [], False),
        5: ("medicine", ["home-visit"], True),
    }
    for number, (unit, interventions, readmitted) in given.items():
        entry = world.place(number, scored(0.3), unit=unit, hours=31 * 24)
        with world.database.administrator() as connection:
            for code in interventions:
                connection.execute(
                    text(
                        "INSERT INTO care.worklist_events (entry, actor, actor_name, kind, code) "
                        "VALUES (CAST(:entry AS uuid), 'x', 'X', 'intervention', :code)"
                    ),
                    {"entry": entry, "code": code},
                )
        with world.engine.begin() as connection:
            assert placements.record_readmission(connection, f"v1-{number:012x}", readmitted)
    world.place(6, scored(0.3), hours=20 * 24)
    with world.engine.begin() as connection:
        assert not placements.record_readmission(connection, "v1-000000000006", True)
        assert not placements.record_readmission(connection, "v1-00000000ffff", True)
    with world.session() as session:
        assert reports.readmissions(session) == [
            Readmissions("cardiology", "call", 3, 2),
            Readmissions("cardiology", "home-visit", 1, 1),
            Readmissions("cardiology", "none", 1, 0),
        ]
    with world.session(MANAGER) as session:
        assert reports.readmissions(session)[-1] == Readmissions("medicine", "home-visit", 1, 1)


@pytest.mark.process
@pytest.mark.parametrize(("return_days", "recorded"), [(20, True), (21, False), (0, False), (-1, False), (None, False)])
def test_a_readmission_is_recorded_when_the_window_of_the_service_is_over(
    world: World, return_days: int | None, recorded: bool
) -> None:
    world.place(1, scored(0.3), hours=20 * 24 + 12)
    statement = text("SELECT care.worklist_record_readmission(:encounter, true, :return_days)")
    values = {"encounter": "v1-000000000001", "return_days": return_days}
    with world.engine.begin() as connection:
        assert connection.scalar(statement, values) is recorded
    with world.database.administrator() as connection:
        kept = connection.scalar(text("SELECT readmitted FROM care.worklist_entries"))
        assert kept is (True if recorded else None)


@pytest.mark.process
def test_the_service_waits_for_the_window_of_the_definitions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.place(1, scored(0.3), hours=31 * 24)
    stay = definitions().stay.model_copy(update={"return_days": 45})
    monkeypatch.setattr(placements, "definitions", lambda: definitions().model_copy(update={"stay": stay}))
    with world.engine.begin() as connection:
        assert not placements.record_readmission(connection, "v1-000000000001", True)
