"""Loads the curated tables and the features of one run into the warehouse, together with the features file."""

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import sqlalchemy as sa

from model.curated.curated_tables import Manifest
from model.errors import UserError
from model.features.edition import Edition, to_file
from model.features.feature_file import METADATA
from model.io.database import sqlstate
from model.warehouse.tables import FEATURES, LOAD, SCHEMA, Connect, columns, schemas

RUN_LETTERS = 12
"""As long is ``ingest_run`` in the rows of the curated tables."""
CSV = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
"""Every value is quoted and a missing one is not, so that an empty text stays one."""


class Warehouse:
    """The warehouse of a hospital, as the features step writes it.

    Parameters
    ----------
    hospital
        Whose warehouse it is.
    connect
        Opens a connection with a login of ``warehouse-writer``.
    """

    def __init__(self, hospital: str, connect: Connect) -> None:
        self._hospital = hospital
        self._connect = connect

    def publish(self, edition: Edition) -> None:
        """Replace every table in one transaction, and write the features file before it is committed.

        Readers see the tables of the run before or those of this one. When the file cannot be written, the tables stay
        as they were. Between the file and the commit nothing else happens: should the commit fail, the step fails, and
        its next run loads again.

        Parameters
        ----------
        edition : Edition
            What the run publishes.

        Raises
        ------
        UserError
            If the tables are another hospital's, the file cannot be written, or the database refuses a table.
        """
        manifest = self._manifest(edition)
        written = False
        with self._connect() as connection:
            fault_of_driver: type[Exception] = connection.dialect.loaded_dbapi.Error
            try:
                with connection.begin():
                    self._replace(connection, edition, manifest)
                    to_file(edition)
                    written = True
            except (sa.exc.DBAPIError, fault_of_driver) as fault:
                kept = f"The features file {edition.out} is new, but the warehouse" if written else "The warehouse"
                raise UserError(
                    f"{kept} of {self._hospital} was not changed (SQLSTATE {sqlstate(fault)}); check its migrations "
                    "and the login, and run the features step again."
                ) from None

    def _manifest(self, edition: Edition) -> Manifest:
        hospitals = [manifest.hospital for manifest in edition.manifests]
        if hospitals != [self._hospital]:
            raise UserError(
                f"The curated tables are of {', '.join(hospitals)}, the warehouse is of {self._hospital}; name the "
                "tables of this hospital alone."
            )
        return edition.manifests[0]

    def _replace(self, connection: sa.Connection, edition: Edition, manifest: Manifest) -> None:
        # Two runs at once: the second waits, and then replaces what the first loaded.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('warehouse'))"))
        # Times are copied without a zone, in UTC.
        connection.execute(sa.text("SET LOCAL TIME ZONE 'UTC'"))
        connection.execute(sa.delete(LOAD))
        run = manifest.input_digest[:RUN_LETTERS]
        for table, schema in schemas().items():
            connection.execute(sa.delete(sa.table(table, schema=SCHEMA)))
            if table == FEATURES:
                file = pq.ParquetFile(io.BytesIO(edition.features))
                source, made_from = hashlib.sha256(edition.features).hexdigest(), _made_from(file.schema_arrow)
            else:
                file = pq.ParquetFile(edition.folder / table / f"{manifest.hospital}.parquet")
                source, made_from = str(manifest.tables[table]["sha256"]), None
            rows = _copy(connection, table, schema, file)
            if rows != file.metadata.num_rows:
                raise UserError(
                    f"The warehouse took {rows} of {file.metadata.num_rows} rows of {table}, and was not changed; run "
                    "the features step again."
                )
            connection.execute(
                sa.insert(LOAD).values(
                    table_name=table,
                    source=source,
                    rows=rows,
                    ingest_run=run,
                    schema_version=manifest.schema_version,
                    made_from=made_from,
                )
            )


def _made_from(schema: pa.Schema) -> str:
    """Return what the features were made from, as the file says."""
    return json.dumps(json.loads(schema.metadata[METADATA]), sort_keys=True)


def _copy(connection: sa.Connection, table: str, schema: pa.Schema, file: pq.ParquetFile) -> int:
    """Copy the rows of a file into a table; return how many the database took."""
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {SCHEMA}.{table} ({columns(schema)}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
    with driver.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for part in _parts(file, schema):
                copy.write(part)
        return int(cursor.rowcount)


def _parts(file: pq.ParquetFile, schema: pa.Schema) -> Iterator[bytes]:
    """Yield a file as CSV, some rows at a time, with times in UTC."""
    plain = _without_zones(schema)
    for batch in file.iter_batches(columns=schema.names):
        sink = io.BytesIO()
        rows = pa.Table.from_batches([batch]).select(schema.names).cast(schema).cast(plain)
        pyarrow.csv.write_csv(rows, sink, CSV)
        yield sink.getvalue()


def _without_zones(schema: pa.Schema) -> pa.Schema:
    """Return the columns with times that have no zone: Arrow writes zones with files that slim images do not have."""
    return pa.schema(
        [
            field.with_type(pa.timestamp(field.type.unit)) if pa.types.is_timestamp(field.type) else field
            for field in schema
        ]
    )
