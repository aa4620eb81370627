"""Vault's database secrets engine of a hospital: dynamic PostgreSQL credentials for its database, valid 15 minutes."""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault
from pulumi_vault import database

from infra.vault.hospital import TOKEN_MAX_SECONDS, TOKEN_SECONDS
from infra.vault.server import KubernetesAuth

CONNECTION = "readmission"
SCHEMA = "readmission"
# Vault hashes passwords before it sends them, so PostgreSQL's statement log contains none.
PASSWORD_AUTHENTICATION = "scram-sha-256"
# Privileges by role on the tables of the schema. None deletes: old rows are dropped by partition.
PRIVILEGES = {"reader": "SELECT", "writer": "SELECT, INSERT"}


@dataclass(frozen=True)
class HospitalDatabaseArgs:
    """Arguments of the database secrets engine.

    Parameters
    ----------
    hospital, auth
        The hospital, and Vault's Kubernetes auth method with its provider.
    endpoint
        Host and port of PostgreSQL.
    protect
        Whether Pulumi refuses to delete the mount.
    closed
        Whether it issues no credentials, as for a leaving hospital.
    """

    hospital: str
    auth: KubernetesAuth
    endpoint: pulumi.Input[str]
    protect: bool
    closed: bool


class HospitalDatabase(pulumi.ComponentResource):
    """Database secrets engine with the connection to, and the roles of, one hospital's database.

    Its own password is not in the configuration: a database administrator creates the role ``vault_<hospital>`` and
    writes an initial password to Vault, which rotates it at once.
    """

    def __init__(self, name: str, args: HospitalDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        vault_provider = pulumi.ResourceOptions(providers={"vault": args.auth.provider})
        super().__init__(
            "healthcare-mlops:infra:HospitalDatabase", name, None, pulumi.ResourceOptions.merge(opts, vault_provider)
        )
        child = pulumi.ResourceOptions(parent=self)
        mount = vault.Mount(
            name,
            path=f"{args.hospital}/database",
            type="database",
            description=f"Logins of the database of hospital {args.hospital}",
            default_lease_ttl_seconds=TOKEN_SECONDS,
            max_lease_ttl_seconds=TOKEN_MAX_SECONDS,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        privileges = {} if args.closed else PRIVILEGES
        connection = database.SecretBackendConnection(
            name,
            backend=mount.path,
            name=CONNECTION,
            allowed_roles=sorted(privileges),
            # Vault has no password yet.
            verify_connection=False,
            postgresql=database.SecretBackendConnectionPostgresqlArgs(
                connection_url=pulumi.Output.concat(
                    "postgresql://{{username}}:{{password}}@", args.endpoint, f"/{args.hospital}?sslmode=verify-full"
                ),
                username=f"vault_{args.hospital}",
                password_authentication=PASSWORD_AUTHENTICATION,
                max_open_connections=4,
            ),
            opts=child,
        )
        for role, role_privileges in privileges.items():
            database.SecretBackendRole(
                f"{name}-{role}",
                backend=mount.path,
                name=role,
                db_name=connection.name,
                creation_statements=creation_statements(args.hospital, role_privileges),
                default_ttl=TOKEN_SECONDS,
                max_ttl=TOKEN_MAX_SECONDS,
                opts=child,
            )
        self.register_outputs({"path": mount.path})


def creation_statements(hospital: str, privileges: str) -> list[str]:
    """Return the creation statements of a database role with privileges on a hospital's tables.

    The role inherits from no other role, so row-level security of every table applies to it.
    """
    return [
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' NOINHERIT;",
        f'GRANT CONNECT ON DATABASE "{hospital}" TO "{{{{name}}}}";',
        f'GRANT USAGE ON SCHEMA {SCHEMA} TO "{{{{name}}}}";',
        f'GRANT {privileges} ON ALL TABLES IN SCHEMA {SCHEMA} TO "{{{{name}}}}";',
    ]
