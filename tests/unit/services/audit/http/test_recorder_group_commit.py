"""Records of one service that are committed together on a real PostgreSQL: chain, values, a refused one, a crash."""

import os
import queue
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from services.audit import chain
from services.audit.errors import NotRecordedError
from services.audit.http import Recorder
from services.audit.records import GENESIS, AuditEntry, Record
from services.database import connections
from services.database.schemas import Schema
from tests.support.audit.audit_records import entry, features, request, scored
from tests.support.databases.postgres import Database, PostgresServer, temporary_server

pytestmark = pytest.mark.process

THREADS = 8


def recorder(database: Database) -> Recorder:
    engine = connections.engine(database.address, database.login_file("audit-writer"), pool_size=2, max_overflow=0)
    return Recorder("planning", database.hospital, engine)


def chain_of(database: Database) -> list[Record]:
    """Return the chain, which must be linked without a gap."""
    with database.engine("audit-reader").connect() as connection:
        found = list(chain.records(connection))
    previous = GENESIS
    for number, record in enumerate(found, 1):
        assert (record.sequence, record.previous_hash, record.hash) == (number, previous, record.computed_hash())
        previous = record.hash
    return found


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Hold the lock of the chain, as a commit whose flush takes long does."""
    with database.engine("audit-writer").connect() as connection:
        transaction = connection.begin()
        chain.insert_entry(connection, entry(database.hospital).canonical())
        yield
        transaction.rollback()


def numbered(database: Database, number: int, scores: int = 1) -> AuditEntry:
    return entry(database.hospital, request_id=request(number), scores=(scored(),) * scores)


def test_records_that_wait_for_the_lock_share_one_transaction(postgres: PostgresServer) -> None:
    database = postgres.database(Schema.AUDIT)
    made = recorder(database)
    with ThreadPoolExecutor(THREADS) as pool:
        with held(database):
            appends = [pool.submit(made.append, numbered(database, 0), [features({"number": 0})])]
            wait_for_lock(database)
            for number in range(1, THREADS):
                # As many scores as the number says, the first without values.
                values = [None, *(features({"number": number, "place": place}) for place in range(number))]
                appends.append(pool.submit(made.append, numbered(database, number, number + 1), values))
            while made.waiting < THREADS - 1:
                os.sched_yield()
        records = [append.result() for append in appends]
    found = chain_of(database)
    assert sorted(records, key=lambda record: record.sequence) == found
    assert [record.entry.request_id for record in records] == [request(number) for number in range(THREADS)]
    with database.administrator() as connection:
        assert connection.scalar(text("SELECT count(DISTINCT xmin::text) FROM audit.records")) == 2
    with database.engine("audit-reader").connect() as connection:
        kept = chain.feature_values(connection, 1, THREADS)
    named = {(r.sequence, s.features_digest) for r in found for s in r.entry.scores if s.features_digest}
    assert kept.keys() == named
    assert len(named) == 1 + sum(range(1, THREADS))


def test_a_record_that_the_database_refuses_fails_alone(postgres: PostgresServer) -> None:
    database = postgres.database(Schema.AUDIT)
    made = recorder(database)
    with ThreadPoolExecutor(THREADS) as pool:
        with held(database):
            appends = [pool.submit(made.append, numbered(database, 0))]
            wait_for_lock(database)
            for number in range(1, THREADS):
                values = [b"x" * 65537 if number == 3 else features()]
                appends.append(pool.submit(made.append, numbered(database, number), values))
            while made.waiting < THREADS - 1:
                os.sched_yield()
        faults = [append.exception() for append in appends]
    assert [number for number, fault in enumerate(faults) if fault is not None] == [3]
    assert isinstance(faults[3], NotRecordedError)
    assert "SQLSTATE 23514" in str(faults[3])
    assert {record.entry.request_id for record in chain_of(database)} == {
        request(number) for number in range(THREADS) if number != 3
    }


def test_without_the_lock_all_fail_and_none_is_written_later(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "LOCK_MILLISECONDS", 50)
    database = postgres.database(Schema.AUDIT)
    made = recorder(database)
    with ThreadPoolExecutor(THREADS) as pool, held(database):
        appends = [pool.submit(made.append, numbered(database, number)) for number in range(THREADS)]
        assert all("SQLSTATE 55P03" in str(append.exception()) for append in appends)
    assert made.append(numbered(database, 9)).sequence == 1
    assert len(chain_of(database)) == 1


def test_several_services_and_their_threads_make_one_chain(postgres: PostgresServer) -> None:
    database = postgres.database(Schema.AUDIT)
    services = [recorder(database) for _ in range(3)]

    def work(thread: int) -> list[int]:
        return [services[thread % 3].append(numbered(database, thread), [features()]).sequence for _ in range(20)]

    with ThreadPoolExecutor(THREADS) as pool:
        answered = [number for numbers in pool.map(work, range(THREADS)) for number in numbers]
    assert sorted(answered) == [record.sequence for record in chain_of(database)]


def test_a_database_that_crashes_keeps_all_that_was_answered() -> None:
    with temporary_server({"fsync": "on"}) as server:
        database = server.database(Schema.AUDIT)
        made = recorder(database)
        outcomes: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    outcomes.put(made.append(numbered(database, 1), [features()]))
                except NotRecordedError:
                    outcomes.put(None)

        with ThreadPoolExecutor(THREADS) as pool:
            try:
                for _ in range(THREADS):
                    pool.submit(work)
                answered = [record for record in (outcomes.get(timeout=60) for _ in range(80)) if record]
                os.kill(writing_backend(database), signal.SIGKILL)
            finally:
                stop.set()
        while not outcomes.empty():
            answered += [record for record in [outcomes.get()] if record]
        # Once the server has recovered.
        answered.append(made.append_start(numbered(database, 2), 60))
        found = chain_of(database)
        assert len({record.sequence for record in answered}) == len(answered) >= 80
        assert all(found[record.sequence - 1] == record for record in answered)


def wait_for_lock(database: Database) -> None:
    """Wait until a record waits for the lock of the chain."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = :database")
    with database.administrator() as connection:
        own = connection.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
        while not connection.scalar(waiting, {"database": own}):
            os.sched_yield()


def writing_backend(database: Database) -> int:
    """Return the process of the server that appends records."""
    with database.administrator() as connection:
        return int(
            connection.scalar(
                text(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                    "AND query LIKE 'WITH record%' AND pid <> pg_backend_pid() LIMIT 1"
                )
            )
        )
