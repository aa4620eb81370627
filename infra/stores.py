"""Stores besides buckets, in the data subnets of a VPC that the stack declares."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.account import Account
from infra.cluster import Cluster
from infra.settings import Settings
from infra.watch import Watch

if TYPE_CHECKING:
    from infra.network import Network


@dataclass(frozen=True)
class StoreArgs:
    """Where a store stands.

    Parameters
    ----------
    settings, network
        The environment and its VPC.
    logs_key_arn
        The key of logs.
    """

    settings: Settings
    network: "Network"
    logs_key_arn: pulumi.Input[str]


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
    from infra.database import Database
    from infra.streaming import Streaming

    here = pulumi.ResourceOptions(providers={"aws": account.here})
    args = StoreArgs(settings, network, watch.logs_key_arn)
    Streaming("streaming", args, here)
    database = Database("database", args, here)
    return Stores(database.address)
