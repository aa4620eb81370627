"""Trimmed text values of a table column."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.dataset.columns import plain

Text = npt.NDArray[np.object_]


def texts(series: "pd.Series[Any]") -> Text:
    """Return trimmed texts, None for what means nothing."""
    return np.array([plain(value) for value in series.tolist()], dtype=object)
