"""The commands, with the administrator's secret in an AWS emulator."""

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import text
from typer.testing import CliRunner

from model.errors import UserError
from services.database import __main__ as commands
from services.database.errors import DatabaseError
from services.database.schemas import Schema, database_name
from tests.support.databases import vault_database
from tests.support.databases.postgres import ADMINISTRATOR, HOST, PostgresServer
from tests.support.vault.bao_server import HOSPITAL, bao

SECRET = "rds!cluster-1"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOST": HOST, "PORT": "5432", "CA": "ca.crt", "ADMINISTRATOR": SECRET}.items():
        monkeypatch.setenv(f"DATABASE_{name}", value)
    commands._administrator.cache_clear()
    with mock_aws():
        yield SECRET
    commands._administrator.cache_clear()


def write(content: str) -> None:
    boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=content)


@pytest.mark.process
def test_one_command_makes_a_hospital_and_a_second_changes_nothing(
    secret: str, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(json.dumps({"username": ADMINISTRATOR, "password": postgres.password}))
    monkeypatch.setenv("DATABASE_PORT", str(postgres.port))
    monkeypatch.setenv("DATABASE_CA", str(postgres.authority))
    with bao(tmp_path_factory.mktemp("bao"), vault_database.environment(postgres)) as server:
        vault_database.lay_out(server, postgres)
        monkeypatch.setattr(commands, "_vault", lambda patience: server.vault("database", patience))
        for given in ("was given a", "changed its"):
            result = CliRunner().invoke(commands.app, ["update", "--hospital", HOSPITAL])
            assert result.exit_code == 0, result.output
            assert f"Vault {given} password" in result.output
            assert postgres.password not in result.output
        assert server.root.read(f"{vault_database.MOUNT}/creds/care-service")
    with postgres.administrator.autocommit() as connection:
        names = set(connection.scalars(text("SELECT datname FROM pg_database")))
    assert {database_name(HOSPITAL, schema) for schema in Schema} <= names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{}", "not a login of RDS"),
        ("no JSON hunter2", "not a login of RDS"),
        ('{"username": "administrator", "password": ""}', "not a login of RDS"),
    ],
)
def test_a_secret_that_is_no_login_is_one_sentence(secret: str, content: str | None, message: str) -> None:
    if content is not None:
        write(content)
    with pytest.raises(DatabaseError, match=message) as raised:
        commands._administrator()
    assert "hunter2" not in str(raised.value)


def test_missing_variables_are_named(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_HOST")
    monkeypatch.setenv("DATABASE_PORT", "none")
    with pytest.raises(UserError, match="DATABASE_HOST, DATABASE_PORT"):
        commands._administrator()
    monkeypatch.setenv("DATABASE_HOST", HOST)
    monkeypatch.setenv("DATABASE_PORT", "5432")
    monkeypatch.delenv("DATABASE_ADMINISTRATOR")
    with pytest.raises(DatabaseError, match="set DATABASE_ADMINISTRATOR"):
        commands._administrator()


@pytest.mark.parametrize("name", ["", "North", "north; DROP DATABASE x", 'n"', "-north", "../north"])
def test_a_name_that_is_no_hospital_s_is_refused(name: str) -> None:
    with pytest.raises(DatabaseError, match="not the name of a hospital"):
        commands._valid(name)
