"""Prometheus metrics of the model server, in a module that MLServer does not reload with the model."""

from prometheus_client import Histogram

RISKS = Histogram(
    "readmission_risk",
    "Risks that were answered",
    ("model_name", "model_version"),
    buckets=[step / 20 for step in range(1, 21)],
)
