"""Arguments of the database components."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.settings import Settings

if TYPE_CHECKING:
    from infra.network.vpc import Network


@dataclass(frozen=True)
class DatabaseArgs:
    """Arguments of a database.

    Parameters
    ----------
    settings, network
        The stack's settings and its VPC.
    logs_key_arn
        The KMS key of log groups.
    """

    settings: Settings
    network: "Network"
    logs_key_arn: pulumi.Input[str]
