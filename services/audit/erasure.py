"""Erasure of a person's feature values: the record of it, then the values; the chain stays as it is."""

from dataclasses import replace

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from model.io.database import sqlstate
from services.audit import chain
from services.audit.errors import AuditError, NotRecordedError
from services.audit.records import AuditEntry, Record
from services.audit.verify import ERASE

_DELETE = text(
    """
    DELETE FROM audit.feature_values AS kept
    USING audit.records AS record, jsonb_array_elements(record.entry::jsonb -> 'scores') AS score
    WHERE kept.sequence = record.sequence AND record.sequence < :erasure
        AND record.entry::jsonb @> CAST(:named AS jsonb)
        AND score ->> 'features_digest' = encode(kept.digest, 'hex')
        AND score ->> :kind = :about
    """
)


def erase(connection: Connection, entry: AuditEntry) -> tuple[Record, int]:
    """Record an erasure and delete the feature values of an encounter or a patient, both or neither.

    Parameters
    ----------
    connection : Connection
        A connection with a login of ``audit-eraser``, without an open transaction.
    entry : AuditEntry
        Who erases, and ``encounter`` or ``patient``, the pseudonym of whom; ``detail`` is the reason, a code.

    Returns
    -------
    tuple of Record and int
        The record, and how many scores' values were deleted.

    Raises
    ------
    NotRecordedError
        If it is not on record; then nothing is deleted.
    """
    if (entry.encounter is None) == (entry.patient is None):
        raise AuditError("Name an encounter or a patient whose feature values are erased.")
    kind, about = ("encounter", entry.encounter) if entry.encounter else ("patient", entry.patient)
    canonical = replace(entry, action=ERASE, outcome="answered").canonical()
    named = f'{{"scores":[{{"{kind}":"{about}"}}]}}'
    try:
        with connection.begin():
            record = chain.insert_entry(connection, canonical)
            values = {"erasure": record.sequence, "named": named, "kind": kind, "about": about}
            deleted = connection.execute(_DELETE, values).rowcount
    except SQLAlchemyError as fault:
        raise NotRecordedError(f"The erasure was not written (SQLSTATE {sqlstate(fault)}).") from None
    return record, deleted
