"""What ``verify`` says of a chain that somebody changed who may do everything in the database."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from services.audit import chain
from services.audit.records import GENESIS, Record
from tests.support.audit.audit_commands import Commands
from tests.support.audit.audit_records import entry, features, scored
from tests.support.repository import REPOSITORY

pytestmark = pytest.mark.process
PAGE = REPOSITORY / "docs" / "audit.md"
ANCHORED = (3, 6)
TABLES = ("records", "feature_values")
Tampering = Callable[[Connection], None]


def change(connection: Connection) -> None:
    """Let another login have written record 2."""
    connection.execute(text("UPDATE audit.records SET login = 'another' WHERE sequence = 2"))


def change_with_its_hash(connection: Connection) -> None:
    """Do the same, and compute the record's hash again."""
    record = replace(records(connection)[1], login="another")
    write(connection, replace(record, hash=record.computed_hash()))


def gap(connection: Connection) -> None:
    """Remove record 4."""
    connection.execute(text("DELETE FROM audit.records WHERE sequence = 4"))


def reordering(connection: Connection) -> None:
    """Let records 4 and 5 change places."""
    for number, other in ((4, 0), (5, 4), (0, 5)):
        for table in TABLES:
            connection.execute(
                text(f"UPDATE audit.{table} SET sequence = :other WHERE sequence = :number"),
                {"number": number, "other": other},
            )


def cut_tail(connection: Connection) -> None:
    """Remove the last two records."""
    connection.execute(text("DELETE FROM audit.records WHERE sequence > 4"))


def rebuilt_chain(connection: Connection) -> None:
    """Change record 2, and link all records again."""
    before = GENESIS
    for record in records(connection):
        changed = replace(record, previous_hash=before, login="another" if record.sequence == 2 else record.login)
        before = changed.computed_hash()
        write(connection, replace(changed, hash=before))


def missing_values(connection: Connection) -> None:
    """Remove the feature values of record 5."""
    connection.execute(text("DELETE FROM audit.feature_values WHERE sequence = 5"))


def nothing(_: Connection) -> None:
    """Leave the chain as it is."""


TAMPERINGS: dict[str, Tampering] = {
    "an intact chain": nothing,
    "change: another login in record 2": change,
    "change: the same, and its hash": change_with_its_hash,
    "gap: record 4 removed": gap,
    "reordering: records 4 and 5": reordering,
    "cut tail: records 5 and 6 removed": cut_tail,
    "rebuilt chain: record 2 changed, all linked again": rebuilt_chain,
    "feature values: those of record 5 removed": missing_values,
}


def records(connection: Connection) -> list[Record]:
    return list(chain.records(connection))


def write(connection: Connection, record: Record) -> None:
    """Write a record in the place of the one that has its number."""
    connection.execute(
        text("UPDATE audit.records SET login = :login, previous_hash = :before, hash = :hash WHERE sequence = :number"),
        {"login": record.login, "before": record.previous_hash, "hash": record.hash, "number": record.sequence},
    )


def test_verify_names_each_kind_of_tampering(commands: Commands) -> None:
    hospital, database = commands.database.hospital, commands.database
    for number in range(1, max(ANCHORED) + 1):
        commands.append(entry(hospital, scores=(scored(),)), values=features({"age": float(number)}))
        if number in ANCHORED:
            assert commands.run("anchor", "--once", "--key-file", commands.key)[0] == 0
    with database.administrator() as connection:
        for table in TABLES:
            connection.execute(text(f"CREATE TABLE public.{table} AS TABLE audit.{table}"))
            connection.execute(text(f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL"))
    transcript = []
    for title, tampering in TAMPERINGS.items():
        with database.server.administrator.transaction(database.name) as connection:
            for table in TABLES:
                connection.execute(text(f"DELETE FROM audit.{table}"))
                connection.execute(text(f"INSERT INTO audit.{table} TABLE public.{table}"))
            tampering(connection)
        code, out, err = commands.run("verify", "--key-file", commands.key)
        assert (code, err) == (0 if tampering is nothing else 1, "")
        transcript.append(f"$ python -m services.audit verify      # {title}\n{out}")
    printed = "\n".join(transcript)
    assert timeless(printed) in timeless(PAGE.read_text()), f"write this into {PAGE.name}:\n{printed}"


def timeless(transcript: str) -> str:
    """Return a text without the time of an anchor."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", transcript)
