"""Vault's login, given by the administrator to a real OpenBao, and the logins that Vault then creates."""

from collections.abc import Iterator
from pathlib import Path

import hvac.exceptions
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from infra.vault.database_roles import login_roles
from model.io.database import DatabaseLogin
from services.database import connections, grants, setup, vault_login
from services.database.schemas import Schema
from tests.support.databases import vault_database
from tests.support.databases.postgres import ADMINISTRATOR, PostgresServer, temporary_server
from tests.support.databases.vault_database import MOUNT
from tests.support.vault.bao_server import HOSPITAL, Bao, bao

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server of its own, whose log is read."""
    with temporary_server({"log_statement": "all"}) as made:
        setup.set_up(made.administrator, HOSPITAL)
        setup.migrate_all(made.administrator, HOSPITAL)
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Bao]:
    with bao(tmp_path_factory.mktemp("bao"), vault_database.environment(postgres)) as made:
        vault_database.lay_out(made, postgres)
        yield made


def address(postgres: PostgresServer, schema: str) -> connections.Database:
    return connections.Database(postgres.address, f"{HOSPITAL}-{schema}")


def give(postgres: PostgresServer, server: Bao) -> bool:
    attempt, vault = server.vault("database", 0), server.vault("database")
    return vault_login.give_vault_its_login(postgres.administrator, HOSPITAL, attempt=attempt, vault=vault)


@pytest.fixture
def given(postgres: PostgresServer, server: Bao) -> Bao:
    give(postgres, server)
    return server


def test_the_first_update_gives_a_password_and_later_ones_let_vault_change_it(
    postgres: PostgresServer, server: Bao
) -> None:
    with pytest.raises(hvac.exceptions.VaultError):
        server.root.read(f"{MOUNT}/creds/analyst")
    assert give(postgres, server)
    assert not give(postgres, server)
    assert server.root.read(f"{MOUNT}/creds/analyst")["data"]["password"]


@pytest.mark.parametrize("password", ["'other'", "NULL"])
def test_a_crash_half_way_or_a_restored_server_is_repaired(postgres: PostgresServer, given: Bao, password: str) -> None:
    with postgres.administrator.autocommit() as connection:
        connection.execute(text(f"ALTER ROLE vault_{HOSPITAL} PASSWORD {password}"))
        # Vault keeps its connections: those that it had are closed.
        connection.execute(
            text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'vault_{HOSPITAL}'")
        )
    assert give(postgres, given)
    assert given.root.read(f"{MOUNT}/creds/analyst")["data"]["password"]


def test_no_password_is_in_the_log_of_the_server_or_readable_in_vault(postgres: PostgresServer, given: Bao) -> None:
    login = given.root.read(f"{MOUNT}/creds/analyst")["data"]
    log = (postgres.folder / "server.log").read_text(encoding="utf-8")
    assert login["username"] in log
    assert login["password"] not in log
    written = [line for line in log.splitlines() if "PASSWORD '" in line and "'other'" not in line]
    assert written
    assert all("PASSWORD 'SCRAM-SHA-256$" in line for line in written)
    details = given.root.read(f"{MOUNT}/config/postgresql")["data"]["connection_details"]
    assert not {"password"} & set(details)


@pytest.mark.parametrize("role", login_roles())
def test_a_login_is_a_member_of_one_group_role(postgres: PostgresServer, given: Bao, role: str, tmp_path: Path) -> None:
    group = login_roles()[role]
    [schema] = grants.read().roles[group].databases
    vault_database.login_file(given, role, tmp_path / "login.json")
    with connections.engine(address(postgres, schema), tmp_path / "login.json").connect() as connection:
        memberships = connection.scalars(
            text(
                "SELECT roleid::regrole::text FROM pg_auth_members "
                "WHERE member = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
            )
        ).all()
        expires = connection.scalar(
            text("SELECT rolvaliduntil - now() < interval '16 minutes' FROM pg_roles WHERE rolname = current_user")
        )
    assert memberships == [f'"{HOSPITAL}-{group}"']
    assert expires


def test_a_revoked_login_ends_at_once_and_the_next_one_works(
    postgres: PostgresServer, given: Bao, tmp_path: Path
) -> None:
    path = tmp_path / "login.json"
    lease = vault_database.login_file(given, "analyst", path)
    engine = connections.engine(address(postgres, Schema.WAREHOUSE), path)
    query = text("SELECT count(*) FROM warehouse.load")
    with engine.connect() as connection:
        assert connection.scalar(query) == 0
        given.root.sys.revoke_lease(
            lease,
        )
        with pytest.raises(DBAPIError):
            connection.scalar(query)
    with pytest.raises(DBAPIError):
        engine.connect()
    vault_database.login_file(given, "analyst", path)
    with engine.connect() as connection:
        assert connection.scalar(query) == 0


def test_rotation_under_load_fails_no_request(postgres: PostgresServer, given: Bao, tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    lease = vault_database.login_file(given, "analyst", path)
    engine, users = connections.engine(address(postgres, Schema.WAREHOUSE), path, pool_size=2), set()
    for number in range(200):
        if number % 20 == 10:
            # The agent's order: the new login is written, then the old one is revoked.
            new = vault_database.login_file(given, "analyst", path)
            given.root.sys.revoke_lease(lease)
            lease = new
        with engine.connect() as connection:
            users.add(
                connection.scalar(text("SELECT session_user FROM warehouse.load RIGHT JOIN (SELECT 1) x ON true"))
            )
    assert len(users) == 11


def test_vault_reads_no_table_and_changes_no_administrator(
    postgres: PostgresServer, given: Bao, tmp_path: Path
) -> None:
    password = "known-to-the-test"
    with postgres.administrator.autocommit() as connection:
        vault_login._set_password(connection, f"vault_{HOSPITAL}", password)
    login = DatabaseLogin(username=f"vault_{HOSPITAL}", password=SecretStr(password))
    with connections.connect(address(postgres, Schema.PLANNING), login) as session:
        for statement in (f'ALTER ROLE "{ADMINISTRATOR}" PASSWORD NULL', "CREATE TABLE planning.other ()"):
            with pytest.raises(psycopg.Error, match=r"must be superuser|permission denied"):
                session.execute(statement)
            session.rollback()
    for database in (f"{HOSPITAL}-care", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connections.connect(connections.Database(postgres.address, database), login)
    give(postgres, given)
