"""Records: what is hashed."""

import json
from datetime import UTC, datetime
from hashlib import sha256

import rfc8785

from services.audit.records import GENESIS, Record
from tests.support.audit.audit_records import FULL

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


def test_what_is_hashed_is_canonical_json_of_every_column() -> None:
    record = Record(7, AT, "v-login", bytes(range(32)), GENESIS, FULL.canonical())
    plain = {
        "entry": json.loads(FULL.canonical()),
        "login": "v-login",
        "previous_hash": bytes(range(32)).hex(),
        "recorded_at": "2026-11-03T09:30:00.000000Z",
        "sequence": 7,
        "version": 1,
    }
    assert record.hashed() == rfc8785.dumps(plain)
    assert record.computed_hash() == sha256(record.hashed()).digest()
