"""Vault's database secrets engine of a hospital: dynamic PostgreSQL logins of its four databases, valid 15 minutes."""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault
from pulumi_vault import database

from infra.vault.database_roles import login_roles
from infra.vault.hospital import TOKEN_MAX_SECONDS, TOKEN_SECONDS
from infra.vault.server import KubernetesAuth

CONNECTION = "postgresql"
# Roles are of the whole server: Vault connects to one of the hospital's databases, in which it has no privilege.
DATABASE = "planning"
# Vault hashes passwords before it sends them, so PostgreSQL's statement log contains none.
PASSWORD_AUTHENTICATION = "scram-sha-256"
# Connections of one login: a stolen one does not use up those of the server.
LOGIN_CONNECTIONS = 20


@dataclass(frozen=True)
class HospitalDatabaseArgs:
    """Arguments of the database secrets engine.

    Parameters
    ----------
    hospital, auth
        The hospital, and Vault's Kubernetes auth method with its provider.
    endpoint
        Host and port of PostgreSQL.
    ca
        Certificates, as PEM, that the server's certificate is verified with; None for those that Vault trusts.
    protect
        Whether Pulumi refuses to delete the mount.
    closed
        Whether it issues no credentials, as for a leaving hospital.
    """

    hospital: str
    auth: KubernetesAuth
    endpoint: pulumi.Input[str]
    ca: pulumi.Input[str] | None
    protect: bool
    closed: bool


class HospitalDatabase(pulumi.ComponentResource):
    """Database secrets engine with a role for each group role of which workloads and people get logins.

    Its own password is not in the configuration: ``python -m services.database setup`` gives Vault a random one, which
    Vault changes at once.
    """

    def __init__(self, name: str, args: HospitalDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        vault_provider = pulumi.ResourceOptions(providers={"vault": args.auth.provider})
        super().__init__(
            "healthcare-mlops:infra:HospitalDatabase", name, None, pulumi.ResourceOptions.merge(opts, vault_provider)
        )
        mount = vault.Mount(
            name,
            path=f"{args.hospital}/database",
            type="database",
            description=f"Logins of the databases of hospital {args.hospital}",
            default_lease_ttl_seconds=TOKEN_SECONDS,
            max_lease_ttl_seconds=TOKEN_MAX_SECONDS,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        # Removed with the mount, which ends the logins that Vault has issued and needs the connection for it.
        child = pulumi.ResourceOptions(parent=self, deleted_with=mount)
        roles = {} if args.closed else login_roles()
        connection = database.SecretBackendConnection(
            name,
            backend=mount.path,
            name=CONNECTION,
            allowed_roles=sorted(roles),
            # Vault has no password yet.
            verify_connection=False,
            postgresql=database.SecretBackendConnectionPostgresqlArgs(
                connection_url=pulumi.Output.concat(
                    "postgresql://{{username}}:{{password}}@",
                    args.endpoint,
                    f"/{args.hospital}-{DATABASE}?sslmode=verify-full",
                ),
                username=f"vault_{args.hospital}",
                password_authentication=PASSWORD_AUTHENTICATION,
                max_open_connections=4,
                tls_ca=args.ca,
            ),
            opts=child,
        )
        for role, group in roles.items():
            database.SecretBackendRole(
                f"{name}-{role}",
                backend=mount.path,
                name=role,
                db_name=connection.name,
                creation_statements=creation_statements(args.hospital, group),
                revocation_statements=revocation_statements(),
                default_ttl=TOKEN_SECONDS,
                max_ttl=TOKEN_MAX_SECONDS,
                opts=child,
            )
        self.register_outputs({"path": mount.path})


def creation_statements(hospital: str, group: str) -> list[str]:
    """Return the creation statements of a login that is a member of one group role of a hospital.

    It has the privileges of the group role, and of no other: group roles do not inherit. Nothing is granted to the
    login itself, so the table of grants applies to a login that exists as it does to a new one.
    """
    return [
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' "
        f'CONNECTION LIMIT {LOGIN_CONNECTIONS} INHERIT IN ROLE "{hospital}-{group}";'
    ]


def revocation_statements() -> list[str]:
    """Return the statements that end the sessions of a login and remove it."""
    return [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';",
        'DROP ROLE IF EXISTS "{{name}}";',
    ]
