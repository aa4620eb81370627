"""Requests of the Open Inference Protocol v2 (https://github.com/kserve/open-inference-protocol)."""

from collections.abc import Mapping, Sequence
from typing import Any

MODEL_SERVER = "model-server"
"""ServiceAccount of the model server."""


def request_body(columns: Mapping[str, Sequence[float | None]]) -> dict[str, Any]:
    """Return the body of an inference request: an input of shape [n, 1] for each feature."""
    return {
        "inputs": [
            {"name": name, "datatype": "FP64", "shape": [len(values), 1], "data": list(values)}
            for name, values in columns.items()
        ]
    }
