"""PriorityClasses of the pools: whose pods are kept, and whose give way, when there is not enough room for all."""

import pulumi
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.scheduling.v1 import PriorityClass

from infra.cluster import pools
from infra.settings import names


def priority_classes(opts: pulumi.ResourceOptions) -> list[PriorityClass]:
    """Declare the PriorityClass of each pool; none is that of pods that name none."""
    return [
        PriorityClass(
            pools.priority_class(name),
            metadata=ObjectMetaArgs(name=pools.priority_class(name), labels=names.labels()),
            description=pool.purpose,
            value=pool.priority,
            global_default=False,
            preemption_policy="PreemptLowerPriority" if pool.preempts else "Never",
            opts=opts,
        )
        for name, pool in pools.table().pools.items()
    ]
