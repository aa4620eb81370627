"""Rows of features: their columns and types, in one order, whatever engine computed them."""

import pyarrow as pa

from model.definitions.features import BASELINE, GROUPS, KEYS, LABEL, Definitions, group_column
from model.features.expression import FRESH, age_column


def schema(table: Definitions, fresh: bool = False) -> pa.Schema:
    """Return the columns of a features file; groups of patients come last, apart from the features."""
    moment = pa.timestamp("us", tz="UTC")
    keys = {name: moment if name.endswith("_at") else pa.string() for name in KEYS}
    columns = dict.fromkeys(table.names, pa.float64()) | {BASELINE: pa.int64(), LABEL: pa.bool_()}
    ages = {age_column(name): pa.float64() for name in FRESH} if fresh else {}
    beside = {} if fresh else dict.fromkeys(map(group_column, GROUPS), pa.string())
    return pa.schema(list((keys | columns | ages | beside).items()))


def shaped(found: pa.Table, table: Definitions, fresh: bool = False) -> pa.Table:
    """Return a result in the one order and with the one set of types, whatever the engine gave."""
    wanted = schema(table, fresh)
    return found.select(wanted.names).cast(wanted).sort_by([(key, "ascending") for key in KEYS]).combine_chunks()
