"""Feature values that are kept beside a record: exact, with a salted digest."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.errors import AuditError
from services.audit.records import KeptValues, feature_bytes


@given(st.dictionaries(st.text(max_size=8), st.floats(allow_infinity=False) | st.none() | st.text(max_size=5)))
def test_feature_values_are_exact(values: dict[str, float | str | None]) -> None:
    read = json.loads(feature_bytes(values), parse_int=float)
    assert read.keys() == values.keys()
    for name, value in values.items():
        missing = isinstance(value, float) and value != value
        assert read[name] == (None if missing else value)


def test_an_infinite_feature_value_is_refused() -> None:
    with pytest.raises(AuditError, match="not finite"):
        feature_bytes({"age": float("inf")})


def test_a_digest_needs_the_salt() -> None:
    values = KeptValues(bytes(32), b"{}")
    assert values.digest() == sha256(bytes(32) + b"{}").hexdigest() != replace(values, salt=bytes(31) + b"1").digest()
