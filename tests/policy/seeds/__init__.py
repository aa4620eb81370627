"""Seeded violations: by the controls that they violate, and all of them."""

from tests.policy.seeds import (
    access,
    admission,
    cloud,
    cluster,
    effects,
    exposure,
    gateway,
    pod_changes,
    records,
    types,
)

SEEDS = [
    *admission.SEEDS,
    *cloud.SEEDS,
    *access.SEEDS,
    *cluster.SEEDS,
    *gateway.SEEDS,
    *exposure.SEEDS,
    *records.RECORDS,
    *types.SEEDS,
    *effects.SEEDS,
    *pod_changes.SEEDS,
]
