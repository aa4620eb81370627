"""The commands on a database and a locked bucket of their own."""

from pathlib import Path
from typing import Any

import pytest

from services.database.schemas import Schema
from tests.support.audit.audit_commands import Commands
from tests.support.databases.postgres import PostgresServer


@pytest.fixture
def commands(
    postgres: PostgresServer,
    store: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Commands:
    store.create_bucket(Bucket="north-audit", ObjectLockEnabledForBucket=True)
    retention = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 6}}
    store.put_object_lock_configuration(
        Bucket="north-audit", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention}
    )
    database = postgres.database(Schema.AUDIT)
    monkeypatch.setenv("HOSPITAL", database.hospital)
    monkeypatch.setenv("AUDIT_BUCKET", "s3://north-audit")
    monkeypatch.setenv("COLUMNS", "250")
    for name in ("AUDIT_TRUSTED_KEYS", "HMLOPS_TRUSTED_KEYS", "VAULT_ADDR", "VAULT_ROLE"):
        monkeypatch.delenv(name, raising=False)
    return Commands(database, tmp_path, monkeypatch, capsys)
