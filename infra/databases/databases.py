"""Stores besides buckets, in the data subnets of a VPC that the stack declares."""

from dataclasses import dataclass

import pulumi

from infra.blocks.providers import Account
from infra.cluster.cluster import Cluster
from infra.databases.store_args import StoreArgs
from infra.monitoring.account_monitoring import Watch
from infra.settings.values import Settings


@dataclass(frozen=True)
class Stores:
    """What a hospital has a part in.

    Parameters
    ----------
    database
        Where PostgreSQL answers, with its port.
    """

    database: pulumi.Output[str]


def declare(settings: Settings, account: Account, watch: Watch, cluster: Cluster) -> Stores | None:
    """Declare the database and the brokers; None where the stack has no VPC, whose pods have no such servers.

    Parameters
    ----------
    settings, account
        The environment, and where it is.
    watch
        Whose key encrypts logs.
    cluster
        Whose network they stand in.
    """
    network = cluster.network
    if network is None:
        return None
    # Imported here because these modules of AWS take a second to load, which local stacks need not pay.
    from infra.databases.aurora import Database
    from infra.databases.msk import Streaming

    here = pulumi.ResourceOptions(providers={"aws": account.here})
    args = StoreArgs(settings, network, watch.logs_key_arn)
    Streaming("streaming", args, here)
    database = Database("database", args, here)
    return Stores(database.address)
