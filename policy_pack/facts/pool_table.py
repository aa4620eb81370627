"""The pool table, read as data: the priority classes of pools, and those that each workload's pods may have."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from policy_pack import tables
from policy_pack.facts.zone_table import TABLE as ZONES
from policy_pack.facts.zone_table import WORKLOADS

TABLE = ZONES.parents[1] / "infra" / "cluster" / "pools.yaml"
PREFIX = "healthcare-mlops-"
# The pool of releases that answer nobody; the others are in the pool of the workload.
_STAGING = "staging"


@dataclass(frozen=True)
class PoolTable:
    """The pool table.

    Parameters
    ----------
    classes
        The value of each PriorityClass, and whether its pods take the place of others.
    of_accounts
        The priority classes that the pods of a ServiceAccount may have.
    """

    classes: Mapping[str, tuple[int, bool]]
    of_accounts: Mapping[str, tuple[str, ...]]


@cache
def pool_table() -> PoolTable:
    """Return the project's pool table."""
    return tables.read(_table, TABLE, WORKLOADS)


def _table(document: Any, workloads: Any) -> PoolTable:
    pools = document["pools"]
    return PoolTable(
        classes={f"{PREFIX}{name}": (int(row["priority"]), bool(row["preempts"])) for name, row in pools.items()},
        of_accounts={
            str(row["service_account"]): tuple(
                f"{PREFIX}{pool}" for pool in (row["pool"], *([_STAGING] if row["pods"].get("per_release") else []))
            )
            for row in workloads["workloads"].values()
        },
    )
