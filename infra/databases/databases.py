"""Databases in the data subnets of the stack's VPC: Aurora PostgreSQL and MSK."""

from dataclasses import dataclass

import pulumi

from infra.blocks.providers import AwsAccount
from infra.cluster.cluster import Cluster
from infra.databases.database_args import DatabaseArgs
from infra.monitoring.account_monitoring import AccountMonitoring
from infra.settings import Settings


@dataclass(frozen=True)
class Databases:
    """Endpoints of the databases.

    Parameters
    ----------
    postgresql
        Host and port of PostgreSQL.
    """

    postgresql: pulumi.Output[str]


def declare(settings: Settings, aws: AwsAccount, monitoring: AccountMonitoring, cluster: Cluster) -> Databases | None:
    """Declare Aurora and MSK; return None for a stack without a VPC, which has neither.

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
        return None
    # Imported here: their modules of pulumi_aws take a second to load, which other stacks do not need.
    from infra.databases.aurora import AuroraPostgresql
    from infra.databases.msk import Kafka

    opts = pulumi.ResourceOptions(providers={"aws": aws.primary})
    args = DatabaseArgs(settings, network, monitoring.logs_key_arn)
    Kafka("streaming", args, opts)
    postgresql = AuroraPostgresql("database", args, opts)
    return Databases(postgresql.endpoint)
