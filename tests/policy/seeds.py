"""All seeds."""

from tests.policy import pod_changes, seeds_cloud, seeds_cluster, seeds_exposure, seeds_types

SEEDS = [
    *seeds_cloud.SEEDS,
    *seeds_cluster.SEEDS,
    *seeds_exposure.SEEDS,
    *seeds_types.SEEDS,
    *pod_changes.SEEDS,
]
