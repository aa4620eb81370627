"""The table of grants, against what a real server allows each role."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from services.database import grants, setup
from services.database.connections import engine
from services.database.errors import DatabaseError
from services.database.grants import GrantTable, Verb
from services.database.schemas import OWNER, Schema, role_name
from tests import database_roles
from tests.support.databases import grant_trials
from tests.support.databases.postgres import Database, PostgresServer

TABLE = grants.read()
ROLES = [(name, schema) for name, role in TABLE.roles.items() for schema in role.databases]
OTHERS = [(name, schema) for name in TABLE.roles for schema in Schema if (name, schema) not in ROLES]


@dataclass(frozen=True)
class World:
    """Two hospitals on one server."""

    databases: dict[Schema, Database]
    other: dict[Schema, Database]

    @property
    def hospital(self) -> str:
        return self.databases[Schema.CARE].hospital


@pytest.fixture(scope="module")
def world(postgres: PostgresServer) -> World:
    return World(postgres.hospital(), postgres.hospital())


def session(world: World, role: str, schema: Schema) -> Connection:
    return world.databases[schema].engine(role).connect()


@pytest.mark.process
@pytest.mark.parametrize(("role", "schema"), ROLES)
def test_a_role_may_do_what_its_rows_say_and_nothing_else(world: World, role: str, schema: Schema) -> None:
    with world.databases[schema].administrator() as administrator:
        columns = grant_trials.table_columns(administrator, schema)
    wrong = []
    with session(world, role, schema) as connection:
        for verb, column, statement in grant_trials.trials(columns):
            expected = role == OWNER or allowed(role, schema, verb, column)
            if grant_trials.refused(connection, statement) is expected:
                wrong.append(f"{verb} {column.table}.{column.name}: {'refused' if expected else 'allowed'}")
        for table in sorted({column.table for column in columns}) if role != OWNER else ():
            if grant_trials.may_grant(connection, table):
                wrong.append(f"may grant on {table}")
            for pattern in grant_trials.OWNER_STATEMENTS:
                if not grant_trials.refused(connection, pattern.format(table=table)):
                    wrong.append(pattern.format(table=table))
    assert wrong == []


@pytest.mark.process
def test_the_page_of_roles_says_what_the_server_allows(world: World) -> None:
    assert database_roles.PAGE.read_text() == database_roles.page(world.databases), "python -m tests.database_roles"


def test_the_page_of_roles_has_the_rows_of_the_table() -> None:
    cells = dict(cells_of(database_roles.PAGE.read_text()))
    shown = {
        (schema, role, table): tuple(part.split()[0] for part in cell.split(", "))
        for (schema, role, table), cell in cells.items()
        if cell != "none"
    }
    granted = {
        (schema, row.role, row.table): tuple(
            verb.value
            for verb in Verb
            if any((one.role, one.table) == (row.role, row.table) and verb in one.verbs for one in TABLE.grants[schema])
        )
        for schema in Schema
        for row in TABLE.grants[schema]
    }
    assert shown == granted, "python -m tests.database_roles"


def cells_of(page: str) -> Iterator[tuple[tuple[Schema, str, str], str]]:
    """Yield each cell of the page with its schema, role and table."""
    for section in page.split("\n## ")[1:]:
        lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
        [_, *roles], *rows = lines
        for table, *cells in rows:
            for role, cell in zip(roles, cells, strict=True):
                yield (Schema(section.splitlines()[0]), role.strip("`"), table.split("`")[1]), cell


def allowed(role: str, schema: Schema, verb: Verb, column: grant_trials.Column) -> bool:
    """Return what the rows of the file say, read without the code that applies them."""
    name = column.table.partition(".")[2].strip('"')
    return any(
        row.role == role
        and row.table == name
        and verb in row.verbs
        and (row.columns is None or column.name.strip('"') in row.columns)
        for row in TABLE.grants[schema]
    )


@pytest.mark.process
@pytest.mark.parametrize(("role", "schema"), ROLES)
def test_a_role_calls_the_functions_of_its_rows_and_no_other(world: World, role: str, schema: Schema) -> None:
    if role == OWNER:
        return
    query = (
        "SELECT proname FROM pg_proc WHERE pronamespace = CAST(:schema AS regnamespace) "
        "AND has_function_privilege(oid, 'EXECUTE')"
    )
    with session(world, role, schema) as connection:
        callable_ = set(connection.scalars(text(query), {"schema": schema.value}))
    assert callable_ == {row.function for row in TABLE.functions.get(schema, ()) if row.role == role}


@pytest.mark.process
@pytest.mark.parametrize(("role", "schema"), ROLES)
def test_a_role_creates_nothing(world: World, role: str, schema: Schema) -> None:
    statements = [
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        'CREATE ROLE "mine" LOGIN',
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
    ]
    if role != OWNER:
        statements.append(f"CREATE TABLE {schema}.mine (id int)")
    else:
        statements.remove("CREATE TEMPORARY TABLE mine (id int)")
        statements.remove("CREATE SCHEMA mine")
    with session(world, role, schema) as connection:
        assert [statement for statement in statements if not grant_trials.refused(connection, statement)] == []


@pytest.mark.process
@pytest.mark.parametrize(("role", "schema"), ROLES)
def test_a_role_becomes_no_other_than_its_row_says(world: World, role: str, schema: Schema) -> None:
    others = [(world.hospital, other) for other in TABLE.roles if other != role]
    others += [(world.other[Schema.CARE].hospital, other) for other in TABLE.roles]
    with session(world, role, schema) as connection:
        became = {
            (hospital, other)
            for hospital, other in others
            if not grant_trials.refused(connection, f'SET ROLE "{role_name(hospital, other)}"')
        }
    assert became == {(world.hospital, other) for other in TABLE.roles[role].set_role}


@pytest.mark.process
@pytest.mark.parametrize(("role", "schema"), OTHERS)
def test_a_role_connects_to_no_other_database(world: World, role: str, schema: Schema) -> None:
    with pytest.raises(DBAPIError, match="permission denied for database"):
        world.databases[schema].engine(role).connect()


@pytest.mark.process
@pytest.mark.parametrize("other", ["postgres", "other hospital"])
@pytest.mark.parametrize("schema", Schema)
def test_a_role_connects_to_no_database_of_another_hospital(world: World, schema: Schema, other: str) -> None:
    own = next(role for role, database in ROLES if database is schema)
    path = world.databases[schema].login_file(own)
    name = other if other == "postgres" else world.other[schema].name
    with pytest.raises(DBAPIError, match="permission denied for database"):
        engine(replace(world.databases[schema].address, name=name), path).connect()


@pytest.mark.process
def test_privileges_of_a_role_that_may_be_switched_to_need_the_switch(postgres: PostgresServer) -> None:
    database = postgres.database(Schema.CARE)
    with database.administrator() as administrator:
        administrator.execute(text("CREATE TABLE care.trial (id int)"))
        administrator.execute(text(f'GRANT SELECT ON care.trial TO "{database.hospital}-coordinator"'))
    with database.engine("care-service").connect() as connection:
        assert grant_trials.refused(connection, "SELECT * FROM care.trial")
        connection.execute(text(f'SET ROLE "{database.hospital}-coordinator"'))
        connection.commit()
        assert not grant_trials.refused(connection, "SELECT * FROM care.trial")


EXTRA = (
    "GRANT SELECT ON warehouse.patient TO PUBLIC",
    'GRANT SELECT (zip3) ON warehouse.patient TO "{analyst}"',
    'GRANT UPDATE ON warehouse.feature_row TO "{trainer}" WITH GRANT OPTION',
    'GRANT TRUNCATE, REFERENCES, TRIGGER ON warehouse.feature_row TO "{warehouse-writer}"',
    'GRANT CREATE ON SCHEMA warehouse TO "{analyst}"',
    "GRANT USAGE ON SCHEMA warehouse TO PUBLIC",
    'GRANT CREATE, TEMPORARY ON DATABASE "{database}" TO "{analyst}"',
    'GRANT CONNECT ON DATABASE "{database}" TO PUBLIC',
    'GRANT CONNECT ON DATABASE "{database}" TO "{care-service}"',
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    'GRANT "{trainer}" TO "{analyst}"',
    'GRANT "{coordinator}" TO "{care-service}" WITH ADMIN OPTION',
    'GRANT "{owner}" TO "{warehouse-writer}" WITH ADMIN OPTION',
    'ALTER ROLE "{analyst}" INHERIT LOGIN CREATEROLE CREATEDB',
)


@pytest.mark.process
@pytest.mark.parametrize("statement", EXTRA)
def test_what_the_table_does_not_say_is_taken_back(postgres: PostgresServer, statement: str) -> None:
    database = postgres.database(Schema.WAREHOUSE)
    before = privileges(database)
    names = {role: role_name(database.hospital, role) for role in TABLE.roles} | {"database": database.name}
    with database.administrator() as administrator:
        administrator.execute(text(re.sub(r"\{([a-z-]+)\}", lambda match: names[match[1]], statement)))
    assert privileges(database) != before
    setup.set_up(postgres.administrator, database.hospital, (Schema.WAREHOUSE,))
    setup.migrate_all(postgres.administrator, database.hospital, (Schema.WAREHOUSE,))
    assert privileges(database) == before


def privileges(database: Database) -> list[str]:
    """Return everything that the catalogue of the server says about a hospital's privileges."""
    sorted_acl = "array(SELECT acl::text FROM unnest({}) acl ORDER BY 1)"
    like = f"LIKE '%{database.hospital}-%'"
    queries = {
        "relations": f"SELECT relname, relowner::regrole::text, {sorted_acl.format('relacl')} "
        "FROM pg_class WHERE relnamespace = 'warehouse'::regnamespace ORDER BY 1",
        "columns": f"SELECT attrelid::regclass::text, attname, {sorted_acl.format('attacl')} "
        "FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid::regclass::text LIKE 'warehouse%' ORDER BY 1, 2",
        "schemas": f"SELECT nspname, {sorted_acl.format('nspacl')} FROM pg_namespace "
        "WHERE nspname IN ('warehouse', 'public') ORDER BY 1",
        "databases": f"SELECT {sorted_acl.format('datacl')} FROM pg_database WHERE datname = current_database()",
        "roles": "SELECT rolname, rolinherit, rolcanlogin, rolcreaterole, rolcreatedb, rolsuper, rolbypassrls "
        f"FROM pg_roles WHERE rolname {like} ORDER BY 1",
        "members": "SELECT roleid::regrole::text, member::regrole::text, admin_option FROM pg_auth_members "
        f"WHERE roleid::regrole::text {like} ORDER BY 1, 2",
    }
    with database.administrator() as administrator:
        return [f"{name}: {row}" for name, query in queries.items() for row in administrator.execute(text(query))]


@pytest.mark.process
def test_a_table_of_another_owner_is_named(postgres: PostgresServer) -> None:
    database = postgres.database(Schema.WAREHOUSE)
    with database.administrator() as administrator:
        administrator.execute(text(f'ALTER TABLE warehouse.patient OWNER TO "{database.hospital}-analyst"'))
    with (
        postgres.administrator.transaction(database.name) as connection,
        pytest.raises(DatabaseError, match=r"patient is not owned by .*-owner; change its owner"),
    ):
        grants.apply(connection, Schema.WAREHOUSE, database.hospital)


@pytest.mark.process
@pytest.mark.parametrize("row", [{"table": "absent"}, {"table": "patient", "columns": ["absent"]}])
def test_a_row_of_an_unknown_table_or_column_is_refused(postgres: PostgresServer, row: dict[str, object]) -> None:
    database = postgres.database(Schema.WAREHOUSE)
    table = TABLE.model_dump(mode="json")
    table["grants"]["warehouse"] = [{"role": "analyst", "verbs": ["select"]} | row]
    with (
        postgres.administrator.transaction(database.name) as connection,
        pytest.raises(DatabaseError, match=r"the schema has no absent; correct the name, or add a migration"),
    ):
        grants.apply(connection, Schema.WAREHOUSE, database.hospital, GrantTable.model_validate(table))


def rows(**changes: object) -> dict[str, object]:
    row = {"role": "analyst", "table": "patient", "verbs": ["select"]} | changes
    return {"roles": {"owner": {"databases": list(Schema), "purpose": "HSYSADMIN"},
                      "trainer": {"databases": ["planning"], "purpose": "TREAT"},
                      "analyst": {"databases": ["warehouse"], "purpose": "HQUALIMP"}},
            "grants": {"warehouse": [row]}}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verbs": ["truncate"]}, "Input should be"),
        ({"verbs": []}, "at least 1 item"),
        ({"columns": []}, "at least 1 item"),
        ({"columns": ["zip3"], "verbs": ["delete"]}, "without columns"),
        ({"table": "patient; DROP TABLE patient"}, "should match pattern"),
        ({"columns": ['zip3"']}, "should match pattern"),
        ({"role": "owner"}, "needs no grant"),
        ({"role": "trainer"}, "not a role of this database"),
        ({"role": "nobody"}, "not a role of this database"),
        ({"colums": ["zip3"]}, "Extra inputs"),
    ],
)
def test_a_row_that_cannot_be_granted_is_refused(changes: dict[str, object], message: str) -> None:
    GrantTable.model_validate(rows())
    with pytest.raises(ValidationError, match=message):
        GrantTable.model_validate(rows(**changes))


def test_a_role_switches_only_to_roles_of_its_databases() -> None:
    table = TABLE.model_dump(mode="json")
    table["roles"]["care-service"]["set_role"] = ["analyst"]
    with pytest.raises(ValidationError, match="care-service may switch to analyst"):
        GrantTable.model_validate(table)


def test_every_login_reads_for_one_purpose() -> None:
    assert {len(role.databases) for role in TABLE.roles.values() if role.login} == {1}
    assert not TABLE.roles[OWNER].login
