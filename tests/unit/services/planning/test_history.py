"""The database's own rules for scores and feedback, whatever the service does."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from model.io.database import sqlstate
from services.database.schemas import Schema
from services.planning.history import of_encounter
from services.planning.tables import FEEDBACK, SCORES
from tests.support.databases.postgres import Database, PostgresServer

pytestmark = pytest.mark.process

ENCOUNTER = "v1-" + "a1" * 10
CHECK, DENIED, FOREIGN, TWICE = "23514", "42501", "23503", "23505"
COMMON = {"record": 1, "workflow": "discharge-worklist", "encounter": ENCOUNTER, "reasons": []}
SCORED = COMMON | {"status": "scored", "risk": 0.2, "decision": "high", "digest": "ab" * 32}
FALLBACK = COMMON | {"status": "fallback", "lace": 11, "fallback_reason": "model-slow"}
NOT_SCORED = COMMON | {"status": "not-scored", "not_scored_reason": "no-features"}


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Database:
    return postgres.database(Schema.PLANNING)


@pytest.fixture(scope="module")
def engine(database: Database) -> sa.Engine:
    return database.engine("planning-service")


def refused(engine: sa.Engine, statement: Any, values: Any = None) -> str:
    with pytest.raises(DBAPIError) as error, engine.begin() as connection:
        connection.execute(statement, values)
    return sqlstate(error.value)


def test_the_three_kinds_are_kept(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for record, row in enumerate((SCORED, FALLBACK, NOT_SCORED), start=1):
            connection.execute(sa.insert(SCORES), row | {"record": record})
        found = of_encounter(connection, ENCOUNTER)
    assert [score.status for score in found.scores] == ["not-scored", "fallback", "scored"]
    assert of_encounter_is_empty(engine, "v1-" + "b2" * 10)


def of_encounter_is_empty(engine: sa.Engine, encounter: str) -> bool:
    with engine.connect() as connection:
        found = of_encounter(connection, encounter)
    return not found.scores and not found.feedback


@pytest.mark.parametrize(
    "row",
    [
        SCORED | {"risk": None},
        SCORED | {"digest": None},
        SCORED | {"lace": 3},
        SCORED | {"fallback_reason": "model-slow"},
        SCORED | {"risk": 1.2},
        SCORED | {"encounter": "Encounter/456"},
        FALLBACK | {"risk": 0.2},
        FALLBACK | {"lace": None},
        FALLBACK | {"lace": 20},
        FALLBACK | {"fallback_reason": None},
        FALLBACK | {"digest": "ab" * 32},
        NOT_SCORED | {"risk": 0.2},
        NOT_SCORED | {"lace": 3},
        NOT_SCORED | {"not_scored_reason": None},
        NOT_SCORED | {"status": "denied"},
    ],
)
def test_a_rank_is_never_kept_as_a_score(engine: sa.Engine, row: dict[str, Any]) -> None:
    assert refused(engine, sa.insert(SCORES), row | {"record": 99}) == CHECK


def test_feedback_is_on_a_score_and_once(engine: sa.Engine) -> None:
    given = {"workflow": "feedback", "encounter": ENCOUNTER, "record": 7, "code": "accepted"}
    assert refused(engine, sa.insert(FEEDBACK), given) == FOREIGN
    with engine.begin() as connection:
        connection.execute(sa.insert(SCORES), SCORED | {"record": 7})
        connection.execute(sa.insert(FEEDBACK), given)
    assert refused(engine, sa.insert(FEEDBACK), given) == TWICE


def test_the_service_changes_and_removes_nothing(engine: sa.Engine) -> None:
    for table in (SCORES, FEEDBACK):
        assert refused(engine, sa.delete(table)) == DENIED
        assert refused(engine, sa.update(table).values(workflow="x")) == DENIED
    # The time of a score is the database's.
    backdated = SCORED | {"record": 8, "scored_at": sa.func.now()}
    assert refused(engine, sa.insert(SCORES).values(**backdated)) == DENIED
