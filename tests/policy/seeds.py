"""All seeds."""

from tests.policy import seeds_cloud, seeds_cluster, seeds_records

SEEDS = [*seeds_cloud.SEEDS, *seeds_cluster.SEEDS, *seeds_records.RECORDS]
