"""One patient's record as curated rows in memory: read, validated, de-identified and completed as an extract is.

Groups of patients are left out: a cell of one patient is suppressed, and no feature needs it.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from model.curated import curated_tables
from model.curated.reading import read_all
from model.curated.refusals import refuse_bad_share
from model.curated.staging import Staging
from model.curated.time_zone import zone_of
from model.deid.groups import groups
from model.deid.keys import Keyring
from model.fhir import discovery

COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    table: {name: kind for name, kind in columns.items() if name not in groups().table.cells.suppress}
    for table, columns in curated_tables.COLUMNS.items()
}
"""The columns of each table, without groups of patients."""


@contextlib.contextmanager
def record_rows(
    source: str, *, hospital: str, ring: Keyring, zone: str | None, cursor: Callable[[], duckdb.DuckDBPyConnection]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection with ``used_<table>`` for each curated table; they end with the context.

    Parameters
    ----------
    source : str
        A file or folder with the record.
    hospital : str
        Short name of the hospital.
    ring : Keyring
        Its pseudonym key.
    zone : str, optional
        Its time zone.
    cursor : callable
        Returns a connection of its own, whose temporary tables no other one sees.

    Raises
    ------
    UserError
        If the source has no resource of a needed type.
    """
    files = discovery.find(source).files
    local = zone_of(zone, files)
    with tempfile.TemporaryDirectory(prefix="record-") as scratch, contextlib.ExitStack() as opened:
        work, _ = read_all(
            files, hospital, ring, local.tz, Path(scratch), opened, staging=lambda folder: Staging(folder, cursor())
        )
        refuse_bad_share(work, len(files), 1.0, None)
        staging = work.staging
        staging.close()
        staging.complete(observed_until=None, zone=local.tz)
        for table, columns in COLUMNS.items():
            staging.used(table, columns)
        yield staging.database
