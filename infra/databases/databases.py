"""Databases: Aurora PostgreSQL and MSK in the stack's VPC, or a PostgreSQL server outside the stack."""

from dataclasses import dataclass

import pulumi

from infra.blocks.providers import AwsAccount
from infra.blocks.role_policies import SecretAccess, secret_arn
from infra.cluster.cluster import PLATFORM_CA_FILE, Cluster
from infra.databases.database_args import DatabaseArgs
from infra.monitoring.account_monitoring import AccountMonitoring
from infra.settings import ExistingClusterSettings, Settings
from infra.settings.network import POSTGRESQL_PORT

# Folder and file, in a container, of the certificates that the stack publishes.
AUTHORITIES_FOLDER = "/var/run/secrets/database-authorities"
AUTHORITIES_KEY = "authorities.pem"
AUTHORITIES_FILE = f"{AUTHORITIES_FOLDER}/{AUTHORITIES_KEY}"


@dataclass(frozen=True)
class DatabaseServer:
    """The PostgreSQL server as pods reach it; the one place that says where it is and who vouches for it.

    Parameters
    ----------
    host, port
        Its address.
    ca_file
        Path, in a container, of the certificates that its certificate is verified with.
    administrator
        The secret with the administrator's login.
    authorities
        PEM of the certificates in ``ca_file``, where the stack publishes them; None where the cluster does.
    """

    host: pulumi.Input[str]
    port: int
    ca_file: str
    administrator: SecretAccess
    authorities: str | None = None


@dataclass(frozen=True)
class Databases:
    """The databases of a stack.

    Parameters
    ----------
    postgresql
        Host and port of PostgreSQL, as Vault reaches it.
    server
        The server as pods reach it.
    """

    postgresql: pulumi.Output[str]
    server: DatabaseServer


def declare(settings: Settings, aws: AwsAccount, monitoring: AccountMonitoring, cluster: Cluster) -> Databases | None:
    """Declare Aurora and MSK; a stack without a VPC has the server of its settings, or None.

    Parameters
    ----------
    settings, aws
        The stack's settings and the AWS providers.
    monitoring
        The account's monitoring, with the KMS key of log groups.
    cluster
        The cluster, with its VPC.
    """
    network = cluster.network
    if network is None or isinstance(settings, ExistingClusterSettings):
        outside = settings.endpoints.postgresql if isinstance(settings, ExistingClusterSettings) else None
        if outside is None:
            return None
        administrator = SecretAccess(outside.secret, secret_arn(settings, outside.secret))
        server = DatabaseServer(outside.host, outside.port, PLATFORM_CA_FILE, administrator)
        return Databases(pulumi.Output.from_input(f"{outside.host}:{outside.port}"), server)
    # Imported here: their modules of pulumi_aws take a second to load, which other stacks do not need.
    from infra.databases.aurora import AuroraPostgresql
    from infra.databases.msk import Kafka

    opts = pulumi.ResourceOptions(providers={"aws": aws.primary})
    args = DatabaseArgs(settings, network, monitoring.logs_key_arn)
    Kafka("streaming", args, opts)
    postgresql = AuroraPostgresql("database", args, opts)
    server = DatabaseServer(
        postgresql.host,
        POSTGRESQL_PORT,
        AUTHORITIES_FILE,
        postgresql.administrator,
        settings.endpoints.postgresql.authorities,
    )
    return Databases(postgresql.endpoint, server)
