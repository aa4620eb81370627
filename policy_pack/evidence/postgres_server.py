"""The PostgreSQL server, asked for databases and roles of a former hospital, with the administrator's own login."""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.exceptions
import psycopg

from policy_pack.errors import PackError
from policy_pack.evidence.destruction import Disposition, FormerResource
from policy_pack.facts.postgres import group_roles
from policy_pack.facts.postgres.logins import CONNECTION
from policy_pack.stack.graph import Graph
from policy_pack.stack.text import known_text

# Audit records are kept six years (docs/audit.md), by the owner of their database, who cannot log in.
KEPT, OWNER = "audit", "owner"
DATABASE, ROLE = "postgresql database", "postgresql role"
SECRET_VARIABLE = "DATABASE_ADMINISTRATOR"
_CRON_JOB = "k8s:batch/CronJob"
_CONTAINERS = "jobTemplate.spec.template.spec.containers[]"
_ADDRESS = re.compile(r"@(?P<host>[^/:@]+):(?P<port>\d+)/")
_CONNECT_SECONDS = 10
# The database that every server has.
_INITIAL_DATABASE = "postgres"
_new_client: Any = boto3.client

_LOGINS = """
SELECT members.rolname FROM pg_auth_members JOIN pg_roles granted ON granted.oid = roleid
JOIN pg_roles members ON members.oid = member
WHERE granted.rolname = ANY(%(groups)s) AND members.rolcanlogin AND members.rolname <> ALL(%(others)s)
AND members.rolname <> current_user
"""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server, and the secret of Secrets Manager with its administrator's login.

    Parameters
    ----------
    host, port
        Its address, as Vault reaches it.
    authorities
        PEM of the certificates that its certificate is verified with; empty for those that libpq trusts.
    secret
        Name or ARN of the secret.
    """

    host: str
    port: int
    authorities: str
    secret: str


def server_of(graph: Graph, hospital: str) -> Server | None:
    """Return the server of a hospital's databases; None for a stack without one.

    Raises
    ------
    PackError
        When the state does not say where the server or its administrator's login is.
    """
    connection = next((one for one in graph.of(CONNECTION) if _backend(one.at("backend").raw) == hospital), None)
    if connection is None:
        return None
    address = _ADDRESS.search(known_text(connection.at("postgresql.connectionUrl")))
    secrets = (
        known_text(entry.at("value"))
        for job in graph.of(_CRON_JOB)
        for container in job.at("spec").each(_CONTAINERS)
        for entry in container.each("env[]")
        if known_text(entry.at("name")) == SECRET_VARIABLE
    )
    secret = next((name for name in secrets if name), "")
    if address is None or not secret:
        missing = "the address of PostgreSQL" if address is None else "a Job with the administrator's secret"
        raise PackError(f"The state before has no {missing}; use one exported by `pulumi stack export`.")
    authorities = known_text(connection.at("postgresql.tlsCa"))
    return Server(address["host"], int(address["port"]), authorities, secret)


def check(graph: Graph, hospital: str) -> list[FormerResource]:
    """Return the databases and roles of a former hospital; none in a stack without PostgreSQL.

    Raises
    ------
    PackError
        When the server cannot be found or asked.
    """
    server = server_of(graph, hospital)
    return former_resources(server, hospital) if server else []


def former_resources(server: Server, hospital: str) -> list[FormerResource]:
    """Return the databases and roles of a former hospital, and what became of each.

    Raises
    ------
    PackError
        When the server cannot be asked.
    """
    rows = group_roles.table().roles
    schemas = sorted({schema for role in rows.values() for schema in role.databases})
    groups = [f"{hospital}-{role}" for role in rows]
    names = {"databases": [f"{hospital}-{schema}" for schema in schemas], "roles": [*groups, f"vault_{hospital}"]}
    with _connected(server) as connection:
        databases = _names(connection, "SELECT datname FROM pg_database WHERE datname = ANY(%(databases)s)", names)
        roles = _names(connection, "SELECT rolname FROM pg_roles WHERE rolname = ANY(%(roles)s)", names)
        roles |= _names(connection, _LOGINS, {"groups": groups, "others": names["roles"]})
    kept = {f"{hospital}-{KEPT}"}
    owner = {f"{hospital}-{OWNER}"} if kept & databases else set[str]()
    return [
        *(_former(server, DATABASE, name, name in databases, name in kept) for name in names["databases"]),
        *(_former(server, ROLE, name, name in roles, name in owner) for name in sorted({*names["roles"], *roles})),
    ]


def _former(server: Server, kind: str, name: str, exists: bool, is_kept: bool) -> FormerResource:
    detail = problem = ""
    disposition = Disposition.RETAINED if is_kept else Disposition.REMAINS if exists else Disposition.DESTROYED
    if is_kept and exists:
        detail = "on the server, and no login reaches it" if kind == DATABASE else "owns the audit database, no login"
    elif is_kept:
        problem = "does not exist, but must be retained"
    elif exists:
        problem = "still exists"
    else:
        detail = "not on the server"
    return FormerResource(f"postgresql://{server.host}/{name}", kind, name, "", disposition, detail, problem)


def _backend(path: object) -> str:
    return str(path).removesuffix("/database")


def _names(connection: "psycopg.Connection[Any]", query: str, names: Mapping[str, list[str]]) -> set[str]:
    return {str(row[0]) for row in connection.execute(query.encode(), names)}


@contextmanager
def _connected(server: Server) -> Iterator["psycopg.Connection[Any]"]:
    login = _login(server.secret)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as authorities:
        authorities.write(server.authorities)
        authorities.flush()
        trusted = authorities.name if server.authorities else os.environ.get("PGSSLROOTCERT", "system")
        try:
            connection = psycopg.connect(
                host=server.host,
                port=server.port,
                dbname=_INITIAL_DATABASE,
                user=login["username"],
                password=login["password"],
                sslmode="verify-full",
                sslrootcert=trusted,
                connect_timeout=_CONNECT_SECONDS,
                options="-c default_transaction_read_only=on",
            )
        except psycopg.Error:
            raise PackError(
                f"PostgreSQL at {server.host}:{server.port} cannot be asked; run it where the server is reached, and "
                "set PGSSLROOTCERT to the certificates that vouch for it."
            ) from None
        with connection:
            yield connection


def _login(secret: str) -> dict[str, str]:
    try:
        content = json.loads(_new_client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
        return {"username": content["username"], "password": content["password"]}
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        response: Any = getattr(error, "response", {})
        code = response.get("Error", {}).get("Code") or type(error).__name__
        raise PackError(
            f"The login of PostgreSQL's administrator cannot be read ({code}); use an identity that may."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise PackError("The secret of PostgreSQL's administrator has no username and password.") from None
