"""Placement of pods on node classes: one a zone and pool, so that pods that process PHI share no node with others.

Node groups, node selectors and tolerations are declared from the table of pools (``pools.yaml``). The autoscaler scales
a class up to ``maximum``.
"""

from dataclasses import dataclass

from infra.cluster.pools import NodeClass, table
from infra.settings import names

LABEL = f"{names.DOMAIN}/node-class"
TAINT_EFFECT = "NoSchedule"


@dataclass(frozen=True)
class Placement:
    """``nodeSelector`` and ``tolerations`` of a pod."""

    node_selector: dict[str, str]
    tolerations: list[dict[str, str]]


ANY_NODE = Placement({}, [])


def placement(zone: str, pool: str) -> Placement:
    """Return the placement of a pool's pods in a zone, on a cluster that has node classes."""
    node_class = table().node_class(zone, pool)
    return Placement({LABEL: node_class.name}, [_toleration(node_class)] if node_class.tainted else [])


def _toleration(node_class: NodeClass) -> dict[str, str]:
    return {"key": LABEL, "operator": "Equal", "value": node_class.name, "effect": TAINT_EFFECT}
