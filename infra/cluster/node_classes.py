"""Placement of pods on node classes: one a zone and pool, so that pods that process PHI share no node with others.

Node groups, Karpenter's NodePools, node selectors and tolerations are declared from the table of pools
(``pools.yaml``). The autoscaler scales a class up to ``maximum``.
"""

from dataclasses import dataclass

from infra.cluster.pools import NodeClass, table
from infra.settings import Autoscaler, names

LABEL = f"{names.DOMAIN}/node-class"
TAINT_EFFECT = "NoSchedule"
ROOT_DEVICE = "/dev/xvda"


@dataclass(frozen=True)
class Placement:
    """``nodeSelector`` and ``tolerations`` of a pod."""

    node_selector: dict[str, str]
    tolerations: list[dict[str, str]]


ANY_NODE = Placement({}, [])


def standing_nodes(node_class: NodeClass, autoscaler: Autoscaler) -> int:
    """Return the nodes that a class has when nobody asks: with no autoscaler, one more pod would find none."""
    return max(1, node_class.minimum) if autoscaler is Autoscaler.NONE else node_class.minimum


def node_tags(environment: str, node_class: NodeClass) -> dict[str, str]:
    """Return the AWS tags of a class's instances, their volumes and network interfaces."""
    tags = names.tags(environment, phi=node_class.phi, node_class=node_class.name)
    return {**tags, "Name": f"{names.stem(environment)}-{node_class.name}"}


def placement(zone: str, pool: str) -> Placement:
    """Return the placement of a pool's pods in a zone, on a cluster that has node classes."""
    node_class = table().node_class(zone, pool)
    return Placement({LABEL: node_class.name}, [_toleration(node_class)] if node_class.tainted else [])


def _toleration(node_class: NodeClass) -> dict[str, str]:
    return {"key": LABEL, "operator": "Equal", "value": node_class.name, "effect": TAINT_EFFECT}
