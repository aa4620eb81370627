"""The pool table (``pools.yaml``, which documents the fields): priorities and nodes by what may wait for what."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.settings import names

TABLE = Path(__file__).with_name("pools.yaml")
STAGING = "staging"
_STRICT = ConfigDict(extra="forbid")
# Kubernetes keeps greater values for its own classes.
_HIGHEST_PRIORITY = 1_000_000_000
_SIZE = re.compile(r"[a-z0-9-]+\.(?:(?P<half>large)|(?P<times>\d*)xlarge)")


def _cpus(instance_type: str) -> int:
    """Return the processors of an EC2 instance type: 2 of `large`, 4 of `xlarge`, and as many times 4 of `8xlarge`."""
    size = _SIZE.fullmatch(instance_type)
    if size is None:
        raise ValueError(f"{instance_type} is no instance type of size large or xlarge; choose another type")
    return 2 if size["half"] else 4 * int(size["times"] or 1)


@validated(frozen=True, config=_STRICT)
class NodeClass:
    """A class of nodes.

    Parameters
    ----------
    name
        Value of the nodes' label and taint.
    phi
        Whether the nodes process PHI.
    instance_types
        EC2 instance types of one size, in order of preference.
    minimum, maximum
        Least and greatest number of nodes.
    disk
        Size of the root volume in GiB.
    tainted
        Whether pods need a toleration; untainted nodes also run system pods.
    """

    name: str
    phi: bool
    instance_types: tuple[str, ...]
    minimum: Annotated[int, Field(ge=0)]
    maximum: Annotated[int, Field(ge=1)]
    disk: int
    tainted: bool = True

    def __post_init__(self) -> None:
        if len({_cpus(instance_type) for instance_type in self.instance_types}) != 1:
            raise ValueError(f"node class {self.name} needs instance types of one size, such as large or 2xlarge")

    @property
    def cpus(self) -> int:
        """Processors of a node."""
        return _cpus(self.instance_types[0])


@validated(frozen=True, config=_STRICT)
class Pool:
    """A row of the table."""

    purpose: str
    priority: Annotated[int, Field(ge=1, le=_HIGHEST_PRIORITY)]
    preempts: bool
    may_be_empty: bool
    nodes: dict[str, NodeClass]


@validated(frozen=True, config=_STRICT)
class PoolTable:
    """Pools by name."""

    pools: dict[str, Pool]

    def __post_init__(self) -> None:
        standing = [pool for pool in self.pools.values() if not pool.may_be_empty]
        for name, pool in self.pools.items():
            if pool.may_be_empty and (pool.preempts or any(pool.priority >= one.priority for one in standing)):
                raise ValueError(
                    f"pool {name} may be empty, so nobody waits for it: give it a lower priority than the pools that "
                    "may not, and preempts: false"
                )
            for zone, node_class in pool.nodes.items():
                if node_class.minimum > node_class.maximum or not (pool.may_be_empty or node_class.minimum):
                    raise ValueError(
                        f"pool {name} needs a node in the zone {zone} at all times; correct minimum and maximum"
                    )
        classes = [node_class.name for node_class in self.node_classes]
        if twice := sorted({name for name in classes if classes.count(name) > 1}):
            raise ValueError(f"two pools or zones have the node class {', '.join(twice)}; choose another name")
        if STAGING not in self.pools:
            raise ValueError(f"there is no pool {STAGING}, in which shadows run; add it")

    @property
    def node_classes(self) -> tuple[NodeClass, ...]:
        """The node classes of all pools."""
        return tuple(node_class for pool in self.pools.values() for node_class in pool.nodes.values())

    def node_class(self, zone: str, pool: str) -> NodeClass:
        """Return the node class of a pool's pods in a zone: its own, or the zone's first."""
        own = self.pools[pool].nodes.get(zone)
        return own or next(one.nodes[zone] for one in self.pools.values() if zone in one.nodes)


@cache
def table() -> PoolTable:
    """Return the pool table."""
    return TypeAdapter(PoolTable).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def priority_class(pool: str) -> str:
    """Return the name of a pool's PriorityClass."""
    return f"{names.DOMAIN}-{pool}"
