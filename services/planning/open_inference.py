"""Requests of the Open Inference Protocol v2 (https://github.com/kserve/open-inference-protocol)."""

from collections.abc import Mapping, Sequence

MODEL_SERVER = "model-server"
"""ServiceAccount of the model server."""
TENSOR = "features"
"""Name of the one input that has all features of a release, as a tensor of shape [n, k]."""
ORDER = "order"
"""Parameter of that input: :attr:`model.scoring.contract.Contract.order`, the order that its columns are in."""


def request_body(columns: Mapping[str, Sequence[float | None]]) -> dict[str, object]:
    """Return the body of an inference request: an input of shape [n, 1] for each feature."""
    return {
        "inputs": [
            {"name": name, "datatype": "FP64", "shape": [len(values), 1], "data": list(values)}
            for name, values in columns.items()
        ]
    }


def tensor_body(order: str, rows: Sequence[Sequence[float | None]]) -> dict[str, object]:
    """Return the body of an inference request: one input of shape [n, k].

    Parameters
    ----------
    order : str
        The order of the features, as the contract of the release names it; a server of another order refuses.
    rows : sequence
        One row of values for each discharge; None is missing.
    """
    return {
        "inputs": [
            {
                "name": TENSOR,
                "datatype": "FP64",
                "shape": [len(rows), len(rows[0])],
                "parameters": {ORDER: order},
                "data": [list(row) for row in rows],
            }
        ]
    }
