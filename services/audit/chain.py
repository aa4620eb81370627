"""The chain in the hospital's database: append a record, and read records."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnClause, Connection, cast, column, or_, select, table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import SQLAlchemyError

from model.io.database import sqlstate
from services.audit.errors import AuditError, NotRecordedError
from services.audit.records import AuditEntry, KeptValues, Record

SALT_BYTES = 32
LOCK_MILLISECONDS = 2500
"""How long an append waits for the lock of the chain before nothing is answered.

Whoever holds it waits for the disk, whose slowest flush in a soak took 2.2 s: one such flush fails nobody. Care waits
3 s for planning, the shortest limit of a caller, so the refusal still reaches it.
"""
STATEMENT_MILLISECONDS = 5000
BATCH = 1000

_STREAMED = {"stream_results": True, "max_row_buffer": BATCH}
_SET_BY_DATABASE: tuple[ColumnClause[object], ...] = tuple(
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
# One exchange with the database, whatever the number of entries. The trigger links the rows in the order in which they
# are inserted, and under the lock their sequences have no gap. The values are inserted from the rows of the records, so
# after them; a value of another record than its own is refused, because that does not name its digest.
_APPEND = text(
    "WITH record AS ("
    "INSERT INTO audit.records (entry) "
    "SELECT entry FROM unnest(CAST(:entries AS text[])) WITH ORDINALITY AS given (entry, place) ORDER BY place "
    "RETURNING sequence, recorded_at, login, previous_hash, hash"
    ") SELECT sequence, recorded_at, login, previous_hash, hash FROM record ORDER BY sequence"
)
# A statement of its own: PostgreSQL asks for the right to insert values also without any, which audit-eraser has not.
_APPEND_WITH_VALUES = text(
    "WITH record AS ("
    "INSERT INTO audit.records (entry) "
    "SELECT entry FROM unnest(CAST(:entries AS text[])) WITH ORDINALITY AS given (entry, place) ORDER BY place "
    "RETURNING sequence, recorded_at, login, previous_hash, hash"
    "), kept AS ("
    "INSERT INTO audit.feature_values (sequence, digest, salt, content) "
    "SELECT (SELECT min(sequence) FROM record) + place, digest, salt, content FROM "
    "unnest(CAST(:places AS int[]), CAST(:digests AS bytea[]), CAST(:salts AS bytea[]), CAST(:contents AS bytea[])) "
    "AS kept (place, digest, salt, content)"
    ") SELECT sequence, recorded_at, login, previous_hash, hash FROM record ORDER BY sequence"
)
_REFUSED_CONTENT = frozenset({"22", "23", "54"})
"""Classes of SQLSTATE that one entry can cause by what it holds: data, constraint, limit."""


@dataclass(frozen=True)
class PreparedEntry:
    """An entry in canonical JSON, and the feature values beside it: digest, salt and content of each."""

    canonical: str
    values: tuple[tuple[bytes, bytes, bytes], ...] = ()


def prepared(entry: AuditEntry, features: Sequence[bytes | None] = ()) -> PreparedEntry:
    """Return an entry as it is written, with a digest for each of the feature values.

    Parameters
    ----------
    entry : AuditEntry
        What is on record.
    features : sequence of bytes or None
        The exact feature values of each of ``entry.scores`` (:func:`services.audit.records.feature_bytes`). They are
        kept beside the record with a random salt, under a digest that the record holds: after their deletion the
        digest says nothing about them.
    """
    if any(score.features_digest for score in entry.scores):
        raise AuditError("The digest of feature values is computed here; give the values.")
    if not features:
        return PreparedEntry(entry.canonical())
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
    return PreparedEntry(replace(entry, scores=tuple(scores)).canonical(), tuple(values))


def append(connection: Connection, entry: AuditEntry, features: Sequence[bytes | None] = ()) -> Record:
    """Append a record to the chain, and commit it durably.

    Parameters
    ----------
    connection : Connection
        A connection to the hospital's database ``audit`` with a login of ``audit-writer``, without an open transaction.
    entry, features
        As for :func:`prepared`.

    Returns
    -------
    Record
        The record, with its sequence and hash.

    Raises
    ------
    NotRecordedError
        If it is not on record; then nothing may be answered.
    """
    (written,) = append_each(connection, [prepared(entry, features)])
    if isinstance(written, NotRecordedError):
        raise written
    return written


def append_each(connection: Connection, entries: Sequence[PreparedEntry]) -> list[Record | NotRecordedError]:
    """Append records to the chain, and return for each, in order, the record or why it is not on record.

    They are committed together. If the database refuses what one of them holds, each is committed by itself.

    Parameters
    ----------
    connection : Connection
        As for :func:`append`.
    entries : sequence of PreparedEntry
        What is on record.
    """
    try:
        return list(_committed(connection, entries))
    except SQLAlchemyError as fault:
        state = sqlstate(fault)
        if len(entries) > 1 and state[:2] in _REFUSED_CONTENT:
            return [written for entry in entries for written in append_each(connection, [entry])]
        # The database's text may repeat values of an entry. After another fault, such as a lost connection, they may be
        # on record, so none is written again.
        return [NotRecordedError(f"The audit record was not written (SQLSTATE {state}).")] * len(entries)


def insert_entry(connection: Connection, canonical: str) -> Record:
    """Insert an entry in the caller's transaction, which holds the lock of the chain from here to its end."""
    _limit(connection, local=True)
    (record,) = _inserted(connection, [PreparedEntry(canonical)])
    return record


def _committed(connection: Connection, entries: Sequence[PreparedEntry]) -> list[Record]:
    # The statement is its own transaction; the limits are those of the connection, for as long as it is open.
    with connection.execution_options(isolation_level="AUTOCOMMIT").begin():
        if _LIMITED not in connection.info:
            _limit(connection, local=False)
            connection.info[_LIMITED] = True
        return _inserted(connection, entries)


def _limit(connection: Connection, *, local: bool) -> None:
    """Limit the waits of the transaction, or of the connection."""
    limits = {"lock": str(LOCK_MILLISECONDS), "statement": str(STATEMENT_MILLISECONDS)}
    connection.execute(_LIMITS, {**limits, "local": local})


def _inserted(connection: Connection, entries: Sequence[PreparedEntry]) -> list[Record]:
    values = [(place, *value) for place, entry in enumerate(entries) for value in entry.values]
    given: dict[str, Sequence[object]] = {"entries": [entry.canonical for entry in entries]}
    if values:
        given |= dict(
            zip(("places", "digests", "salts", "contents"), map(list, zip(*values, strict=True)), strict=True)
        )
    rows = connection.execute(_APPEND_WITH_VALUES if values else _APPEND, given)
    return [
        Record(row[0], row[1], row[2], row[3], row[4], entry.canonical)
        for row, entry in zip(rows, entries, strict=True)
    ]


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
