"""Tables of the warehouse, with the columns of the files that they are loaded from, and connections to them."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from model.curated import curated_tables
from model.definitions.features import definitions
from model.features import feature_rows
from model.io.database import DatabaseServer, connect

SCHEMA = "warehouse"
FEATURES = "feature_row"
LOGIN_FILE = "/vault/secrets/database-warehouse.json"
"""Where the Vault agent writes the login, unless ``WAREHOUSE_DATABASE_FILE`` says otherwise."""

Connect = Callable[[], sa.Connection]

LOAD = sa.table(
    "load",
    sa.column("table_name", sa.Text),
    sa.column("source", sa.Text),
    sa.column("rows", sa.BigInteger),
    sa.column("ingest_run", sa.Text),
    sa.column("schema_version", sa.Integer),
    sa.column("made_from", sa.Text),
    schema=SCHEMA,
)
"""What each table was loaded from: digest and rows of the file, the ingestion, and what features were made from."""


def schemas() -> Mapping[str, pa.Schema]:
    """Return the columns of each table, as the files have them."""
    return {name: curated_tables.schema(name) for name in curated_tables.TABLES} | {
        FEATURES: feature_rows.schema(definitions())
    }


def columns(schema: pa.Schema) -> str:
    """Return column names for a COPY statement."""
    return ", ".join(f'"{name}"' for name in schema.names)


def connection_to(hospital: str, environment: Mapping[str, str] = os.environ) -> Connect:
    """Return what opens a connection to a hospital's warehouse, with the login that the Vault agent wrote.

    Raises
    ------
    UserError
        If the environment names no database server.
    """
    file = Path(environment.get("WAREHOUSE_DATABASE_FILE", LOGIN_FILE))
    return partial(connect, file, f"{hospital}-{SCHEMA}", DatabaseServer.from_environment(environment))
