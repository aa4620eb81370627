"""The set-up as an administrator like that of Aurora: no superuser, on a server with a database of its own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from psycopg.errors import OperationalError
from pydantic import SecretStr
from sqlalchemy import text

from model.io.database import DatabaseLogin
from services.database import connections, grants, setup
from services.database.administrator import Administrator
from services.database.schemas import Schema, database_name, role_name
from services.database.vault_login import create_role
from tests.support.databases.postgres import PostgresServer, administrator_like_aurora, temporary_server

pytestmark = pytest.mark.process

NAME, PASSWORD, HOSPITAL, OWN = "rds_administrator", "not-a-secret-of-anyone", "aurora", "platform"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server of these tests alone, whose databases have another owner."""
    with temporary_server() as made:
        yield made


@pytest.fixture(scope="module")
def administrator(postgres: PostgresServer) -> Administrator:
    """The administrator of a server whose superuser nobody has, and the database that the server was created with."""
    made = administrator_like_aurora(postgres, NAME)
    with postgres.administrator.autocommit() as connection:
        connection.execute(text(f"CREATE DATABASE {OWN} OWNER {NAME}"))
    # Twice, as the Job of each hour does.
    for _ in range(2):
        setup.set_up(made, HOSPITAL)
        with made.autocommit() as connection:
            create_role(connection, HOSPITAL)
        setup.migrate_all(made, HOSPITAL)
    return made


def test_it_creates_all_databases_of_a_hospital(administrator: Administrator) -> None:
    with administrator.autocommit() as connection:
        names = set(connection.scalars(text("SELECT datname FROM pg_database")))
        roles = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
        own = connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    assert {database_name(HOSPITAL, schema) for schema in Schema} <= names
    assert {role_name(HOSPITAL, role) for role in grants.read().roles} <= roles
    assert own is False


def test_vault_s_account_makes_logins_that_work_and_ends_them(
    administrator: Administrator, postgres: PostgresServer
) -> None:
    with postgres.administrator.autocommit() as connection:
        connection.execute(text(f"ALTER ROLE vault_{HOSPITAL} PASSWORD '{PASSWORD}'"))
    vault = DatabaseLogin(username=f"vault_{HOSPITAL}", password=SecretStr(PASSWORD))
    address = connections.Database.of(postgres.address, HOSPITAL, Schema.PLANNING)
    login = DatabaseLogin(username="v-planning", password=SecretStr(PASSWORD))
    with connections.connect(address, vault) as account:
        account.autocommit = True
        role = role_name(HOSPITAL, "planning-service")
        account.execute(f'CREATE ROLE "v-planning" LOGIN PASSWORD \'{PASSWORD}\' INHERIT IN ROLE "{role}"'.encode())
        with connections.connect(address, login) as service:
            assert service.execute("SELECT count(*) FROM planning.scores").fetchone() == (0,)
        account.execute(b'DROP ROLE "v-planning"')


@pytest.mark.parametrize("database", ["postgres", OWN])
def test_no_login_connects_to_the_server_s_own_databases(
    administrator: Administrator, postgres: PostgresServer, database: str
) -> None:
    vault = DatabaseLogin(username=f"vault_{HOSPITAL}", password=SecretStr(PASSWORD))
    with postgres.administrator.autocommit() as connection:
        connection.execute(text(f"ALTER ROLE vault_{HOSPITAL} PASSWORD '{PASSWORD}'"))
    with pytest.raises(OperationalError, match="permission denied for database"):
        connections.connect(connections.Database(postgres.address, database), vault).close()


def test_hospitals_close_the_server_s_own_databases_at_the_same_time(administrator: Administrator) -> None:
    hospitals = 4
    start = Barrier(hospitals)

    def close(_: int) -> None:
        with administrator.autocommit() as connection:
            start.wait(60)
            for _ in range(100):
                setup.close_own_databases(connection)

    with ThreadPoolExecutor(hospitals) as pool:
        list(pool.map(close, range(hospitals)))
    with administrator.autocommit() as connection:
        access = connection.scalar(text("SELECT datacl::text FROM pg_database WHERE datname = :name"), {"name": OWN})
    assert access is not None
    assert not any(entry.startswith("=") for entry in access.strip("{}").split(","))
