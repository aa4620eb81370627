"""Databases: Aurora PostgreSQL and MSK in the stack's VPC, or a PostgreSQL server outside the stack."""

from dataclasses import dataclass

import pulumi

from infra.blocks.providers import AwsAccount
from infra.cluster.cluster import Cluster
from infra.databases.database_args import DatabaseArgs
from infra.monitoring.account_monitoring import AccountMonitoring
from infra.settings import ExistingClusterSettings, PostgresqlServer, Settings


@dataclass(frozen=True)
class Databases:
    """Endpoints of the databases.

    Parameters
    ----------
    postgresql
        Host and port of PostgreSQL.
    server
        The server that is outside the stack, which the hospitals' Jobs set up; None for Aurora.
    """

    postgresql: pulumi.Output[str]
    server: PostgresqlServer | None = None


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
    if network is None:
        server = settings.endpoints.postgresql if isinstance(settings, ExistingClusterSettings) else None
        return Databases(pulumi.Output.from_input(f"{server.host}:{server.port}"), server) if server else None
    # Imported here: their modules of pulumi_aws take a second to load, which other stacks do not need.
    from infra.databases.aurora import AuroraPostgresql
    from infra.databases.msk import Kafka

    opts = pulumi.ResourceOptions(providers={"aws": aws.primary})
    args = DatabaseArgs(settings, network, monitoring.logs_key_arn)
    Kafka("streaming", args, opts)
    postgresql = AuroraPostgresql("database", args, opts)
    return Databases(postgresql.endpoint)
