"""All seeds."""

from tests.policy import seeds_cloud, seeds_cluster, seeds_exposure, seeds_records

SEEDS = [*seeds_cloud.SEEDS, *seeds_cluster.SEEDS, *seeds_exposure.SEEDS, *seeds_records.RECORDS]
