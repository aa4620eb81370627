"""A backup of a hospital's four databases, restored on another server as docs/recovery.md says."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from local.tools.catalogue import POSTGRES_BINARIES
from model.io.database import connect
from model.release.signing import LocalSigner
from model.warehouse.load import Warehouse
from model.warehouse.read import features_file
from services.audit import chain
from services.audit.anchors import Anchor, StoredAnchor
from services.audit.verify import verify
from services.care.worklist import entries
from services.database.schemas import Schema
from tests.support.audit.audit_records import entry, features
from tests.support.audit.audit_records import scored as scored_entry
from tests.support.care.worklist_world import World, scored
from tests.support.databases.postgres import ADMINISTRATOR, HOST, Database, PostgresServer, temporary_server
from tests.support.identity.sign_in import COORDINATOR, OTHER_UNIT
from tests.unit.model.warehouse.test_load import edition, texts

pytestmark = pytest.mark.process
HOSPITAL = "restored"


@dataclass(frozen=True)
class Restored:
    """The server of before, and the one on which the backup was restored."""

    before: dict[Schema, Database]
    after: dict[Schema, Database]
    worklist: World
    features: bytes
    folder: Path


@pytest.fixture(scope="module")
def restored(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restored]:
    folder = tmp_path_factory.mktemp("backup")
    before = postgres.hospital(HOSPITAL)
    worklist = World.create(postgres, HOSPITAL)
    worklist.place(1, scored(0.3))
    worklist.place(2, scored(0.2), unit="medicine")
    with before[Schema.AUDIT].engine("audit-writer").connect() as connection:
        for _ in range(4):
            chain.append(connection, entry(HOSPITAL, scores=(scored_entry(),)), [features()])
    with before[Schema.PLANNING].engine("planning-service").begin() as connection:
        columns, values = (
            "record, workflow, encounter, status, not_scored_reason",
            "1, 'x', 'v1-a1b2c3', 'not-scored', 'x'",
        )
        connection.execute(text(f"INSERT INTO planning.scores ({columns}) VALUES ({values})"))
    made = edition(folder, texts(["a", "b"]), HOSPITAL)
    warehouse = before[Schema.WAREHOUSE]
    login = warehouse.login_file("warehouse-writer")
    Warehouse(HOSPITAL, lambda: connect(login, warehouse.name, postgres.address)).publish(made)
    with temporary_server() as other:
        # The Job of the databases, the backups, and the Job again.
        other.hospital(HOSPITAL)
        for database in before.values():
            backup = folder / f"{database.name}.dump"
            run(postgres, "pg_dump", "--format=custom", "--file", str(backup), "--dbname", database.name)
            run(
                other, "pg_restore", "--clean", "--if-exists", "--exit-on-error", "--dbname", database.name, str(backup)
            )
        yield Restored(before, other.hospital(HOSPITAL), worklist, made.features, folder)


def run(server: PostgresServer, program: str, *arguments: str) -> None:
    environment = {"PGPASSWORD": server.password, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(server.authority)}
    where = ("-h", HOST, "-p", str(server.port), "-U", ADMINISTRATOR)
    done = subprocess.run(
        [POSTGRES_BINARIES / program, *where, *arguments], env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


CATALOGUE = {
    "columns": "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, "
    "array(SELECT acl::text FROM unnest(attacl) acl ORDER BY 1) FROM pg_attribute JOIN pg_class "
    "ON attrelid = pg_class.oid WHERE relnamespace = '{schema}'::regnamespace AND attnum > 0 AND NOT attisdropped "
    "ORDER BY 1, 2",
    "relations": "SELECT relname, relkind, relowner::regrole::text, relrowsecurity, relforcerowsecurity, "
    "array(SELECT acl::text FROM unnest(relacl) acl ORDER BY 1) FROM pg_class "
    "WHERE relnamespace = '{schema}'::regnamespace ORDER BY 1",
    "policies": "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies "
    "WHERE schemaname = '{schema}' ORDER BY 1, 2",
    "functions": "SELECT proname, proowner::regrole::text, prosecdef, proconfig::text, md5(prosrc), "
    "array(SELECT acl::text FROM unnest(proacl) acl ORDER BY 1) FROM pg_proc "
    "WHERE pronamespace = '{schema}'::regnamespace ORDER BY 1",
    "triggers": "SELECT tgrelid::regclass::text, tgname, tgenabled::text, tgfoid::regproc::text FROM pg_trigger "
    "JOIN pg_class ON tgrelid = pg_class.oid WHERE relnamespace = '{schema}'::regnamespace AND NOT tgisinternal "
    "ORDER BY 1, 2",
    "schemas": "SELECT nspname, nspowner::regrole::text, array(SELECT acl::text FROM unnest(nspacl) acl ORDER BY 1) "
    "FROM pg_namespace WHERE nspname IN ('{schema}', 'public') ORDER BY 1",
    "databases": "SELECT datdba::regrole::text, array(SELECT acl::text FROM unnest(datacl) acl ORDER BY 1) "
    "FROM pg_database WHERE datname = current_database()",
}


@pytest.mark.parametrize("schema", Schema)
def test_owners_grants_and_policies_are_those_of_before(restored: Restored, schema: Schema) -> None:
    assert catalogue(restored.after[schema]) == catalogue(restored.before[schema]) != []


def catalogue(database: Database) -> list[str]:
    with database.administrator() as connection:
        return [
            f"{name}: {row}"
            for name, query in CATALOGUE.items()
            for row in connection.execute(text(query.replace("{schema}", database.schema)))
        ]


@pytest.mark.parametrize("schema", Schema)
def test_every_table_has_the_rows_of_before(restored: Restored, schema: Schema) -> None:
    before, after = rows(restored.before[schema]), rows(restored.after[schema])
    assert after == before
    assert any(found for table, found in before.items() if table != "alembic_version")


def rows(database: Database) -> dict[str, list[str]]:
    with database.administrator() as connection:
        tables = connection.scalars(
            text(f"SELECT tablename FROM pg_tables WHERE schemaname = '{database.schema}'")
        ).all()
        return {
            table: sorted(map(str, connection.execute(text(f'SELECT * FROM {database.schema}."{table}"'))))
            for table in tables
        }


def test_the_chain_is_verified_against_the_anchor_of_before_and_goes_on(restored: Restored) -> None:
    signer = LocalSigner(restored.folder / "audit.key")
    with restored.before[Schema.AUDIT].engine("audit-reader").connect() as connection:
        head = list(chain.records(connection))[-1]
    anchor = Anchor(HOSPITAL, head.sequence, head.hash, datetime.now(UTC))
    database = restored.after[Schema.AUDIT]
    with database.engine("audit-writer").connect() as connection:
        assert chain.append(connection, entry(HOSPITAL, scores=(scored_entry(),)), [features()]).sequence == 5
    with database.engine("audit-reader").connect() as connection:
        found = verify(
            chain.records(connection),
            [StoredAnchor(anchor.key(), anchor.signed(signer))],
            hospital=HOSPITAL,
            trusted=frozenset(signer.public_keys().values()),
            values_of=lambda first, last: chain.feature_values(connection, first, last),
            now=datetime.now(UTC),
        )
    assert found.intact
    assert (found.records, found.anchored) == (5, 4)


def test_a_coordinator_still_sees_their_units_alone(restored: Restored) -> None:
    moved = World(restored.after[Schema.CARE], restored.worklist.issuer)
    for user, units in ((COORDINATOR, ["cardiology"]), (OTHER_UNIT, ["medicine"])):
        with moved.session(user) as session:
            assert [one.unit for one in entries.listed(session)] == units
    moved.engine.dispose()


def test_training_reads_the_features_of_before(restored: Restored) -> None:
    database = restored.after[Schema.WAREHOUSE]
    login = database.login_file("trainer")
    reading = features_file(lambda: connect(login, database.name, database.server.address), HOSPITAL)
    assert reading == restored.features
