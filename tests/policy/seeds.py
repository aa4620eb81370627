"""All seeds."""

from tests.policy import seeds_cloud, seeds_cluster

SEEDS = [*seeds_cloud.SEEDS, *seeds_cluster.SEEDS]
