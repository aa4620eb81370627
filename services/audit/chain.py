"""The chain in the hospital's database: append a record, and read records."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnClause, Connection, bindparam, cast, column, insert, or_, select, table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import SQLAlchemyError

from model.io.database import sqlstate
from services.audit.errors import AuditError, NotRecordedError
from services.audit.records import AuditEntry, KeptValues, Record

SALT_BYTES = 32
LOCK_MILLISECONDS = 2000
"""How long an append waits for the lock of the chain before nothing is answered."""
STATEMENT_MILLISECONDS = 5000
BATCH = 1000

_STREAMED = {"stream_results": True, "max_row_buffer": BATCH}
_SET_BY_DATABASE: tuple[ColumnClause[Any], ...] = tuple(
    column(name) for name in ("sequence", "recorded_at", "login", "previous_hash", "hash")
)
_ENTRY: ColumnClause[str] = column("entry")
_RECORDS = table("records", *_SET_BY_DATABASE, _ENTRY, schema="audit")
_FIELDS = _RECORDS.c
_LIMITS = text("SELECT set_config('lock_timeout', :lock, :local), set_config('statement_timeout', :statement, :local)")
_LIMITED = "audit-limits"
# Where an entry names an encounter or a patient; each is a search in the index of entries.
_ABOUT: tuple[Callable[[str], dict[str, object]], ...] = (
    lambda name: {"encounter": name},
    lambda name: {"patient": name},
    lambda name: {"encounters": [name]},
    lambda name: {"scores": [{"encounter": name}]},
    lambda name: {"scores": [{"patient": name}]},
)
_APPEND = insert(_RECORDS).values(entry=bindparam("entry")).returning(*_SET_BY_DATABASE)
# One exchange with the database instead of five. The values are inserted from the row of the record, so after it.
_APPEND_WITH_VALUES = text(
    "WITH record AS ("
    "INSERT INTO audit.records (entry) VALUES (:entry) RETURNING sequence, recorded_at, login, previous_hash, hash"
    "), kept AS ("
    "INSERT INTO audit.feature_values (sequence, digest, salt, content) "
    "SELECT sequence, kept.* FROM record, "
    "unnest(CAST(:digests AS bytea[]), CAST(:salts AS bytea[]), CAST(:contents AS bytea[])) AS kept"
    ") SELECT sequence, recorded_at, login, previous_hash, hash FROM record"
)


def append(connection: Connection, entry: AuditEntry, features: Sequence[bytes | None] = ()) -> Record:
    """Append a record to the chain, and commit it durably.

    Parameters
    ----------
    connection : Connection
        A connection to the hospital's database ``audit`` with a login of ``audit-writer``, without an open transaction.
    entry : AuditEntry
        What is on record.
    features : sequence of bytes or None
        The exact feature values of each of ``entry.scores`` (:func:`services.audit.records.feature_bytes`). They are
        kept beside the record with a random salt, under a digest that the record holds: after their deletion the
        digest says nothing about them.

    Returns
    -------
    Record
        The record, with its sequence and hash.

    Raises
    ------
    NotRecordedError
        If it is not on record; then nothing may be answered.
    """
    entry, values = _with_digests(entry, features)
    canonical = entry.canonical()
    try:
        # The statement is its own transaction; the limits are those of the connection, for as long as it is open.
        with connection.execution_options(isolation_level="AUTOCOMMIT").begin():
            if _LIMITED not in connection.info:
                _limit(connection, local=False)
                connection.info[_LIMITED] = True
            return _appended(connection, canonical, values)
    except SQLAlchemyError as fault:
        # The database's text may repeat values of the entry.
        raise NotRecordedError(f"The audit record was not written (SQLSTATE {sqlstate(fault)}).") from None


def insert_entry(connection: Connection, canonical: str) -> Record:
    """Insert an entry in the caller's transaction, which holds the lock of the chain from here to its end."""
    _limit(connection, local=True)
    return _appended(connection, canonical, [])


def _limit(connection: Connection, *, local: bool) -> None:
    """Limit the waits of the transaction, or of the connection."""
    limits = {"lock": str(LOCK_MILLISECONDS), "statement": str(STATEMENT_MILLISECONDS)}
    connection.execute(_LIMITS, {**limits, "local": local})


def _appended(connection: Connection, canonical: str, values: Sequence[tuple[bytes, bytes, bytes]]) -> Record:
    if values:
        digests, salts, contents = (list(column) for column in zip(*values, strict=True))
        kept = {"digests": digests, "salts": salts, "contents": contents}
        row = connection.execute(_APPEND_WITH_VALUES, {"entry": canonical, **kept}).one()
    else:
        row = connection.execute(_APPEND, {"entry": canonical}).one()
    return Record(row[0], row[1], row[2], row[3], row[4], canonical)


def _with_digests(
    entry: AuditEntry, features: Sequence[bytes | None]
) -> tuple[AuditEntry, list[tuple[bytes, bytes, bytes]]]:
    if any(score.features_digest for score in entry.scores):
        raise AuditError("The digest of feature values is computed here; give the values.")
    if not features:
        return entry, []
    if len(features) != len(entry.scores):
        raise AuditError("Give feature values, or None, for each score of the entry.")
    values, scores = [], []
    for score, content in zip(entry.scores, features, strict=True):
        if content is None:
            scores.append(score)
            continue
        salt = secrets.token_bytes(SALT_BYTES)
        digest = KeptValues(salt, content).digest()
        values.append((bytes.fromhex(digest), salt, content))
        scores.append(replace(score, features_digest=digest))
    return replace(entry, scores=tuple(scores)), values


def head(connection: Connection) -> Record | None:
    """Return the last record, or None if the chain is empty."""
    row = connection.execute(select(_RECORDS).order_by(_FIELDS.sequence.desc()).limit(1)).one_or_none()
    return None if row is None else Record(*row)


def get(connection: Connection, sequence: int) -> Record:
    """Return one record.

    Raises
    ------
    AuditError
        If there is none of this number.
    """
    row = connection.execute(select(_RECORDS).where(_FIELDS.sequence == sequence)).one_or_none()
    if row is None:
        raise AuditError(f"The chain has no record {sequence}; check the number.")
    return Record(*row)


def records(
    connection: Connection,
    *,
    after: int = 0,
    since: datetime | None = None,
    until: datetime | None = None,
    about: str | None = None,
) -> Iterator[Record]:
    """Yield records in the order of the chain, without loading all of them.

    Parameters
    ----------
    connection : Connection
        A connection with a login of ``audit-reader``.
    after : int
        The sequence before the first.
    since, until : datetime, optional
        Recorded from the one time on, and before the other.
    about : str, optional
        The pseudonym of an encounter or a patient that they name.
    """
    query = select(_RECORDS).where(_FIELDS.sequence > after).order_by(_FIELDS.sequence)
    if since is not None:
        query = query.where(_FIELDS.recorded_at >= since)
    if until is not None:
        query = query.where(_FIELDS.recorded_at < until)
    if about is not None:
        entry = cast(_ENTRY, JSONB)
        query = query.where(or_(*(entry.contains(form(about)) for form in _ABOUT)))
    for row in connection.execute(query, execution_options=_STREAMED):
        yield Record(*row)


def feature_values(connection: Connection, first: int, last: int) -> dict[tuple[int, str], KeptValues]:
    """Return the feature values beside the records of a range of sequences, by sequence and digest."""
    rows = connection.execute(
        text(
            "SELECT sequence, digest, salt, content FROM audit.feature_values WHERE sequence BETWEEN :first AND :last"
        ),
        {"first": first, "last": last},
    )
    return {(sequence, digest.hex()): KeptValues(salt, content) for sequence, digest, salt, content in rows}
