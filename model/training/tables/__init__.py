"""A hospital's own table: what its file, its columns and their values are, decided for whole columns and reported."""

from model.training.tables.baseline import baseline
from model.training.tables.dates import times
from model.training.tables.describe import PLAIN, Described, Rows, describe, groups
from model.training.tables.reading import Table, read_table
from model.training.tables.roles import LACE, Words, identities, lace_columns, need, outcomes, split_names

__all__ = [
    "LACE",
    "PLAIN",
    "Described",
    "Rows",
    "Table",
    "Words",
    "baseline",
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
