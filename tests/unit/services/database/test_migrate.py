"""Migrations on a real server."""

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from model.curated import curated_tables
from model.definitions.features import definitions
from model.features import feature_rows
from services.database import migrate, setup
from services.database.administrator import Administrator
from services.database.schemas import Schema, database_name, role_name
from tests.support.databases.postgres import Database, PostgresServer

TYPES = {
    "string": "text",
    "bool": "boolean",
    "double": "double precision",
    "int32": "integer",
    "int64": "integer",
    "timestamp[us, tz=UTC]": "timestamp with time zone",
}
FILES = [(schema, file) for schema in Schema for file in sorted((migrate.FOLDER / schema).glob("*.py"))]


@pytest.mark.parametrize(("schema", "file"), FILES, ids=[file.stem for _, file in FILES])
def test_a_file_has_the_name_of_its_revision_and_grants_nothing(schema: Schema, file: Path) -> None:
    assert re.fullmatch(rf"\d{{4}}_{schema}_[a-z0-9_]+", file.stem)
    content = file.read_text(encoding="utf-8")
    assert f'revision = "{file.stem}"' in content
    assert not re.search(r"\bGRANT\b[^;]+\bON\s+(TABLE\s+|SCHEMA\s+)?[a-z_.]+\s+TO\b", content, re.IGNORECASE)


def catalogue(database: Database) -> list[str]:
    with database.administrator() as administrator:
        queries = (
            "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
            f"WHERE table_schema = '{database.schema}' ORDER BY 1, 2",
            f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{database.schema}' ORDER BY 1",
            f"SELECT tablename, policyname, qual, with_check FROM pg_policies WHERE schemaname = '{database.schema}' "
            "ORDER BY 1, 2",
        )
        rows = [str(row) for query in queries for row in administrator.execute(text(query))]
    # A policy may name a role of the hospital.
    return [row.replace(database.hospital, "hospital") for row in rows]


@pytest.mark.process
@pytest.mark.parametrize("schema", Schema)
def test_an_update_from_each_version_ends_as_a_new_database(postgres: PostgresServer, schema: Schema) -> None:
    whole, administrator = postgres.database(schema), postgres.administrator
    step = Database(postgres, f"{whole.hospital}s", schema)
    setup.set_up(administrator, step.hospital, (schema,))
    with administrator.transaction(step.name) as connection:
        scripts = ScriptDirectory.from_config(migrate.configuration(schema, step.hospital, connection))
    for revision in reversed([script.revision for script in scripts.walk_revisions()]):
        with administrator.transaction(step.name) as connection:
            migrate.upgrade(connection, schema, step.hospital, revision)
    setup.migrate_all(administrator, step.hospital, (schema,))
    assert catalogue(step) == catalogue(whole)


def update(administrator: Administrator, hospital: str) -> None:
    setup.set_up(administrator, hospital)
    setup.migrate_all(administrator, hospital)


@pytest.mark.process
def test_two_updates_at_once_end_as_one(postgres: PostgresServer) -> None:
    hospital, alone = "twice", postgres.hospital()
    # Processes: Alembic's context is one for a process.
    with ProcessPoolExecutor(3, get_context("spawn")) as pool:
        list(pool.map(update, [postgres.administrator] * 3, [hospital] * 3))
    for schema in Schema:
        assert catalogue(Database(postgres, hospital, schema)) == catalogue(alone[schema])


@pytest.mark.process
def test_an_update_that_fails_changes_nothing(postgres: PostgresServer) -> None:
    hospital, schema = "failing", Schema.WAREHOUSE
    setup.set_up(postgres.administrator, hospital, (schema,))
    name = database_name(hospital, schema)
    owner = role_name(hospital, "owner")
    with postgres.administrator.autocommit(name) as connection:
        connection.execute(text("CREATE TABLE warehouse.load (id int)"))
        connection.execute(text(f'ALTER TABLE warehouse.load OWNER TO "{owner}"'))
    with pytest.raises(Exception, match="already exists"):
        setup.migrate_all(postgres.administrator, hospital, (schema,))
    with postgres.administrator.autocommit(name) as connection:
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'warehouse'")).all()
        assert tables == ["load"]
        connection.execute(text("DROP TABLE warehouse.load"))
    setup.migrate_all(postgres.administrator, hospital, (schema,))


@pytest.mark.process
def test_objects_belong_to_the_owner_role(postgres: PostgresServer) -> None:
    for schema, database in postgres.hospital().items():
        with database.administrator() as administrator:
            owners = administrator.scalars(
                text(
                    "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = :schema ::regnamespace"
                ),
                {"schema": schema.value},
            ).all()
        assert owners == [f'"{role_name(database.hospital, "owner")}"']


@pytest.mark.process
def test_the_warehouse_has_the_columns_that_the_pipeline_publishes(postgres: PostgresServer) -> None:
    """A new column of the pipeline needs a migration, and a decision about who reads it."""
    published = {table: curated_tables.schema(table) for table in curated_tables.TABLES}
    published["feature_row"] = feature_rows.schema(definitions(), fresh=False)
    database = postgres.database(Schema.WAREHOUSE)
    with database.administrator() as administrator:
        rows = administrator.execute(
            text(
                "SELECT table_name, column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'warehouse'"
            )
        ).all()
    existing = {(table, column): kind for table, column, kind in rows if table not in ("load", "alembic_version")}
    assert existing == {
        (table, field.name): TYPES[str(field.type)] for table, schema in published.items() for field in schema
    }
