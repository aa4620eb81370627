"""The zone table, read as data: which workload is in which zone, and which flows are allowed."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from policy_pack.errors import PackError

TABLE = Path(__file__).parents[2] / "workloads" / "zones.yaml"
WORKLOADS = TABLE.with_name("workloads.yaml")
DNS = "dns"
DNS_PORTS = (53, 5353)
# The hospital of what belongs to none.
SHARED = "shared"


@dataclass(frozen=True)
class Flow:
    """Leave for a workload to call another or a server outside the zones, or for what is outside to call it."""

    source: str
    target: str
    port: int | None


@dataclass(frozen=True)
class PlatformPods:
    """Pods that belong to no hospital: where they run, how they are labelled, and where they answer, if they do."""

    namespace: str
    labels: dict[str, str]
    port: int | None


@dataclass(frozen=True)
class Zones:
    """The zone table.

    Parameters
    ----------
    zones
        Names of the zones.
    homes
        The zone of each workload.
    outside
        Names of the servers outside the zones.
    pods
        Those of them that are pods of the platform.
    flows
        What is allowed.
    """

    zones: frozenset[str]
    homes: dict[str, str]
    outside: frozenset[str]
    pods: dict[str, PlatformPods]
    flows: tuple[Flow, ...]

    def ports(self, source: str, target: str) -> set[int]:
        """Return the ports on which one workload may call another."""
        return {flow.port for flow in self.flows if (flow.source, flow.target) == (source, target) and flow.port}

    def platform(self, workload: str, *, inward: bool) -> list[tuple[PlatformPods, int | None]]:
        """Return the platform's pods that may call a workload, or that it may call, each with the port."""
        if inward:
            return [(self.pods[f.source], f.port) for f in self.callers(workload) if f.source in self.pods]
        return [(self.pods[name], self.pods[name].port) for name in self.servers(workload) if name in self.pods]

    def callers(self, target: str) -> tuple[Flow, ...]:
        """Return the flows by which what is outside the zones may call a workload."""
        return tuple(flow for flow in self.flows if flow.target == target and flow.source in self.outside)

    def servers(self, source: str) -> set[str]:
        """Return the servers outside the zones that a workload may call."""
        return {flow.target for flow in self.flows if flow.source == source and flow.target in self.outside}


def read(path: Path, workloads: Path = WORKLOADS) -> Zones:
    """Read the zone table, with the ServiceAccounts, zones and ports of the workload table.

    Workloads are named by their ServiceAccounts, as their pods are labelled.

    Raises
    ------
    PackError
        When a file is missing or is not such a table.
    """
    try:
        rows = yaml.safe_load(workloads.read_text(encoding="utf-8"))["workloads"]
        accounts = {name: str(row["service_account"]) for name, row in rows.items()}
        homes = {str(row["service_account"]): str(row["zone"]) for row in rows.values()}
    except OSError:
        raise PackError(f"{workloads} is not there; the zone-flow proof needs the workload table.") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise PackError(f"{workloads} is not a workload table ({error}); correct it and run again.") from None
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Zones(
            zones=frozenset(table["zones"]),
            homes=homes,
            outside=frozenset(table["endpoints"]),
            pods={name: PlatformPods(p["namespace"], p["labels"], p.get("port")) for name, p in table["pods"].items()},
            flows=tuple(
                Flow(
                    accounts.get(flow["source"], flow["source"]),
                    accounts.get(flow["target"], flow["target"]),
                    int(rows[flow["target"]]["ports"][flow["port"]]) if "port" in flow else None,
                )
                for flow in table["flows"]
            ),
        )
    except OSError:
        raise PackError(f"{path} is not there; the zone-flow proof needs the zone table.") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise PackError(f"{path} is not a zone table ({error}); correct it and run again.") from None


@cache
def zones() -> Zones:
    """Return the project's zone table."""
    return read(TABLE)
