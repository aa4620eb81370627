"""A hospital's logins of PostgreSQL: made by Vault for a quarter of an hour, over that hospital's database alone."""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault
from pulumi_vault import database

from infra.vault.hospital import TOKEN_MAX_SECONDS, TOKEN_SECONDS
from infra.vault.server import Logins

CONNECTION = "readmission"
SCHEMA = "readmission"
# Vault hashes a password before PostgreSQL sees it, so no record of statements holds one.
HASHING = "scram-sha-256"
# What a login of each kind may do with the tables of the schema. Nobody deletes: what is old goes by partition.
PRIVILEGES = {"reader": "SELECT", "writer": "SELECT, INSERT"}


@dataclass(frozen=True)
class HospitalDatabaseArgs:
    """Whose database it is.

    Parameters
    ----------
    hospital, logins
        The hospital, and who deploys to Vault.
    address
        The PostgreSQL server, with its port.
    protect
        Refuse deletion of what makes logins.
    closed
        Make no more of them.
    """

    hospital: str
    logins: Logins
    address: pulumi.Input[str]
    protect: bool
    closed: bool


class HospitalDatabase(pulumi.ComponentResource):
    """An engine that makes logins for one database.

    How it logs in itself is in no configuration: an administrator of the database makes the role ``vault_<hospital>``
    and writes its first password to Vault, which replaces it at once by one that nobody knows.
    """

    def __init__(self, name: str, args: HospitalDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        provided = pulumi.ResourceOptions(providers={"vault": args.logins.provider})
        super().__init__(
            "healthcare-mlops:infra:HospitalDatabase", name, None, pulumi.ResourceOptions.merge(opts, provided)
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
            # The server may not stand yet when this is written, and Vault has no password yet.
            verify_connection=False,
            postgresql=database.SecretBackendConnectionPostgresqlArgs(
                connection_url=pulumi.Output.concat(
                    "postgresql://{{username}}:{{password}}@", args.address, f"/{args.hospital}?sslmode=verify-full"
                ),
                username=f"vault_{args.hospital}",
                password_authentication=HASHING,
                max_open_connections=4,
            ),
            opts=child,
        )
        for role, rights in privileges.items():
            database.SecretBackendRole(
                f"{name}-{role}",
                backend=mount.path,
                name=role,
                db_name=connection.name,
                creation_statements=creation(args.hospital, rights),
                default_ttl=TOKEN_SECONDS,
                max_ttl=TOKEN_MAX_SECONDS,
                opts=child,
            )
        self.register_outputs({"path": mount.path})


def creation(hospital: str, privileges: str) -> list[str]:
    """Return the statements by which a login comes to be, with these privileges on a hospital's tables.

    The login belongs to no other role, so it is held by the row-level security of every table.
    """
    return [
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' NOINHERIT;",
        f'GRANT CONNECT ON DATABASE "{hospital}" TO "{{{{name}}}}";',
        f'GRANT USAGE ON SCHEMA {SCHEMA} TO "{{{{name}}}}";',
        f'GRANT {privileges} ON ALL TABLES IN SCHEMA {SCHEMA} TO "{{{{name}}}}";',
    ]
