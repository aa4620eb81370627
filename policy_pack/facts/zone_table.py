"""The zone table, read as data: which workload is in which zone, and which flows are allowed."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from policy_pack.errors import PackError

TABLE = Path(__file__).parents[2] / "workloads" / "zones.yaml"
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


def read(path: Path) -> Zones:
    """Read a zone table.

    Raises
    ------
    PackError
        When the file is not there or is no zone table.
    """
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Zones(
            zones=frozenset(written["zones"]),
            homes={name: str(workload["zone"]) for name, workload in written["workloads"].items()},
            outside=frozenset(written["endpoints"]),
            pods={
                name: PlatformPods(p["namespace"], p["labels"], p.get("port")) for name, p in written["pods"].items()
            },
            flows=tuple(Flow(flow["source"], flow["target"], flow.get("port")) for flow in written["flows"]),
        )
    except OSError:
        raise PackError(f"{path} is not there; the zone-flow proof needs the zone table.") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise PackError(f"{path} is no zone table ({error}); mend it and run again.") from None


@cache
def zones() -> Zones:
    """Return the project's zone table."""
    return read(TABLE)
