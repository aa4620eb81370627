"""Anchoring a real chain: only what continues the last anchor is signed, and verify notices what came after."""

import json
import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from local.tools.catalogue import POSTGRES_BINARIES
from model.release.signing import LocalSigner
from services.audit import anchors, chain
from services.audit.anchor import IDLE, Anchoring, BrokenChainError
from services.audit.anchors import Anchor, AnchorBucket
from services.audit.records import Record
from services.audit.verify import Verification, verify
from services.database.schemas import Schema
from tests.support.audit.audit_records import entry, features, scored
from tests.support.databases.postgres import ADMINISTRATOR, HOST, Database, PostgresServer

pytestmark = pytest.mark.process

BUCKET = "north-audit"


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


@dataclass
class World:
    """A chain, its bucket and its anchoring."""

    database: Database
    anchoring: Anchoring
    store: Any
    clock: Clock

    def append(self, count: int = 1) -> list[Record]:
        made = entry(self.database.hospital, scores=(scored(),))
        with self.database.engine("audit-writer").connect() as connection:
            return [chain.append(connection, made, [features()]) for _ in range(count)]

    def anchors(self) -> list[Anchor]:
        stored = self.anchoring.bucket.all()
        found = [anchors.read(item.content, self.database.hospital, self.anchoring.trusted) for item in stored]
        return sorted(found, key=lambda anchor: (anchor.sequence, anchor.anchored_at))

    def tamper(self, *statements: str) -> None:
        """Change the tables as an administrator who switched the triggers off."""
        with self.database.administrator() as connection:
            for table in ("records", "feature_values"):
                connection.execute(text(f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL"))
            for statement in statements:
                connection.exec_driver_sql(statement)
            for table in ("records", "feature_values"):
                connection.execute(text(f"ALTER TABLE audit.{table} ENABLE TRIGGER ALL"))

    def verify(self) -> Verification:
        with self.anchoring.connect() as connection:
            return verify(
                chain.records(connection),
                self.anchoring.bucket.all(),
                hospital=self.database.hospital,
                trusted=self.anchoring.trusted,
                values_of=lambda first, last: chain.feature_values(connection, first, last),
                now=self.clock(),
            )


@pytest.fixture
def world(postgres: PostgresServer, store: Any, tmp_path: Path) -> World:
    database = postgres.database(Schema.AUDIT)
    store.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    signer, clock, engine = LocalSigner(tmp_path / "audit.key"), Clock(), database.engine("audit-reader")
    keys = frozenset(signer.public_keys().values())
    bucket = AnchorBucket(f"s3://{BUCKET}")
    return World(database, Anchoring(database.hospital, engine.connect, bucket, signer, keys, clock), store, clock)


def test_a_head_is_anchored_once_and_again_after_an_hour(world: World) -> None:
    assert world.anchoring.anchor(None) is None
    *_, head = world.append(3)
    last = world.anchoring.anchor(world.anchoring.last())
    assert last is not None
    assert (last.sequence, last.hash) == (3, head.hash)
    assert world.anchoring.anchor(last) == last == world.anchoring.last()
    world.clock.now += IDLE
    again = world.anchoring.anchor(last)
    assert again == replace(last, anchored_at=world.clock())
    world.append(2)
    assert world.anchoring.anchor(again) == world.anchoring.last()
    assert [anchor.sequence for anchor in world.anchors()] == [3, 3, 5]
    assert world.verify().intact


REBUILD = """
DO $$
DECLARE
    before bytea := decode(repeat('00', 32), 'hex');
    r record;
BEGIN
    FOR r IN SELECT * FROM audit.records ORDER BY sequence LOOP
        UPDATE audit.records SET previous_hash = before, hash = sha256(convert_to(
            '{"entry":' || entry || ',"login":"' || login || '","previous_hash":"' || encode(before, 'hex')
            || '","recorded_at":"' || to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            || '","sequence":' || sequence || ',"version":1}', 'UTF8'))
            WHERE sequence = r.sequence RETURNING hash INTO before;
    END LOOP;
END $$
"""
HIDE = "UPDATE audit.records SET entry = replace(entry, 'v1-a1', 'v1-ff') WHERE sequence = 2"


@pytest.mark.parametrize(
    ("statements", "noticed", "sentence"),
    [
        ([HIDE], False, "Record 2 was changed"),
        ([HIDE, REBUILD], True, "Record 4 is not the one that was anchored"),
        (["DELETE FROM audit.records WHERE sequence = 2"], False, "Record 2 is missing"),
        (["DELETE FROM audit.records WHERE sequence >= 3"], True, "Records 3 to 4 are missing"),
        (["TRUNCATE audit.records, audit.feature_values"], True, "Records 1 to 4 are missing"),
        (["DELETE FROM audit.feature_values WHERE sequence = 3"], False, "values of record 3 are missing"),
        (
            [
                "ALTER TABLE audit.feature_values DROP CONSTRAINT feature_values_check",
                "UPDATE audit.feature_values SET content = 'x' WHERE sequence = 3",
            ],
            False,
            "values of record 3 were changed",
        ),
        (
            [
                "UPDATE audit.records SET sequence = 9 WHERE sequence = 2",
                "UPDATE audit.records SET sequence = 2 WHERE sequence = 3",
                "UPDATE audit.records SET sequence = 3 WHERE sequence = 9",
            ],
            False,
            "Record 2 does not follow record 1",
        ),
        (["UPDATE audit.records SET login = 'another' WHERE sequence = 1"], False, "Record 1 was changed"),
    ],
)
def test_what_an_administrator_changes_is_noticed(
    world: World, statements: list[str], noticed: bool, sentence: str
) -> None:
    world.append(4)
    last = world.anchoring.anchor(None)
    assert world.verify().intact
    world.tamper(*statements)
    assert sentence in " ".join(fault.sentence for fault in world.verify().faults)
    if noticed:
        with pytest.raises(BrokenChainError, match="Record 4"):
            world.anchoring.anchor(last)
        assert len(world.anchors()) == 1


def test_a_broken_link_after_the_last_anchor_is_not_signed(world: World) -> None:
    world.append(2)
    last = world.anchoring.anchor(None)
    world.append(3)
    world.tamper("UPDATE audit.records SET login = 'another' WHERE sequence = 4")
    with pytest.raises(BrokenChainError, match="Record 4 was changed"):
        world.anchoring.anchor(last)
    assert [anchor.sequence for anchor in world.anchors()] == [2]


def test_what_was_appended_after_the_anchor_can_be_cut_until_the_next(world: World) -> None:
    world.append(2)
    last = world.anchoring.anchor(None)
    world.append(1)
    world.tamper("DELETE FROM audit.feature_values WHERE sequence = 3", "DELETE FROM audit.records WHERE sequence = 3")
    assert world.verify().intact  # what docs/audit.md says of the interval
    assert world.anchoring.anchor(last) == last


def test_an_object_of_a_stranger_stops_the_anchor(world: World, tmp_path: Path) -> None:
    stranger = LocalSigner(tmp_path / "stranger.key")
    world.anchoring.bucket.put(Anchor(world.database.hospital, 7, bytes(32), world.clock()), stranger)
    with pytest.raises(BrokenChainError, match="not signed by a trusted key"):
        world.anchoring.run(Event(), 0)


class Stop(Event):
    """An event that is set after it was waited for a number of times."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self._left = waits

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        if self._left <= 0:
            self.set()
        return self.is_set()


def test_a_fault_that_passes_is_tried_again(world: World, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    world.append(2)
    down, marks = [True, True], tmp_path / "marks"
    marks.mkdir()

    @contextmanager
    def connect() -> Iterator[Connection]:
        if down:
            down.pop()
            assert [mark.name for mark in marks.iterdir()] == ["tried"]
            raise OperationalError("SELECT", {}, Exception("Margaret"))
        with world.anchoring.connect() as connection:
            yield connection

    with caplog.at_level(logging.ERROR):
        replace(world.anchoring, connect=connect).run(Stop(4), 0, marks)
    assert [anchor.sequence for anchor in world.anchors()] == [2]
    assert {mark.name for mark in marks.iterdir()} == {"tried", "anchored"}
    assert caplog.text.count("Not anchored: the database answers SQLSTATE 08000") == 2
    assert "Margaret" not in caplog.text


def test_anchors_hold_nothing_of_the_records(world: World) -> None:
    world.append(1)
    world.anchoring.anchor(None)
    [stored] = world.anchoring.bucket.all()
    assert json.loads(stored.content).keys() == {
        "anchored_at", "hash", "hospital", "public_key", "sequence", "signature", "type",
    }  # fmt: skip
    assert world.clock.now - timedelta(minutes=1) < world.anchors()[0].anchored_at


def run(world: World, program: str, *arguments: str) -> None:
    server = world.database.server
    environment = {"PGPASSWORD": server.password, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(server.authority)}
    where = ("-h", HOST, "-p", str(server.port), "-U", ADMINISTRATOR)
    subprocess.run([POSTGRES_BINARIES / program, *where, *arguments], env=environment, check=True, capture_output=True)


def test_a_restored_backup_is_the_same_chain_and_goes_on(world: World, tmp_path: Path) -> None:
    world.append(4)
    last = world.anchoring.anchor(None)
    backup, restored = str(tmp_path / "audit.dump"), f"{world.database.name}-restored"
    run(world, "pg_dump", "-Fc", "-d", world.database.name, "-f", backup)
    run(world, "createdb", "-T", "template0", restored)
    run(world, "pg_restore", "--exit-on-error", "-d", restored, backup)
    server = world.database.server.administrator
    copy = replace(world.anchoring, connect=lambda: server.transaction(restored))
    moved = replace(world, anchoring=copy)
    assert moved.verify().intact
    with server.transaction(restored) as connection:
        assert chain.insert_entry(connection, entry(world.database.hospital).canonical()).sequence == 5
    with copy.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text("DELETE FROM audit.records"))
    assert copy.anchor(last) == copy.last()
    assert moved.verify().anchored == 5
