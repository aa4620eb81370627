"""The database secrets engine of a hospital in a test's OpenBao, laid out as the stack declares it."""

import json
from pathlib import Path

from infra.vault.database_roles import login_roles
from infra.vault.database_secrets import (
    CONNECTION,
    DATABASE,
    PASSWORD_AUTHENTICATION,
    creation_statements,
    revocation_statements,
)
from infra.vault.hospital import VaultPolicyRule
from tests.support.databases.postgres import HOST, PostgresServer
from tests.support.vault.bao_server import HOSPITAL, Bao

MOUNT = f"{HOSPITAL}/database"
# The rules of the Job that gives Vault its login.
RULES = (
    VaultPolicyRule(path=f"database/config/{CONNECTION}", capability="update"),
    VaultPolicyRule(path=f"database/rotate-root/{CONNECTION}", capability="update"),
)


def environment(postgres: PostgresServer) -> dict[str, str]:
    """Return the variables of a Vault that trusts the server's authority; Vault itself also knows ``tls_ca``."""
    return {"PGSSLROOTCERT": str(postgres.authority)}


def lay_out(server: Bao, postgres: PostgresServer) -> None:
    """Declare the engine, its connection without a password, and its roles."""
    root = server.root
    root.sys.enable_secrets_engine("database", path=MOUNT)
    server_url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{HOST}:{postgres.port}"
    connection = {
        "plugin_name": "postgresql-database-plugin",
        "verify_connection": False,
        "allowed_roles": sorted(login_roles()),
        "connection_url": f"{server_url}/{HOSPITAL}-{DATABASE}?sslmode=verify-full",
        "username": f"vault_{HOSPITAL}",
        "password_authentication": PASSWORD_AUTHENTICATION,
        "max_open_connections": 4,
    }
    root.write_data(f"{MOUNT}/config/{CONNECTION}", data=connection)
    for role, group in login_roles().items():
        statements = {
            "db_name": CONNECTION,
            "creation_statements": creation_statements(HOSPITAL, group),
            "revocation_statements": revocation_statements(),
            "default_ttl": "15m",
            "max_ttl": "1h",
        }
        root.write_data(f"{MOUNT}/roles/{role}", data=statements)
    server.admit("database", RULES)


def login_file(server: Bao, role: str, path: Path) -> str:
    """Write a file with a new login of Vault, as the agent does; return the lease."""
    answer = server.root.read(f"{MOUNT}/creds/{role}")
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(answer["data"]), encoding="utf-8")
    temporary.replace(path)
    return str(answer["lease_id"])
