"""Seeded violations: by the controls that they violate, and all of them."""

from tests.policy.seeds import (
    access,
    admission,
    aws_access,
    aws_data,
    aws_network,
    aws_records,
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
    *aws_access.SEEDS,
    *aws_network.SEEDS,
    *aws_data.SEEDS,
    *aws_records.SEEDS,
    *access.SEEDS,
    *cluster.SEEDS,
    *gateway.SEEDS,
    *exposure.SEEDS,
    *records.RECORDS,
    *types.SEEDS,
    *effects.SEEDS,
    *pod_changes.SEEDS,
]
