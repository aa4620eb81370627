"""Reference inputs and the predictions of the evaluated pipeline, which serving must reproduce to 1e-12.

The inputs are made from the contract and belong to no patient.
"""

import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from model.errors import UserError

Floats = npt.NDArray[np.float64]

MIXED_ROWS = 12
SEED = 20240501
TOLERANCE = 1e-12


def reference(
    names: tuple[str, ...], levels: list[list[float]], predict: Callable[[Floats], Floats]
) -> dict[str, object]:
    """Return reference inputs and what is expected of them.

    Parameters
    ----------
    names : tuple of str
        The model's columns, in order.
    levels : list of list of float
        For each column, values that it can take; each also is missing in some rows.
    predict : callable
        The evaluated pipeline's risk for rows.

    Returns
    -------
    dict
        ``names``, ``inputs`` (rows, null for missing) and ``risks``.
    """
    chance = np.random.default_rng(SEED)
    rows = [[np.nan] * len(names), [column[0] for column in levels], [column[-1] for column in levels]]
    for _ in range(MIXED_ROWS):
        rows.append([float(chance.choice([*column, np.nan])) for column in levels])
    values = np.array(rows, dtype=np.float64)
    return {
        "names": list(names),
        "inputs": [[None if np.isnan(v) else v for v in row] for row in values.tolist()],
        "risks": predict(values).tolist(),
    }


def deviation(text: str, predict: Callable[[Floats], Floats]) -> float:
    """Return the largest difference between expected and found risks.

    Raises
    ------
    UserError
        When the reference cannot be read.
    """
    try:
        content = json.loads(text)
        values = np.array(content["inputs"], dtype=np.float64)
        expected = np.array(content["risks"], dtype=np.float64)
    except (ValueError, KeyError, TypeError):
        raise UserError("The release's reference inputs cannot be read; fetch it again.") from None
    return float(np.abs(predict(values) - expected).max())
