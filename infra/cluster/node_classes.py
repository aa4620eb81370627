"""Node classes: one a zone, so that pods that process PHI share no node with others.

Node groups, node selectors and tolerations are declared from the same table. The autoscaler scales a class up to
``maximum``.
"""

from dataclasses import dataclass

from infra.settings import names

LABEL = f"{names.DOMAIN}/node-class"
TAINT_EFFECT = "NoSchedule"


@dataclass(frozen=True)
class NodeClass:
    """A class of nodes.

    Parameters
    ----------
    name
        Value of the nodes' label and taint.
    phi
        Whether the nodes process PHI.
    instance_types
        EC2 instance types, in order of preference.
    minimum, maximum
        Size limits of the node group.
    disk
        Size of the root volume in GiB.
    tainted
        Whether pods need a toleration; untainted nodes also run system pods.
    """

    name: str
    phi: bool
    instance_types: tuple[str, ...]
    minimum: int
    maximum: int
    disk: int
    tainted: bool = True


# By zone. Data processing needs memory and may wait for a node; serving must survive the loss of a node.
NODE_CLASSES: dict[str, NodeClass] = {
    "phi": NodeClass("phi", True, ("m7i.large", "m6i.large"), minimum=1, maximum=6, disk=50),
    "serving": NodeClass("serving", True, ("m7i.large", "m6i.large"), minimum=2, maximum=12, disk=50),
    "data": NodeClass("batch", True, ("r7i.xlarge", "r6i.xlarge"), minimum=1, maximum=12, disk=100),
    "platform": NodeClass("platform", False, ("m7i.large", "m6i.large"), minimum=3, maximum=6, disk=50, tainted=False),
}


@dataclass(frozen=True)
class Placement:
    """``nodeSelector`` and ``tolerations`` of a pod."""

    node_selector: dict[str, str]
    tolerations: list[dict[str, str]]


ANY_NODE = Placement({}, [])


def placement(zone: str) -> Placement:
    """Return the placement of a zone's pods on a cluster that has node classes."""
    node_class = NODE_CLASSES[zone]
    return Placement({LABEL: node_class.name}, [_toleration(node_class)] if node_class.tainted else [])


def _toleration(node_class: NodeClass) -> dict[str, str]:
    return {"key": LABEL, "operator": "Equal", "value": node_class.name, "effect": TAINT_EFFECT}
