"""Input columns of a preprocessed matrix. Imports no library: the model server loads this module."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

_ORIGIN = re.compile(r"__(?:missingindicator_)?x(\d+)")


def origins(preprocessing: "ColumnTransformer") -> tuple[int, ...]:
    """Return for each transformed column the input column that it was made from.

    Parameters
    ----------
    preprocessing : ColumnTransformer
        The fitted step ``prepare`` of a pipeline; each of its outputs comes from one input, and scikit-learn names
        it after the place of that input (``numeric__x3``, ``numeric__missingindicator_x3``, ``category__x5_2.0``).
    """
    matches = (_ORIGIN.search(name) for name in preprocessing.get_feature_names_out())
    return tuple(int(match.group(1)) for match in matches if match)
