"""Record: a link of the chain, with the hash that binds it to the one before."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from services.audit.records.entry import AuditEntry, parse_entry
from services.audit.records.fields import timestamp

VERSION = 1
"""Version of the record's form; part of what is hashed."""
HASH_BYTES = 32
GENESIS = bytes(HASH_BYTES)
"""Previous hash of the first record."""


@dataclass(frozen=True)
class Record:
    """A link of the chain, as the database holds it.

    Parameters
    ----------
    sequence
        Its place in the chain, from 1, without gaps.
    recorded_at
        When the database recorded it; it never decreases along the chain.
    login
        The database login that wrote it.
    previous_hash, hash
        SHA-256 of the record before, and of this one.
    entry_text
        The entry in canonical JSON.
    """

    sequence: int
    recorded_at: datetime
    login: str
    previous_hash: bytes
    hash: bytes
    entry_text: str

    @cached_property
    def entry(self) -> AuditEntry:
        """The entry; AuditError if the text is not one."""
        return parse_entry(self.entry_text)

    def computed_hash(self) -> bytes:
        """Return the hash of what the record holds."""
        return hashlib.sha256(self.hashed()).digest()

    def hashed(self) -> bytes:
        """Return what is hashed: canonical JSON of every column but the hash.

        The trigger of the table builds the same text (``services/database/migrations/audit``).
        """
        return (
            f'{{"entry":{self.entry_text},"login":"{self.login}","previous_hash":"{self.previous_hash.hex()}",'
            f'"recorded_at":"{timestamp(self.recorded_at)}","sequence":{self.sequence},"version":{VERSION}}}'
        ).encode("utf-8", "surrogatepass")
