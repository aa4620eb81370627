"""Feature values of a score, which are kept beside its record; the record holds their digest."""

import hashlib
from dataclasses import dataclass
from typing import Any

import rfc8785

from services.audit.errors import AuditError


@dataclass(frozen=True)
class KeptValues:
    """The feature values of a score as they are kept beside its record, with the salt of their digest."""

    salt: bytes
    content: bytes

    def digest(self) -> str:
        """Return the digest that the record holds."""
        return hashlib.sha256(self.salt + self.content).hexdigest()


def feature_bytes(values: dict[str, float | str | None]) -> bytes:
    """Return feature values as they are kept beside a record: canonical JSON, in which every float is exact.

    Raises
    ------
    AuditError
        If a value is infinite.
    """
    try:
        return rfc8785.dumps({name: _number(value) for name, value in values.items()})
    except rfc8785.CanonicalizationError:
        raise AuditError("A feature value is not finite, so it cannot be kept; correct the features.") from None


def _number(value: Any) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return None if number != number else number  # NaN is a missing value
