"""Subgroups of the evaluation."""

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.dataset.dataset import Floats
from model.definitions.features import GROUPS, LABEL, group_column
from model.training.settings import Band, settings

UNKNOWN = ""


def groups_of(
    columns: Mapping[str, Floats], *, attributes: Collection[str] | None = None
) -> dict[str, npt.NDArray[np.str_]]:
    """Return for each declared attribute the group of each row.

    Parameters
    ----------
    columns : dict of arrays
        The table's numeric columns.
    attributes : collection of str, optional
        Only these attributes; all that are declared where absent.
    """
    groups = {}
    for name, bands in settings().groups.items():
        wanted = attributes is None or name in attributes
        if wanted and all(band.column in columns for band in bands):
            chosen = [_inside(columns[band.column], band) for band in bands]
            groups[name] = np.select(chosen, [band.name for band in bands], default=UNKNOWN).astype(str)
    return groups


def recorded_groups(table: pa.Table, *, attributes: Collection[str] | None = None) -> dict[str, npt.NDArray[np.str_]]:
    """Return for each attribute that a features file holds beside the features the group of each labelled row."""
    with_label = table.filter(table[LABEL].is_valid())
    wanted = [name for name in GROUPS if attributes is None or name in attributes]
    return {
        name: np.array([group or UNKNOWN for group in with_label[group_column(name)].to_pylist()], dtype=str)
        for name in wanted
        if group_column(name) in with_label.column_names
    }


def _inside(values: Floats, band: Band) -> npt.NDArray[np.bool_]:
    inside = np.isfinite(values)
    if band.equals is not None:
        inside &= values == band.equals
    if band.at_least is not None:
        inside &= values >= band.at_least
    if band.below is not None:
        inside &= values < band.below
    return inside
