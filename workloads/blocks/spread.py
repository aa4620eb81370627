"""Spread of a service's pods over availability zones."""

from collections.abc import Mapping

from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs

from infra.cluster.cluster import Cluster


def spread_constraint(cluster: Cluster, labels: Mapping[str, str]) -> core.TopologySpreadConstraintArgs:
    """Return the topology spread constraint over availability zones of the pods with some labels."""
    return core.TopologySpreadConstraintArgs(
        max_skew=1,
        topology_key="topology.kubernetes.io/zone",
        when_unsatisfiable=cluster.when_unsatisfiable,
        label_selector=LabelSelectorArgs(match_labels=dict(labels)),
    )
