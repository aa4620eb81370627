"""All seeds."""

from tests.policy import (
    pod_changes,
    seeds_access,
    seeds_admission,
    seeds_cloud,
    seeds_cluster,
    seeds_effects,
    seeds_exposure,
    seeds_gateway,
    seeds_records,
    seeds_types,
)

SEEDS = [
    *seeds_admission.SEEDS,
    *seeds_cloud.SEEDS,
    *seeds_access.SEEDS,
    *seeds_cluster.SEEDS,
    *seeds_gateway.SEEDS,
    *seeds_exposure.SEEDS,
    *seeds_records.RECORDS,
    *seeds_types.SEEDS,
    *seeds_effects.SEEDS,
    *pod_changes.SEEDS,
]
