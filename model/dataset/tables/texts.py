"""Trimmed text values of a table column."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.dataset.columns import plain

Series: TypeAlias = "pd.Series[Any]"
"""A column as pandas read it, of whatever type its cells are."""
Text = npt.NDArray[np.object_]


def texts(series: Series) -> Text:
    """Return trimmed texts, None for what means nothing."""
    return np.array([plain(value) for value in series.tolist()], dtype=object)
