"""``python -m services.database``: create a hospital's databases, and migrate them."""

import json
import os
import sys
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from sqlalchemy.exc import DBAPIError

from model.errors import UserError
from model.io import storage
from model.io.database import DatabaseLogin, DatabaseServer, sqlstate
from model.io.hospital_name import is_hospital
from model.io.vault import PATIENCE_SECONDS, TOKEN_FILE, Vault
from services.database import removal, removal_record, signing_keys
from services.database import setup as setup_module
from services.database.administrator import Administrator
from services.database.errors import DatabaseError
from services.database.schemas import Schema, database_name
from services.database.vault_login import give_vault_its_login

STDIN = Path("/dev/stdin")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Hospital = Annotated[str, typer.Option(help="Name of the hospital.", envvar="HOSPITAL")]


class PersonRole(StrEnum):
    """Group roles of which people get logins: rows of ``workloads.yaml`` with the same names."""

    AUDIT_READER = "audit-reader"
    AUDIT_ERASER = "audit-eraser"
    ANALYST = "analyst"


class _Secret(BaseModel):
    """The login, as RDS writes it to Secrets Manager."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    username: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


@app.command()
def setup(hospital: Hospital) -> None:
    """Create the databases, schemas and roles of a hospital, and give Vault its login to the server.

    Safe to run again, and after a crash.
    """
    login = _administrator()
    setup_module.set_up(login, _valid(hospital))
    created = give_vault_its_login(login, hospital, attempt=_vault(0), vault=_vault(PATIENCE_SECONDS))
    print(f"{hospital}: databases and roles are set up; Vault {'was given a' if created else 'changed its'} password")


@app.command()
def migrate(hospital: Hospital) -> None:
    """Apply the migrations of a hospital's databases, and the table of grants."""
    setup_module.migrate_all(_administrator(), _valid(hospital))
    print(f"{hospital}: databases are migrated, and their grants are those of the table")


@app.command()
def sign_in(hospital: Hospital) -> None:
    """Publish the keys of the hospital's identity provider, with which the database verifies who asks."""
    provider = signing_keys.Provider.from_environment(_valid(hospital))
    if provider is None:
        print(f"{hospital}: no identity provider is set, so nobody can sign in to the worklist")
        return
    ca = os.environ.get("SIGN_IN_CA")
    jwks = signing_keys.fetch(provider.issuer, Path(ca) if ca else None)
    with _administrator().transaction(database_name(hospital, Schema.CARE)) as connection:
        signing_keys.publish_as_owner(connection, provider, jwks)
    print(f"{hospital}: the keys of {provider.issuer} are published")


@app.command()
def remove(
    hospital: Hospital,
    log: Annotated[str, typer.Option(help="Folder of the records of removals, s3://…, in the audit bucket.")],
    approved_by: Annotated[str, typer.Option(help="Who approved it, as ROLE:NAME.")],
    reason: Annotated[str, typer.Option(help="The reason of the approval.")],
) -> None:
    """Remove the databases and roles of a hospital that left, on record; its audit database is kept.

    Safe to run again, and after a crash.
    """
    login = _administrator()
    with login.autocommit() as connection:
        removal.require_no_valid_login(connection, _valid(hospital))
        planned = removal.planned(connection, hospital)
    record = removal_record.Record(log=log, hospital=hospital, approved_by=approved_by, reason=reason)
    # No record, no removal.
    record.write("begun", planned)
    removed = removal.remove(login, hospital)
    record.write("done", removed)
    databases, kept = ", ".join(removed.databases) or "no database", ", ".join(removed.kept) or "nothing"
    print(f"{hospital}: removed {databases} and {len(removed.roles)} roles; kept {kept}")


@app.command()
def login(
    hospital: Hospital,
    role: Annotated[PersonRole, typer.Option(help="The group role.")],
    to: Annotated[Path, typer.Option(help="File of the login, which only its owner reads.")],
    token: Annotated[Path, typer.Option(help="Token of the role's ServiceAccount; by default standard input.")] = STDIN,
) -> None:
    """Give a person a login of a hospital's database for minutes.

    VAULT_ADDR and VAULT_CACERT name Vault.
    """
    address = os.environ.get("VAULT_ADDR")
    if not address:
        raise DatabaseError("set VAULT_ADDR: Vault gives the login")
    certificate, namespace = os.environ.get("VAULT_CACERT"), os.environ.get("VAULT_NAMESPACE")
    vault = Vault(address, f"{_valid(hospital)}-{role}", certificate, token, 0, namespace)
    credentials = DatabaseLogin.model_validate(vault.get(f"{hospital}/database/creds/{role}"))
    content = {"username": credentials.username, "password": credentials.password.get_secret_value()}
    storage.write(str(to), json.dumps(content).encode(), private=True)
    print(f"{to}: login {credentials.username}, which Vault revokes after 15 minutes")


@app.command()
def update(hospital: Hospital) -> None:
    """Set up, migrate, publish the keys of the identity provider: the part of an update that precedes the services."""
    setup(hospital)
    migrate(hospital)
    sign_in(hospital)


def _valid(hospital: str) -> str:
    if not is_hospital(hospital):
        raise DatabaseError(f"{hospital!r} is not the name of a hospital, such as north")
    return hospital


@cache
def _administrator() -> Administrator:
    """Return the administrator's login, from the secret that the environment names."""
    server, name = DatabaseServer.from_environment(), os.environ.get("DATABASE_ADMINISTRATOR")
    if not name:
        raise DatabaseError("set DATABASE_ADMINISTRATOR; it names the secret with the administrator's login")
    secret = _read_secret(name)
    return Administrator(server, DatabaseLogin(username=secret.username, password=secret.password))


def _read_secret(name: str) -> _Secret:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        content = boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
        return _Secret.model_validate(json.loads(content))
    except (BotoCoreError, ClientError, KeyError) as error:
        raise DatabaseError(
            f"the administrator's secret {name} cannot be read ({_code(error)}); check the role of this Job"
        ) from None
    except (ValueError, ValidationError):
        raise DatabaseError(f"the secret {name} is not a login of RDS: it has no username and password") from None


def _code(error: Exception) -> str:
    """Return the code of an error of AWS, such as AccessDeniedException."""
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code") or type(error).__name__)


def _vault(patience: float) -> Vault:
    address, role = os.environ.get("VAULT_ADDR"), os.environ.get("VAULT_ROLE")
    if not address or not role:
        raise DatabaseError("set VAULT_ADDR and VAULT_ROLE: the login of the database is kept in Vault")
    certificate, namespace = os.environ.get("VAULT_CACERT"), os.environ.get("VAULT_NAMESPACE")
    return Vault(address, role, certificate, TOKEN_FILE, patience, namespace)


def main() -> None:
    """Run a command; a problem that a person can solve is one sentence."""
    try:
        app()
    except (DatabaseError, UserError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except DBAPIError as error:
        print(f"the database refused a statement (SQLSTATE {sqlstate(error)}); see the server's log", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
