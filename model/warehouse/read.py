"""Features of the warehouse, as the features file that they were loaded from."""

import hashlib
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa

from model.curated.curated_tables import to_parquet
from model.definitions.features import definitions, digest
from model.errors import UserError
from model.features import feature_file
from model.features.feature_file import METADATA
from model.features.feature_rows import shaped
from model.io.database import sqlstate
from model.warehouse.tables import FEATURES, LOAD, SCHEMA, Connect, columns, connection_to, schemas

PREFIX = "warehouse:"
"""``warehouse:north`` is the warehouse of the hospital north, where a features file could be named."""
AGAIN = "run the features step again."
READ_ONLY = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"


def load(place: str) -> tuple[pa.Table, dict[str, Any]]:
    """Return the features of a features file or of a warehouse, and what they were made from.

    Parameters
    ----------
    place : str
        A features file, or ``warehouse:HOSPITAL``.

    Raises
    ------
    UserError
        If there are no features there, or they were made with other definitions.
    """
    if not place.startswith(PREFIX):
        return feature_file.load(place)
    hospital = place.removeprefix(PREFIX)
    if not hospital:
        raise UserError(f"{PREFIX} names no hospital; write {PREFIX}HOSPITAL.")
    return feature_file.parse(features_file(connection_to(hospital), hospital), place)


def features_file(connect: Connect, hospital: str) -> bytes:
    """Return the features file that the rows of a warehouse were loaded from, made again from the rows.

    Parameters
    ----------
    connect
        Opens a connection with a login of ``trainer``.
    hospital
        Whose warehouse it is, for messages.

    Raises
    ------
    UserError
        If nothing was loaded, the features have other definitions, or the rows do not give the file of the load.
    """
    where = f"The warehouse of {hospital}"
    with connect() as connection:
        fault_of_driver: type[Exception] = connection.dialect.loaded_dbapi.Error
        try:
            with connection.begin():
                connection.execute(sa.text(READ_ONLY))
                connection.execute(sa.text("SET LOCAL TimeZone = 'UTC'"))
                load = connection.execute(sa.select(LOAD).where(LOAD.c.table_name == FEATURES)).one_or_none()
                if load is None:
                    raise UserError(f"{where} has no features; run the features step.")
                if json.loads(load.made_from)["definition_digest"] != digest():
                    raise UserError(f"{where} was filled with other feature definitions; {AGAIN}")
                content = _copy(connection)
        except (sa.exc.DBAPIError, fault_of_driver) as fault:
            raise UserError(
                f"{where} cannot be read (SQLSTATE {sqlstate(fault)}); check its migrations and the login."
            ) from None
    table = _table(content).replace_schema_metadata({METADATA: load.made_from.encode()})
    file = to_parquet(table)
    if table.num_rows != load.rows or hashlib.sha256(file).hexdigest() != load.source:
        raise UserError(f"{where} holds other features than the file that was published; {AGAIN}")
    return file


def _copy(connection: sa.Connection) -> bytes:
    driver: Any = connection.connection.driver_connection
    query = f"COPY {SCHEMA}.{FEATURES} ({columns(schemas()[FEATURES])}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')"
    with driver.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(bytes(part) for part in copy)


def _table(content: bytes) -> pa.Table:
    schema = schemas()[FEATURES]
    if not content:
        return schema.empty_table()
    table = pyarrow.csv.read_csv(
        io.BytesIO(content),
        pyarrow.csv.ReadOptions(column_names=schema.names),
        pyarrow.csv.ParseOptions(newlines_in_values=True),
        pyarrow.csv.ConvertOptions(
            column_types=schema,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
        ),
    )
    return shaped(table, definitions())
