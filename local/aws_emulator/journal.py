"""Write-ahead journal of all modifying requests."""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.aws_emulator.messages import Request
from local.aws_emulator.moto.backend import Call
from local.errors import UserError

_FORMAT: Final = "1"
_SCHEMA: Final = """
create table if not exists facts (name text primary key, value text not null);
create table if not exists entries (
    number integer primary key, at real not null, method text not null, target text not null, headers text not null,
    body blob not null, service text not null, region text not null, access_key text not null,
    bucket text not null, source text not null
);
create index if not exists entries_by_bucket on entries (bucket);
create index if not exists entries_by_source on entries (source);
"""


@dataclass(frozen=True)
class Entry:
    """Journal entry of one request."""

    number: int
    at: float
    call: Call
    bucket: str = ""
    source: str = ""


class Journal:
    """Journal in an SQLite file with full synchronisation, locked by one emulator at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.sqlite"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
            self._db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=1)
            self._open()
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise UserError(
                    f"The journal {self.path} is in use by another emulator; stop that one first."
                ) from None
            raise UserError(
                f"The journal {self.path} cannot be opened ({error}); check the disk and its permissions."
            ) from None
        except sqlite3.DatabaseError as error:
            raise self._corrupt(str(error)) from None
        except OSError as error:
            raise UserError(
                f"The journal {self.path} cannot be opened ({error.strerror}); check its permissions."
            ) from None

    def _open(self) -> None:
        self._db.execute("pragma locking_mode = exclusive")
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.execute("pragma wal_autocheckpoint = 500")
        check = self._db.execute("pragma quick_check").fetchone()[0]
        if check != "ok":
            raise self._corrupt(str(check).splitlines()[0])
        self._db.executescript(_SCHEMA)
        self.secret = bytes.fromhex(self._fact("secret", secrets.token_hex(32)))
        if self._fact("format", _FORMAT) != _FORMAT:
            raise UserError(f"The journal {self.path} has another version; move it away and run `pulumi up --refresh`.")

    def _corrupt(self, reason: str) -> UserError:
        return UserError(
            f"The journal {self.path} is corrupt ({reason}); restore it from a backup, or move it away and run "
            "`pulumi up --refresh` and the ingest again."
        )

    def _fact(self, name: str, value: str) -> str:
        self._db.execute("insert or ignore into facts values (?, ?)", (name, value))
        return str(self._db.execute("select value from facts where name = ?", (name,)).fetchone()[0])

    def last(self) -> int:
        """Return the highest entry number ever assigned."""
        highest = self._db.execute("select coalesce(max(number), 0) from entries").fetchone()[0]
        return max(int(highest), int(self._fact("dropped", "0")))

    def begin(self, entry: Entry) -> None:
        """Write a tentative entry."""
        call = entry.call
        self._db.execute("begin immediate")
        self._db.execute(
            "insert into entries values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.number,
                entry.at,
                call.request.method,
                call.request.target,
                json.dumps([pair for pair in call.request.headers if pair[0] not in _SECRET_HEADERS]),
                call.request.body,
                call.service,
                call.region,
                call.access_key,
                entry.bucket,
                entry.source,
            ),
        )

    def keep(self) -> None:
        """Commit the last entry: from then on it survives a power failure."""
        self._db.execute("commit")

    def drop(self) -> None:
        """Roll back the last entry: the request changed nothing."""
        self._db.execute("rollback")

    def forget_bucket(self, bucket: str, upto: int) -> None:
        """Delete the entries of a deleted bucket, unless objects were copied from it to another bucket."""
        self._db.execute("begin immediate")
        copied = self._db.execute("select 1 from entries where source = ? and bucket <> ? limit 1", (bucket, bucket))
        if copied.fetchone() is None:
            self._db.execute("insert or ignore into facts values ('dropped', '0')")
            self._db.execute("update facts set value = ? where name = 'dropped'", (str(upto),))
            self._db.execute("delete from entries where bucket = ? and number <= ?", (bucket, upto))
        self._db.execute("commit")

    def entries(self) -> Iterator[Entry]:
        """Return all entries, oldest first."""
        for row in self._db.execute("select * from entries order by number"):
            number, at, method, target, headers, body, service, region, access_key, bucket, source = row
            request = Request(method, target, tuple((name, value) for name, value in json.loads(headers)), body)
            yield Entry(number, at, Call(request, service, region, access_key), bucket, source)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


_SECRET_HEADERS: Final = frozenset({"authorization", "x-amz-security-token"})
