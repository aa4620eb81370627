"""Figures of the model server besides MLServer's own; in a module that it does not load anew with the model."""

from prometheus_client import Histogram

RISKS = Histogram(
    "readmission_risk",
    "Risks that were answered",
    ("model_name", "model_version"),
    buckets=[step / 20 for step in range(1, 21)],
)
