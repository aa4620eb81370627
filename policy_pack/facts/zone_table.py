"""The zone table and the pool table, read as data: zone and pool of each workload, and the flows that are allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from policy_pack import tables

TABLE = Path(__file__).parents[2] / "workloads" / "zones.yaml"
WORKLOADS = TABLE.with_name("workloads.yaml")
PLATFORM = TABLE.parent / "platform" / "charts.yaml"
POOLS = TABLE.parents[1] / "infra" / "cluster" / "pools.yaml"
DNS = "dns"
DNS_PORTS = (53, 5353)
# The label value of what belongs to no single hospital.
SHARED = "shared"
_CLASS_PREFIX = "healthcare-mlops-"
# The pool of releases that answer nobody; the others are in the pool of the workload.
_STAGING = "staging"


@dataclass(frozen=True)
class Flow:
    """An allowed connection between workloads, or to or from an external endpoint."""

    source: str
    target: str
    port: int | None


@dataclass(frozen=True)
class PlatformPods:
    """Pods of the platform, which belong to no hospital: namespace, labels, and the port they listen on, if any."""

    namespace: str
    labels: dict[str, str]
    port: int | None


@dataclass(frozen=True)
class ZoneTable:
    """The zone table.

    Parameters
    ----------
    zones
        Names of the zones.
    workload_zones
        The zone of each workload.
    endpoints
        Names of the external endpoints.
    platform_pods
        The endpoints that are pods of the platform.
    flows
        The allowed flows.
    holds, passes
        The most sensitive data class that each zone stores, and that passes through it in requests; or none.
    """

    zones: frozenset[str]
    workload_zones: dict[str, str]
    endpoints: frozenset[str]
    platform_pods: dict[str, PlatformPods]
    flows: tuple[Flow, ...]
    holds: dict[str, str]
    passes: dict[str, str]

    def ports(self, source: str, target: str) -> set[int]:
        """Return the ports on which one workload may connect to another."""
        return {flow.port for flow in self.flows if (flow.source, flow.target) == (source, target) and flow.port}

    def platform_peers(self, workload: str, *, ingress: bool) -> list[tuple[PlatformPods, int | None]]:
        """Return the platform's pods that may connect to a workload, or that it may connect to, each with the port."""
        pods = self.platform_pods
        if ingress:
            return [(pods[flow.source], flow.port) for flow in self.ingress_flows(workload) if flow.source in pods]
        return [(pods[name], pods[name].port) for name in self.egress_endpoints(workload) if name in pods]

    def ingress_flows(self, workload: str) -> tuple[Flow, ...]:
        """Return the flows by which external endpoints may connect to a workload."""
        return tuple(flow for flow in self.flows if flow.target == workload and flow.source in self.endpoints)

    def egress_endpoints(self, workload: str) -> set[str]:
        """Return the external endpoints that a workload may connect to."""
        return {flow.target for flow in self.flows if flow.source == workload and flow.target in self.endpoints}


def read(path: Path, workloads: Path = WORKLOADS) -> ZoneTable:
    """Read the zone table, with the ServiceAccounts, zones and ports of the workload table.

    Workloads are named by their ServiceAccounts, which are the labels of their pods.

    Raises
    ------
    PackError
        When a file cannot be read or is not such a table.
    """
    return tables.read(_table, path, workloads)


def _table(document: Any, workloads: Any) -> ZoneTable:
    rows = workloads["workloads"]
    accounts = {name: str(row["service_account"]) for name, row in rows.items()}
    return ZoneTable(
        zones=frozenset(document["zones"]),
        workload_zones={accounts[name]: str(row["zone"]) for name, row in rows.items()},
        endpoints=frozenset(document["endpoints"]),
        platform_pods={
            name: PlatformPods(pods["namespace"], pods["labels"], pods.get("port"))
            for name, pods in document["pods"].items()
        },
        flows=tuple(
            Flow(
                accounts.get(flow["source"], flow["source"]),
                accounts.get(flow["target"], flow["target"]),
                int(rows[flow["target"]]["ports"][flow["port"]]) if "port" in flow else None,
            )
            for flow in document["flows"]
        ),
        **{field: {zone: str(document[field][zone]) for zone in document["zones"]} for field in ("holds", "passes")},
    )


@cache
def zones() -> ZoneTable:
    """Return the project's zone table."""
    return read(TABLE)


@dataclass(frozen=True)
class PlatformNamespace:
    """A namespace of the platform: what it connects to, its webhook's port, and whether its pods may connect."""

    egress: frozenset[str]
    webhook_port: int | None
    internal: bool


@cache
def platform() -> dict[str, PlatformNamespace]:
    """Return the described namespaces of the platform, which belong to no hospital."""
    return tables.read(_namespaces, PLATFORM)


def _namespaces(document: Any) -> dict[str, PlatformNamespace]:
    return {
        name: PlatformNamespace(frozenset(row.get("egress") or ()), row.get("webhook_port"), bool(row.get("internal")))
        for name, row in document["namespaces"].items()
    }


@cache
def platform_namespaces() -> frozenset[str]:
    """Return the names of the platform's namespaces."""
    return frozenset(platform())


@dataclass(frozen=True)
class PoolTable:
    """The pool table.

    Parameters
    ----------
    classes
        The value of each PriorityClass, and whether its pods take the place of others.
    of_accounts
        The priority classes that the pods of a ServiceAccount may have.
    node_classes
        Whether the nodes of each class have a taint, so that no pod is on them that does not choose them.
    """

    classes: Mapping[str, tuple[int, bool]]
    of_accounts: Mapping[str, tuple[str, ...]]
    node_classes: Mapping[str, bool]


@cache
def pool_table() -> PoolTable:
    """Return the project's pool table."""
    return tables.read(_pools, POOLS, WORKLOADS)


def _pools(document: Any, workloads: Any) -> PoolTable:
    pools = document["pools"]
    return PoolTable(
        classes={
            f"{_CLASS_PREFIX}{name}": (int(row["priority"]), bool(row["preempts"])) for name, row in pools.items()
        },
        of_accounts={
            str(row["service_account"]): tuple(
                f"{_CLASS_PREFIX}{pool}"
                for pool in (row["pool"], *([_STAGING] if row["pods"].get("per_release") else []))
            )
            for row in workloads["workloads"].values()
        },
        node_classes={
            str(nodes["name"]): bool(nodes.get("tainted", True))
            for row in pools.values()
            for nodes in row["nodes"].values()
        },
    )
