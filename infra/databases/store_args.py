"""Arguments that the databases share: the environment, its VPC and the key of their logs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.settings.values import Settings

if TYPE_CHECKING:
    from infra.network.vpc import Network


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
