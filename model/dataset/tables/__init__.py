"""A hospital's own table: file format, column types and values, inferred from whole columns and reported."""

from model.dataset.tables.dates import times
from model.dataset.tables.describe import PLAIN, Described, Rows, describe, groups
from model.dataset.tables.reading import Table, read_table
from model.dataset.tables.roles import LACE, Words, identities, lace_columns, need, outcomes, split_names

__all__ = [
    "LACE",
    "PLAIN",
    "Described",
    "Rows",
    "Table",
    "Words",
    "describe",
    "groups",
    "identities",
    "lace_columns",
    "need",
    "outcomes",
    "read_table",
    "split_names",
    "times",
]
