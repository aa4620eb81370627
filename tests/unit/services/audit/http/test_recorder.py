"""The recorder of a service: who called, and a start that waits for its database."""

import pytest
from starlette.types import Scope

from services.audit.errors import NotRecordedError
from services.audit.http import Caller, Recorder, peer
from services.audit.records import AuditEntry, Record
from services.database import connections
from services.database.schemas import Schema
from tests.support.audit import audit_records
from tests.support.databases.postgres import PostgresServer


def test_a_caller_is_the_one_of_the_certificate() -> None:
    scope: Scope = {"type": "http", "tls_peer": "spiffe://hmlops/north/care"}
    assert peer(scope) == Caller("spiffe://hmlops/north/care")
    assert peer({"type": "http"}) == Caller("unidentified")


@pytest.mark.process
def test_a_start_waits_for_its_database_and_says_so_once(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    database = postgres.database(Schema.AUDIT)
    path = database.login_file("audit-writer")
    content = path.read_text(encoding="utf-8")
    path.unlink()
    recorder = Recorder("planning", database.hospital, connections.engine(database.address, path))
    with pytest.raises(NotRecordedError, match="check that the Vault agent writes it"):
        recorder.append_start(audit_records.entry(database.hospital), patience_seconds=0)

    with caplog.at_level("WARNING", "services.audit"):
        attempts = iter([None] * 3)
        original = Recorder.append

        def append(self: Recorder, entry: AuditEntry) -> Record:
            if next(attempts, path) is path:
                path.write_text(content, encoding="utf-8")
            return original(self, entry)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
            patch.setattr(Recorder, "append", append)
            assert recorder.append_start(audit_records.entry(database.hospital), 60).sequence == 1
    assert [entry.message.count("Waiting up to 60 s") for entry in caplog.records] == [1]
