"""A shadow in a process of its own: it answers nobody, keeps nobody waiting, and leaves its differences."""

from typing import Any

import pytest
import sqlalchemy as sa

from services.database.schemas import Schema
from services.planning.delivery.choice import in_share
from services.planning.delivery.releases import AssignedShadow, Releases
from services.planning.delivery.shadow import MOST_WAITING, Shadow
from services.planning.tables import DIFFERENCES, DROPS
from tests.support.serving.canary_world import CanaryWorld, Running

pytestmark = pytest.mark.process


def with_shadow(world: CanaryWorld, **fields: Any) -> Releases:
    shadow = AssignedShadow(**(world.canary.model_dump() | {"percent": 100} | fields))
    return Releases(active=world.hospital.settings.releases.active, shadow=shadow)


def rows(world: CanaryWorld, table: sa.Table) -> list[dict[str, Any]]:
    with world.hospital.databases[Schema.PLANNING].administrator() as connection:
        return [dict(row) for row in connection.execute(table.select()).mappings()]


def ask(run: Running, number: int) -> dict[str, dict[str, Any]]:
    scores: dict[str, dict[str, Any]] = {}
    for start in range(0, number, 100):
        scores |= run.ask([run.world.encounter(one) for one in range(start, min(start + 100, number))])
    # Whatever the shadow does, the active release answers.
    assert {score["release"]["version"] for score in scores.values()} == {"v1"}
    return scores


def shadow_of(run: Running) -> Shadow:
    assert run.parts.shadow is not None
    return run.parts.shadow


def test_differences_are_kept_without_values_of_features(world: CanaryWorld) -> None:
    world.server.fail("shifted-risks")
    with world.running(with_shadow(world)) as run:
        scores = ask(run, 40)
        shadow_of(run).wait()
    found = rows(world, DIFFERENCES)
    assert {row["encounter"] for row in found} == scores.keys()
    for row in found:
        score = scores[row["encounter"]]
        assert row["record"] == score["record"]
        assert row["risk_difference"] == pytest.approx(score["risk"] ** 0.5 - score["risk"])
        assert (row["decision"], row["fault"]) == (score["decision"], None)
        assert row["milliseconds"] > 0 < row["shadow_milliseconds"]
    assert any(row["decision"] != row["shadow_decision"] for row in found)
    assert not {"features", "values", "reasons"} & set(DIFFERENCES.columns.keys())


@pytest.mark.parametrize(
    ("fault", "code"), [("status-500", "unavailable"), ("no-digest", "incomplete"), ("closed", "unavailable")]
)
def test_a_fault_of_the_shadow_is_a_difference(world: CanaryWorld, fault: str, code: str) -> None:
    world.server.fail(fault)
    with world.running(with_shadow(world)) as run:
        ask(run, 5)
        shadow_of(run).wait()
    assert {(row["fault"], row["risk_difference"], row["shadow_decision"]) for row in rows(world, DIFFERENCES)} == {
        (code, None, None)
    }


def test_a_shadow_that_does_not_answer_keeps_nobody_waiting_and_copies_beyond_the_queue_are_counted(
    world: CanaryWorld,
) -> None:
    number = MOST_WAITING + 100
    world.server.fail("slow")
    with world.running(with_shadow(world)) as run:
        ask(run, number)
        # All are answered, and the shadow has said nothing yet.
        assert rows(world, DIFFERENCES) == []
        world.server.fail("none")
        shadow_of(run).wait()
        run.parts.refresh.round()
        run.parts.refresh.round()
    compared, drops = rows(world, DIFFERENCES), rows(world, DROPS)
    assert len(compared) + sum(drop["copies"] for drop in drops) == number
    assert len(compared) < number
    assert [drop["release"] for drop in drops] == [world.canary.release]


def test_a_share_of_the_encounters_is_copied(world: CanaryWorld) -> None:
    with world.running(with_shadow(world, percent=30)) as run:
        scores = ask(run, 100)
        shadow_of(run).wait()
    copied = {row["encounter"] for row in rows(world, DIFFERENCES)}
    assert copied == {one for one in scores if in_share(one, world.canary.digest, 30)}
    assert 0 < len(copied) < 100


def test_a_shadow_whose_files_cannot_be_verified_is_not_asked(world: CanaryWorld) -> None:
    asked = world.server.asked()
    with world.running(with_shadow(world, files=str(world.hospital.place))) as run:
        ask(run, 5)
        shadow_of(run).wait()
        run.parts.refresh.round()
    assert world.server.asked() == asked
    assert sum(drop["copies"] for drop in rows(world, DROPS)) == 5
