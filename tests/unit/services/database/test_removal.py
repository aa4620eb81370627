"""The removal of a hospital that left, as an administrator like that of Aurora, beside a hospital that stays."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from services.database import __main__ as commands
from services.database import removal, setup
from services.database.administrator import Administrator
from services.database.errors import DatabaseError
from services.database.schemas import Schema, database_name, role_name
from services.database.vault_login import create_role
from tests.support.databases.postgres import Database, PostgresServer, administrator_like_aurora, temporary_server

pytestmark = pytest.mark.process

LEFT, STAYS = "east", "east-wing"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with temporary_server() as made:
        yield made


@pytest.fixture
def administrator(postgres: PostgresServer) -> Administrator:
    """An administrator who is no superuser, with two hospitals: the name of one begins with the other's."""
    made = administrator_like_aurora(postgres)
    for hospital in (LEFT, STAYS):
        setup.set_up(made, hospital)
        with made.autocommit() as connection:
            create_role(connection, hospital)
        setup.migrate_all(made, hospital)
    return made


def of_server(postgres: PostgresServer) -> tuple[set[str], set[str]]:
    with postgres.administrator.autocommit() as connection:
        databases = set(connection.scalars(text("SELECT datname FROM pg_database WHERE datname LIKE 'east%'")))
        roles = connection.scalars(text("SELECT rolname FROM pg_roles WHERE rolname ~ '^(vault_|v-)?east'"))
        return databases, set(roles)


def login(postgres: PostgresServer, name: str, role: str, valid: str) -> None:
    """Create a login as Vault's connection of the hospital does."""
    with postgres.administrator.autocommit() as connection:
        connection.execute(text(f'DROP ROLE IF EXISTS "{name}"'))
        connection.execute(text(f'CREATE ROLE "{name}" LOGIN VALID UNTIL \'{valid}\' IN ROLE "{role}"'))


def test_a_hospital_that_left_keeps_its_audit_alone_and_the_other_everything(
    administrator: Administrator, postgres: PostgresServer
) -> None:
    login(postgres, "v-east-expired", "east-care-service", "2020-01-01")
    login(postgres, "v-east-wing-now", "east-wing-care-service", "2099-01-01")
    databases, roles = of_server(postgres)
    with Database(postgres, LEFT, Schema.CARE).engine("care-service").connect() as open_session:
        open_session.execute(text("SELECT 1"))
        removed = removal.remove(administrator, LEFT)
        open_session.invalidate()
    of_east = {database_name(LEFT, schema) for schema in Schema}
    after = of_server(postgres)
    assert after[0] == databases - of_east | {"east-audit"}
    assert {role for role in after[1] if not role.startswith("east-wing") and "wing" not in role} == {"east-owner"}
    assert {role for role in roles if "wing" in role} == {role for role in after[1] if "wing" in role}
    assert set(removed.databases) == of_east - {"east-audit"}
    assert {"v-east-expired", "vault_east", "east-care-service"} <= set(removed.roles)
    with administrator.transaction("east-audit") as connection:
        connection.execute(text(f'SET LOCAL ROLE "{role_name(LEFT, "owner")}"'))
        assert connection.scalar(text("SELECT count(*) FROM audit.records")) == 0
    # Again, as after a crash; and the hospital may come back to its chain.
    assert removal.remove(administrator, LEFT).databases == ()
    setup.set_up(administrator, LEFT)
    setup.migrate_all(administrator, LEFT)
    assert of_east <= of_server(postgres)[0]


def test_a_valid_login_is_vault_s_to_revoke_first(administrator: Administrator, postgres: PostgresServer) -> None:
    login(postgres, "v-east-now", "east-care-service", "2099-01-01")
    before = of_server(postgres)
    with pytest.raises(DatabaseError, match="1 logins of Vault are still valid"):
        removal.remove(administrator, LEFT)
    assert of_server(postgres) == before
    login(postgres, "v-east-now", "east-care-service", "2020-01-01")


def test_the_command_removes_nothing_without_a_record_and_leaves_two(
    administrator: Administrator, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_administrator", lambda: administrator)
    approval = ("--approved-by", "privacy-officer:jane.doe", "--reason", "BAA-2026-014 ended")
    before = of_server(postgres)
    (tmp_path / "file").touch()
    refused = CliRunner().invoke(
        commands.app, ["remove", "--hospital", LEFT, "--log", str(tmp_path / "file" / "log"), *approval]
    )
    assert refused.exit_code == 1
    assert of_server(postgres) == before
    done = CliRunner().invoke(commands.app, ["remove", "--hospital", LEFT, "--log", str(tmp_path), *approval])
    assert done.exit_code == 0, done.output
    assert "removed east-care, east-planning, east-warehouse" in done.output
    begun, ended = (json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json")))
    assert (begun["stage"], ended["stage"]) == ("begun", "done")
    for record in (begun, ended):
        assert record["approvedBy"] == "privacy-officer:jane.doe"
        assert record["databases"] == ["east-care", "east-planning", "east-warehouse"]
        assert record["kept"] == ["east-audit", "east-owner"]
