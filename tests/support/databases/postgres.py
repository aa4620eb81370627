"""A real PostgreSQL 15 on loopback: TLS, SCRAM, the databases of hospitals with their migrations, and logins of roles.

Use the fixture ``postgres`` (session) of ``tests/conftest.py``, and mark the test ``process``::

    def test_a_row_is_kept(postgres: PostgresServer) -> None:
        database = postgres.database(Schema.CARE)          # empty, migrated, of a hospital of its own
        engine = database.engine("care-service")           # or database.login_file("care-service")
"""

import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, text

from local.tools.catalogue import POSTGRES_BINARIES
from model.io.database import VARIABLES, DatabaseLogin, DatabaseServer
from services.database import connections, setup
from services.database.administrator import Administrator
from services.database.schemas import Schema, database_name, role_name
from tests.support.identity.tls import Authority

HOST = "127.0.0.1"
ADMINISTRATOR = "administrator"
SETTINGS = {
    "listen_addresses": HOST,
    "ssl": "on",
    "ssl_cert_file": "server.crt",
    "ssl_key_file": "server.key",
    "ssl_min_protocol_version": "TLSv1.2",
    "password_encryption": "scram-sha-256",
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "log_min_error_statement": "panic",
}
ELSEWHERE = {"DATABASE_HOST": "postgresql.example", "DATABASE_PORT": "5432", "DATABASE_CA": "/ca.crt"}
"""Variables of a server that no test reaches."""
HBA = "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Database:
    """The database of one schema of one hospital, migrated and with its grants."""

    server: "PostgresServer"
    hospital: str
    schema: Schema

    @property
    def name(self) -> str:
        return database_name(self.hospital, self.schema)

    @property
    def address(self) -> connections.Database:
        return connections.Database.of(self.server.address, self.hospital, self.schema)

    def login_file(self, role: str, path: Path | None = None) -> Path:
        """Write the file of a new login that is a member of a group role, such as ``care-service``."""
        login, password = f"{self.hospital}-{role}-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
        with self.server.administrator.autocommit() as connection:
            connection.execute(text(f"CREATE ROLE \"{login}\" LOGIN PASSWORD '{password}'"))
            connection.execute(text(f'GRANT "{role_name(self.hospital, role)}" TO "{login}"'))
        path = path or self.server.folder / f"{login}.json"
        content = json.dumps({"username": login, "password": password})
        # Replaced at once, as the agent does.
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
        return path

    def engine(self, role: str) -> Engine:
        """Return an engine with a login of a group role."""
        return connections.engine(self.address, self.login_file(role))

    @contextmanager
    def administrator(self) -> Iterator[Connection]:
        """Give a connection of the superuser, in autocommit."""
        with self.server.administrator.autocommit(self.name) as connection:
            yield connection


@dataclass(frozen=True)
class PostgresServer:
    """A running server, in a folder of its own."""

    folder: Path
    port: int
    password: str
    data: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", self.folder / "data")

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signed the server's."""
        return self.folder / "ca.crt"

    @property
    def administrator(self) -> Administrator:
        """The superuser's login."""
        login = DatabaseLogin(username=ADMINISTRATOR, password=SecretStr(self.password))
        return Administrator(self.address, login)

    @property
    def address(self) -> DatabaseServer:
        """The server, as a pod knows it."""
        return DatabaseServer(host=HOST, port=self.port, ca=str(self.authority))

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name the server."""
        return server_environment(self.address)

    def hospital(self, name: str | None = None, *schemas: Schema) -> dict[Schema, Database]:
        """Create databases of a hospital, all four by default, migrated and with their grants."""
        name = name or f"h{secrets.token_hex(4)}"
        setup.set_up(self.administrator, name, schemas or tuple(Schema))
        setup.migrate_all(self.administrator, name, schemas or tuple(Schema))
        return {schema: Database(self, name, schema) for schema in schemas or Schema}

    def database(self, schema: Schema, hospital: str | None = None) -> Database:
        """Create the database of one schema, of a hospital of its own by default."""
        return self.hospital(hospital, schema)[schema]

    def control(self, *arguments: str) -> None:
        """Run ``pg_ctl``: ``start``, ``stop``, ``-m immediate stop``."""
        log = self.folder / "server.log"
        command = [
            str(POSTGRES_BINARIES / "pg_ctl"),
            "-D",
            str(self.data),
            "-l",
            str(log),
            "-w",
            "-t",
            "60",
            *arguments,
        ]
        done = _as_postgres(command, self.folder)
        assert done.returncode == 0, f"pg_ctl {arguments}: {done.stdout}{log.read_text() if log.exists() else ''}"


def administrator_like_aurora(server: PostgresServer, name: str = "rds_administrator") -> Administrator:
    """Return an administrator like that of Aurora: no superuser, and the owner of the server's own databases."""
    password = secrets.token_urlsafe(16)
    with server.administrator.autocommit() as connection:
        exists = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name})
        verb = "ALTER" if exists else "CREATE"
        connection.execute(text(f"{verb} ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD '{password}'"))
        connection.execute(text(f"GRANT pg_monitor, pg_signal_backend TO {name} WITH ADMIN OPTION"))
        connection.execute(text(f"ALTER DATABASE postgres OWNER TO {name}"))
    return Administrator(server.address, DatabaseLogin(username=name, password=SecretStr(password)))


def server_environment(server: DatabaseServer) -> dict[str, str]:
    """Return the variables that name a server."""
    return {name: str(getattr(server, field)) for field, name in VARIABLES.items()}


@contextmanager
def server(folder: Path, *, settings: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """Run a new server in a folder, and stop it at the end."""
    if not (POSTGRES_BINARIES / "postgres").exists():
        raise AssertionError("PostgreSQL 15 is not installed: run `python -m tests.support.packages`")
    with socket.socket() as free:
        free.bind((HOST, 0))
        made = PostgresServer(folder, free.getsockname()[1], secrets.token_urlsafe(16))
    _initialise(made, SETTINGS | (settings or {}))
    made.control("start")
    try:
        yield made
    finally:
        made.control("-m", "immediate", "stop")


def _initialise(made: PostgresServer, settings: dict[str, str]) -> None:
    made.folder.mkdir(parents=True, exist_ok=True)
    authority, password = Authority(), made.folder / "password"
    made.authority.write_bytes(authority.certificate)
    password.touch(mode=0o600)
    password.write_text(made.password, encoding="utf-8")
    _own(made.folder)
    done = _as_postgres(
        [
            *(str(POSTGRES_BINARIES / "initdb"), "-D", str(made.data), "-U", ADMINISTRATOR, "--pwfile", str(password)),
            *("-A", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        ],
        made.folder,
    )
    assert done.returncode == 0, done.stdout
    authority.issue("server").write(made.data / "server.crt", made.data / "server.key")
    (made.data / "pg_hba.conf").write_text(HBA, encoding="utf-8")
    settings = settings | {"port": str(made.port), "unix_socket_directories": str(made.folder)}
    with (made.data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    _own(made.folder)


def _own(folder: Path) -> None:
    """Give a folder to the user postgres, who must also be able to enter those above it."""
    if os.getuid() != 0:
        return
    user = pwd.getpwnam("postgres")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    folder.chmod(0o711)


def _as_postgres(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    user = "postgres" if os.getuid() == 0 else None
    # To a file: a server that pg_ctl started would keep a pipe open.
    output = folder / "command.log"
    with output.open("w", encoding="utf-8") as log:
        done = subprocess.run(command, stdout=log, stderr=log, cwd="/", user=user, group=user, check=False)
    return subprocess.CompletedProcess(command, done.returncode, output.read_text(encoding="utf-8"))


@contextmanager
def temporary_server(settings: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """Run a server in a temporary folder that the user postgres may enter; pytest's folders are closed to others."""
    folder = Path("/tmp") / f"postgres-{secrets.token_hex(6)}"
    try:
        with server(folder, settings=settings) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
