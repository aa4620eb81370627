"""Sessions: the database opens one for a token that the identity provider signed, and for nothing else."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.care.worklist import entries, sessions
from services.care.worklist.sessions import SessionEndedError
from services.care.worklist.tokens import RefusedTokenError
from tests.support.care.worklist_world import World, scored
from tests.support.databases.postgres import PostgresServer
from tests.support.identity.sign_in import AUDITOR, COORDINATOR, MANAGER, OTHER_UNIT, Issuer, User

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer) -> Iterator[World]:
    """A worklist with one entry, which no test changes."""
    made = World.create(postgres)
    made.place(1, scored(0.3))
    yield made
    made.engine.dispose()


def seen(world: World, user: User) -> list[str]:
    with world.session(user) as session:
        return [entry.unit for entry in entries.listed(session)]


def test_a_person_sees_their_units_alone(world: World) -> None:
    world.place(1, scored(0.3))
    world.place(2, scored(0.2), unit="medicine")
    assert seen(world, COORDINATOR) == ["cardiology"]
    assert seen(world, OTHER_UNIT) == ["medicine"]
    assert seen(world, MANAGER) == ["cardiology", "medicine"]
    assert seen(world, AUDITOR) == []


def test_a_stolen_login_sees_nothing_and_chooses_nothing(world: World) -> None:
    world.place(1, scored(0.3))
    with world.session() as session:
        assert len(entries.listed(session)) == 1
    role = f'SET LOCAL ROLE "{world.database.hospital}-coordinator"'
    with world.engine.begin() as connection:
        connection.execute(text(role))
        for setting in ("care.units", "app.units", "worklist.units", "request.jwt.claims"):
            connection.execute(text(f"SELECT set_config('{setting}', '{{cardiology}}', false)"))
        for table in ("entries", "scores", "events", "views", "break_glass", "drafts", "forms"):
            assert connection.scalar(text(f"SELECT count(*) FROM care.worklist_{table}")) == 0
        changed = connection.execute(text("UPDATE care.worklist_entries SET version = 9"))
        assert changed.rowcount == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM care.worklist_sessions",
        "UPDATE care.worklist_sessions SET transaction = pg_current_xact_id()",
        "INSERT INTO care.worklist_issuers (issuer, audience, hospital, acr) VALUES ('https://x', 'x', 'x', '{2}')",
        "INSERT INTO care.worklist_signing_keys (issuer, kid, modulus, octets) VALUES ('https://x', 'x', 1, 256)",
        "INSERT INTO care.worklist_entries (encounter, patient, unit, discharged_at) VALUES ('x', 'x', 'x', now())",
        "UPDATE care.worklist_entries SET unit = 'cardiology'",
        "UPDATE care.worklist_entries SET readmitted = true",
        "DELETE FROM care.worklist_entries",
        "UPDATE care.worklist_events SET note = ''",
        "DELETE FROM care.worklist_events",
        "DELETE FROM care.worklist_views",
        "DELETE FROM care.worklist_break_glass",
        "INSERT INTO care.worklist_break_glass (entry, unit, until, actor, actor_name, actor_units, code, reason) "
        "SELECT id, unit, now(), 'x', 'x', '{}', 'x', 'a reason of ten' FROM care.worklist_entries",
        "SELECT care.worklist_claims('x')",
        "SELECT care.worklist_place('x', 'x', 'x', now(), now(), '{}')",
        "ALTER TABLE care.worklist_entries DISABLE ROW LEVEL SECURITY",
    ],
)
def test_the_coordinator_role_cannot(shared: World, statement: str) -> None:
    with shared.session() as session, pytest.raises(DBAPIError) as refused:
        session.connection.execute(text(statement))
    assert refused.value.orig is not None
    assert getattr(refused.value.orig, "sqlstate", None) == "42501"


def test_nobody_writes_in_the_name_of_another(world: World) -> None:
    entry = world.place(1, scored(0.3))
    insert = text(
        "INSERT INTO care.worklist_events (entry, actor, actor_name, kind) VALUES (:entry, :actor, 'Robin', 'note')"
    )
    with pytest.raises(DBAPIError, match="row-level security"), world.session() as session:
        session.connection.execute(insert, {"entry": entry, "actor": OTHER_UNIT.subject})
    with pytest.raises(DBAPIError, match="row-level security"), world.session(OTHER_UNIT) as session:
        session.connection.execute(insert, {"entry": entry, "actor": OTHER_UNIT.subject})


TAMPERED: dict[str, Callable[[Issuer], str]] = {
    "no-second-factor": lambda issuer: issuer.token(second_factor=False),
    "another-key": lambda issuer: issuer.impostor().token(),
    "another-hospital": lambda issuer: issuer.token(hospital="elsewhere"),
    "another-issuer": lambda issuer: Issuer("elsewhere").token(),
    "another-audience": lambda issuer: issuer.token(aud="north-worklist"),
    "identity-token": lambda issuer: issuer.token(typ="ID"),
    "expired": lambda issuer: issuer.token(now=time.time() - 400),
    "no-expiry": lambda issuer: issuer.token(without=("exp",)),
    "no-session": lambda issuer: issuer.token(without=("sid",)),
    "no-subject": lambda issuer: issuer.token(without=("sub",)),
    "units-as-text": lambda issuer: issuer.token(units="cardiology"),
    "no-units": lambda issuer: issuer.token(without=("units",)),
    "no-algorithm": lambda issuer: ".".join(["eyJhbGciOiJub25lIn0", issuer.token().split(".")[1], ""]),
    "other-claims": lambda issuer: ".".join(
        [issuer.token().split(".")[0], issuer.token(MANAGER).split(".")[1], issuer.token().split(".")[2]]
    ),
    "cut": lambda issuer: issuer.token()[:-4],
    "no-token": lambda issuer: "a.b.c",
    "two-parts": lambda issuer: "a.b",
    "not-text": lambda issuer: "é.ü.ß",
    "empty": lambda issuer: "",
    "huge": lambda issuer: "a" * 20000,
}


@pytest.mark.parametrize("name", TAMPERED)
def test_the_database_refuses_the_token(shared: World, name: str) -> None:
    token = TAMPERED[name](shared.issuer)
    with pytest.raises(RefusedTokenError), sessions.transaction(shared.engine, shared.database.hospital, token):
        pass


def test_a_session_ends_without_activity_and_the_same_sign_in_opens_none_again(world: World) -> None:
    with world.session():
        pass
    later = "UPDATE care.worklist_sessions SET seen = seen - interval '16 minutes'"
    with world.database.administrator() as connection:
        connection.execute(text(later))
    for _ in range(2):
        with pytest.raises(SessionEndedError), world.session():
            pass
    again = world.issuer.token(sid="another-sign-in")
    with sessions.transaction(world.engine, world.database.hospital, again) as session:
        assert session.person.subject == COORDINATOR.subject


def test_a_session_ends_after_its_longest_time(world: World) -> None:
    world.publish(longest=timedelta(hours=2))
    with world.session():
        pass
    with world.database.administrator() as connection:
        connection.execute(text("UPDATE care.worklist_sessions SET started = started - interval '3 hours'"))
    with pytest.raises(SessionEndedError), world.session():
        pass


def test_a_person_who_signed_out_is_out(world: World) -> None:
    with world.session() as session:
        sessions.end(session)
    with pytest.raises(SessionEndedError), world.session():
        pass


def test_another_person_cannot_use_a_session(world: World) -> None:
    with world.session():
        pass
    token = world.issuer.token(OTHER_UNIT, sid="session-of-casey")
    with pytest.raises(RefusedTokenError), sessions.transaction(world.engine, world.database.hospital, token):
        pass


def test_units_are_those_of_the_newest_token(world: World) -> None:
    world.place(1, scored(0.3))
    assert seen(world, COORDINATOR) == ["cardiology"]
    token = world.issuer.token(units=["medicine"])
    with sessions.transaction(world.engine, world.database.hospital, token) as session:
        assert entries.listed(session) == []


def test_the_purpose_comes_from_the_role(world: World) -> None:
    purposes = {}
    for user in (COORDINATOR, MANAGER, AUDITOR):
        with world.session(user) as session:
            purposes[user.name] = session.purpose
    assert list(purposes.values()) == ["TREAT", "HOPERAT", "HOPERAT"]
