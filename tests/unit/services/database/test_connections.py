"""Connections on a real server: verified TLS, and logins that change."""

import json
from pathlib import Path

import pytest
from cryptography.x509 import Name, NameAttribute
from cryptography.x509.oid import NameOID
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from model.io.database import sqlstate
from services.database import connections
from services.database.errors import DatabaseError
from services.database.schemas import Schema
from tests.support.databases.postgres import PostgresServer
from tests.support.identity.tls import Authority

WHO = text("SELECT session_user")


def user(path: Path) -> str:
    return str(json.loads(path.read_text(encoding="utf-8"))["username"])


@pytest.mark.process
def test_the_pool_follows_the_file_and_lets_a_transaction_finish(postgres: PostgresServer, tmp_path: Path) -> None:
    database = postgres.database(Schema.CARE)
    path = database.login_file("care-service", tmp_path / "care.json")
    first, engine = user(path), connections.engine(database.address, path)
    with engine.connect() as working:
        assert working.scalar(WHO) == first
        database.login_file("care-service", path)
        assert working.scalar(WHO) == first
    with engine.connect() as working:
        assert working.scalar(WHO) == user(path) != first


@pytest.mark.process
def test_a_connection_is_encrypted_and_verified(postgres: PostgresServer, tmp_path: Path) -> None:
    database = postgres.database(Schema.CARE)
    path = database.login_file("care-service", tmp_path / "care.json")
    with connections.engine(database.address, path).connect() as working:
        assert working.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        assert working.scalar(text("SHOW TimeZone")) == "UTC"
    other = tmp_path / "other.crt"
    other.write_bytes(Authority(Name([NameAttribute(NameOID.COMMON_NAME, "another")])).certificate)
    server = database.server.address.model_copy(update={"ca": str(other)})
    with pytest.raises(OperationalError, match="certificate verify failed"):
        connections.engine(connections.Database(server, database.name), path).connect()


@pytest.mark.process
def test_an_error_names_its_code_and_no_parameter(postgres: PostgresServer) -> None:
    engine = postgres.database(Schema.CARE).engine("care-service")
    with engine.connect() as working, pytest.raises(DBAPIError) as raised:
        working.execute(text("SELECT 1 FROM care.missing WHERE name = :name"), {"name": "Margaret"})
    assert sqlstate(raised.value) == "42P01"
    assert "Margaret" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[1]", '{"username": "", "password": "hunter2"}', '{"username": "u", "password": "hunter2", "port": 1}'],
)
def test_a_broken_file_is_one_sentence_without_its_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "care.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DatabaseError, match="not a login") as raised:
        connections.read_login(path)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_missing_file_names_the_agent(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="check that the Vault agent writes it"):
        connections.read_login(tmp_path / "care.json")
