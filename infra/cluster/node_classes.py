"""Nodes by what runs on them: a class for each zone, so that patients' records share a machine with nothing else.

The table is read by who declares the nodes and by who places the pods, so that a pod always finds the node that is
meant for it. Sizes are a beginning: the autoscaler goes up to ``most``.
"""

from dataclasses import dataclass

from infra.settings import names

LABEL = f"{names.DOMAIN}/node-class"
TAINT_EFFECT = "NoSchedule"


@dataclass(frozen=True)
class NodeClass:
    """Nodes of one kind.

    Parameters
    ----------
    name
        Value of their label, and of their taint.
    phi
        Whether patients' data is in their memory and on their disks.
    instance_types
        What they may be, the preferred one first.
    least, most
        How many there are.
    disk
        Size of their volume in GiB.
    tainted
        Whether pods must say that they belong there; system pods go where they need not.
    """

    name: str
    phi: bool
    instance_types: tuple[str, ...]
    least: int
    most: int
    disk: int
    tainted: bool = True


# By zone. Processing needs memory and may wait for a node; serving must survive the loss of one.
NODE_CLASSES: dict[str, NodeClass] = {
    "phi": NodeClass("phi", True, ("m7i.large", "m6i.large"), least=1, most=6, disk=50),
    "serving": NodeClass("serving", True, ("m7i.large", "m6i.large"), least=2, most=12, disk=50),
    "data": NodeClass("batch", True, ("r7i.xlarge", "r6i.xlarge"), least=1, most=12, disk=100),
    "platform": NodeClass("platform", False, ("m7i.large", "m6i.large"), least=3, most=6, disk=50, tainted=False),
}


@dataclass(frozen=True)
class Placement:
    """Where a pod may run, in the words of its specification (``nodeSelector`` and ``tolerations``)."""

    node_selector: dict[str, str]
    tolerations: list[dict[str, str]]


ANY_NODE = Placement({}, [])


def placement(zone: str) -> Placement:
    """Return the nodes of a zone's pods, on a cluster that has node classes."""
    chosen = NODE_CLASSES[zone]
    return Placement({LABEL: chosen.name}, [_toleration(chosen)] if chosen.tainted else [])


def _toleration(chosen: NodeClass) -> dict[str, str]:
    return {"key": LABEL, "operator": "Equal", "value": chosen.name, "effect": TAINT_EFFECT}
