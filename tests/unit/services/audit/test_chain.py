"""The chain on a real PostgreSQL: what a login can and cannot do to it."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from model.io.database import sqlstate
from services.audit import chain
from services.audit.errors import AuditError, NotRecordedError
from services.audit.records import GENESIS, AuditEntry, Record
from services.database import connections
from services.database.schemas import Schema
from tests.support.audit import audit_records
from tests.support.audit.audit_records import ENCOUNTER, PATIENT, features, scored
from tests.support.databases.postgres import Database, PostgresServer

pytestmark = pytest.mark.process

THREADS = 8
EACH = 25

Entry = Callable[..., AuditEntry]


@pytest.fixture
def database(postgres: PostgresServer) -> Database:
    return postgres.database(Schema.AUDIT)


@pytest.fixture
def writer(database: Database) -> Engine:
    return database.engine("audit-writer")


@pytest.fixture
def entry(database: Database) -> Entry:
    """Return an entry of the database's hospital."""
    return partial(audit_records.entry, database.hospital)


def whole(database: Database) -> list[Record]:
    with database.engine("audit-reader").connect() as connection:
        return list(chain.records(connection))


def assert_linked(records: list[Record]) -> None:
    previous = GENESIS
    for number, record in enumerate(records, 1):
        assert (record.sequence, record.previous_hash) == (number, previous)
        assert record.hash == record.computed_hash()
        previous = record.hash


def refused(connection: Connection, statement: str) -> str:
    """Return the SQLSTATE with which a statement is refused."""
    with pytest.raises(DBAPIError) as raised, connection.begin():
        connection.execute(text(statement))
    return sqlstate(raised.value)


def test_the_database_links_a_record_and_names_its_login(database: Database, writer: Engine, entry: Entry) -> None:
    with writer.connect() as connection:
        first, second = (chain.append(connection, entry()) for _ in range(2))
        login = connection.scalar(text("SELECT session_user"))
    assert [first, second] == whole(database)
    assert_linked([first, second])
    assert {first.login, second.login} == {login}
    assert first.recorded_at <= second.recorded_at


def test_feature_values_are_kept_under_a_salted_digest(database: Database, writer: Engine, entry: Entry) -> None:
    with writer.connect() as connection:
        record = chain.append(connection, entry(scores=(scored(), scored(status="not-scored"))), [features(), None])
    first, second = record.entry.scores
    assert second.features_digest is None
    with database.engine("audit-reader").connect() as connection:
        digest, salt, content = connection.execute(text("SELECT digest, salt, content FROM audit.feature_values")).one()
    assert digest.hex() == first.features_digest
    assert content == features()
    assert len(set(salt)) > 8


def test_eight_threads_make_one_chain_without_gaps(database: Database, entry: Entry) -> None:
    path = database.login_file("audit-writer")
    engine = connections.engine(database.address, path, pool_size=THREADS)

    def work(thread: int) -> list[int]:
        with engine.connect() as connection:
            return [
                chain.append(connection, entry(scores=(scored(),)), [features({"thread": thread})]).sequence
                for _ in range(EACH)
            ]

    with ThreadPoolExecutor(THREADS) as pool:
        answered = [number for numbers in pool.map(work, range(THREADS)) for number in numbers]
    assert sorted(answered) == list(range(1, THREADS * EACH + 1))
    assert_linked(whole(database))


def append_for_ever(address: connections.Database, path: Path, hospital: str, pipe: "Pipe[int, int]") -> None:
    """Append, and send the number of each record that is on record."""
    with connections.engine(address, path).connect() as connection:
        while True:
            pipe.send(chain.append(connection, audit_records.entry(hospital)).sequence)


def killed_while_appending(database: Database, path: Path) -> int:
    """Kill a process that appends, and return the last number that it sent."""
    start = multiprocessing.get_context("spawn")
    reader, writer_end = start.Pipe(duplex=False)
    process = start.Process(target=append_for_ever, args=(database.address, path, database.hospital, writer_end))
    process.start()
    writer_end.close()
    answered: int = max(reader.recv() for _ in range(20))
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    try:
        while True:
            answered = reader.recv()
    except (EOFError, OSError):
        return answered


def test_a_killed_process_leaves_an_intact_chain_with_all_that_it_answered(database: Database, entry: Entry) -> None:
    path = database.login_file("audit-writer")
    answered = [killed_while_appending(database, path) for _ in range(3)]
    with connections.engine(database.address, path).connect() as connection:
        last = chain.append(connection, entry())
    records = whole(database)
    assert_linked(records)
    assert answered == sorted(answered)
    assert len(records) == last.sequence > answered[-1] >= 60


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.records SET entry = entry",
        "UPDATE audit.records SET hash = hash",
        "DELETE FROM audit.records",
        "TRUNCATE audit.records CASCADE",
        "SELECT entry FROM audit.records",
        "SELECT content FROM audit.feature_values",
        "UPDATE audit.feature_values SET content = content",
        "DELETE FROM audit.feature_values",
        "INSERT INTO audit.records (sequence, entry) VALUES (7, '{}')",
        "INSERT INTO audit.records (entry, previous_hash) VALUES ('{}', sha256('x'))",
        "INSERT INTO audit.records SELECT * FROM audit.records",
        "ALTER TABLE audit.records DISABLE TRIGGER ALL",
        "SELECT audit.link_record()",
        "SET session_replication_role = replica",
    ],
)
def test_a_writer_may_only_insert_an_entry(database: Database, writer: Engine, statement: str, entry: Entry) -> None:
    with writer.connect() as connection:
        chain.append(connection, entry())
        assert refused(connection, statement) == "42501"
    assert len(whole(database)) == 1


def test_the_database_refuses_what_is_no_entry_of_this_hospital(writer: Engine, entry: Entry) -> None:
    good = entry().canonical()
    attempts = {
        "no JSON": "22P02",
        "[]": "23514",
        "{}": "23514",
        good.replace('"service":"planning"', '"service":"another"'): "23514",
        good.replace('"outcome":"answered"', '"outcome":"unknown"'): "23514",
        audit_records.entry("south").canonical(): "23514",
        good[:-1] + ',"patient_name":"x"}': "23514",
        good[:-1] + f',"detail":"{"x" * 524288}"}}': "22001",
    }
    with writer.connect() as connection:
        for content, state in attempts.items():
            with pytest.raises(DBAPIError) as raised, connection.begin():
                connection.execute(text("INSERT INTO audit.records (entry) VALUES (:entry)"), {"entry": content})
            assert sqlstate(raised.value) == state, content[:200]
        assert chain.append(connection, entry()).sequence == 1


def test_an_old_snapshot_cannot_fork_the_chain(writer: Engine, entry: Entry) -> None:
    with writer.connect() as connection:
        serializable = connection.execution_options(isolation_level="SERIALIZABLE")
        with pytest.raises(DBAPIError) as raised, serializable.begin():
            chain.insert_entry(serializable, entry().canonical())
        assert sqlstate(raised.value) == "25001"
        # An append is a transaction of its own, whatever the connection was set to.
        assert chain.append(serializable, entry()).sequence == 1


def test_a_reader_may_only_read(database: Database) -> None:
    with database.engine("audit-reader").connect() as connection:
        for statement in (
            "INSERT INTO audit.records (entry) VALUES ('{}')",
            "UPDATE audit.records SET entry = entry",
            "DELETE FROM audit.records",
            "TRUNCATE audit.records CASCADE",
            "DELETE FROM audit.feature_values",
            "INSERT INTO audit.feature_values VALUES ('', 1, '', '')",
        ):
            assert refused(connection, statement) == "42501", statement


def test_the_owner_is_refused_too(database: Database, writer: Engine, entry: Entry) -> None:
    with writer.connect() as connection:
        chain.append(connection, entry(scores=(scored(),)), [features()])
    with database.engine("owner").connect() as connection:
        for statement in (
            "UPDATE audit.records SET entry = entry",
            "DELETE FROM audit.records",
            "TRUNCATE audit.records CASCADE",
            "UPDATE audit.feature_values SET content = content",
            "DELETE FROM audit.feature_values",
            "INSERT INTO audit.records SELECT sequence + 1, recorded_at, login, hash, hash, entry FROM audit.records",
        ):
            assert refused(connection, statement) == "23001", statement
    assert_linked(whole(database))


def test_values_that_no_record_names_are_refused(writer: Engine, entry: Entry) -> None:
    with writer.connect() as connection:
        chain.append(connection, entry())
        statement = (
            "INSERT INTO audit.feature_values (sequence, digest, salt, content) VALUES "
            "(1, sha256(decode(repeat('00', 32), 'hex') || 'x'), decode(repeat('00', 32), 'hex'), 'x')"
        )
        assert refused(connection, statement) == "23514"


def test_an_append_waits_for_the_lock_for_a_limited_time(
    database: Database, writer: Engine, monkeypatch: pytest.MonkeyPatch, entry: Entry
) -> None:
    monkeypatch.setattr(chain, "LOCK_MILLISECONDS", 50)
    with writer.connect() as holder, database.engine("audit-writer").connect() as other:
        open_transaction = holder.begin()
        chain.insert_entry(holder, entry().canonical())
        with pytest.raises(NotRecordedError, match="was not written"):
            chain.append(other, entry())
        open_transaction.rollback()
        assert chain.append(other, entry()).sequence == 1  # what was rolled back leaves no gap


def test_records_are_found_by_encounter_patient_and_time(database: Database, writer: Engine, entry: Entry) -> None:
    with writer.connect() as connection:
        chain.append(connection, entry())
        chain.append(connection, entry(encounter=ENCOUNTER))
        chain.append(connection, entry(scores=(scored(encounter="v1-999999"), scored())))
        chain.append(connection, entry(encounters=("v1-999999", ENCOUNTER)))
    with database.engine("audit-reader").connect() as connection:
        assert [record.sequence for record in chain.records(connection, about=ENCOUNTER)] == [2, 3, 4]
        assert [record.sequence for record in chain.records(connection, about=PATIENT)] == [3]
        middle = chain.get(connection, 2).recorded_at
        assert [record.sequence for record in chain.records(connection, since=middle)] == [2, 3, 4]
        assert [record.sequence for record in chain.records(connection, until=middle)] == [1]
        with pytest.raises(AuditError, match="no record 9"):
            chain.get(connection, 9)


def test_values_must_match_the_scores(writer: Engine, entry: Entry) -> None:
    with writer.connect() as connection:
        with pytest.raises(AuditError, match="for each score"):
            chain.append(connection, entry(scores=(scored(),)), [features(), features()])
        with pytest.raises(AuditError, match="computed here"):
            chain.append(connection, entry(scores=(scored(features_digest="0" * 64),)), [features()])
