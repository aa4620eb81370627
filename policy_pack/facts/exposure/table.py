"""The table of entry points ``exposure.yaml``: which may exist, and what must protect each."""

import re
from enum import IntEnum, StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from policy_pack import tables
from policy_pack.facts.exposure.model_paths import is_below, model_of
from policy_pack.settings import FOLDER

TABLE = FOLDER / "exposure.yaml"
_HOSPITAL = "{hospital}"


class Reach(IntEnum):
    """Reach of an entry point: where its clients can be, from near to far."""

    CLUSTER = 0
    VPC = 1
    INTERNET = 2


class Protection(StrEnum):
    """A protection of an entry point."""

    MUTUAL_TLS = "mutual-tls"
    TLS = "tls"
    TOKEN = "token"
    AUTHORIZATION = "authorization"
    SIGN_IN = "sign-in"
    RATE_LIMIT = "rate-limit"
    OWN_HEADERS = "own-headers"
    RECORD = "record"


def reach_of(value: Any) -> Any:
    """Return the reach that a table names; other values are left to the validation."""
    names = {reach.name.lower(): reach for reach in Reach}
    return names.get(value, value) if isinstance(value, str) else value


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProtectionRow(_Row):
    """Protection with its meaning, and the control that reports a missing one."""

    control: str
    means: str


class KindRow(_Row):
    """A kind of entry points, and the control that refuses one that no row allows."""

    control: str
    title: str


class Refusals(_Row):
    """The recorder of refusals, and what an access log that goes to it alone may contain besides."""

    service: str
    port: int
    matches: tuple[str, ...]
    must_contain: tuple[str, ...]
    may_contain: tuple[str, ...]


class TokenHeader(_Row):
    """The header of requests that the gateway takes from a claim of the verified token."""

    header: str
    claims: tuple[str, ...]


class Destination(_Row):
    """A workload that routes may lead to, its namespace, and the paths that requests must have or be below."""

    namespace: str
    workload: str
    paths: tuple[str, ...]

    def has(self, kind: str, path: str) -> bool:
        """Return whether a path match of a route matches only these paths and what is below them."""
        below = any(is_below(own, path) for own in self.paths)
        return below and kind in ("Exact", "PathPrefix") and ".." not in path


class Grantee(_Row):
    """The kind of route to which a ReferenceGrant may give access, and its namespace."""

    kind: str
    namespace: str


class AllowedEntryPoint(_Row):
    """An entry point that may exist; ``exposure.yaml`` documents the fields."""

    kind: str
    reached_from: Annotated[Reach, BeforeValidator(reach_of)]
    reason: str
    namespace: str | None = None
    listener: str | None = None
    routes: tuple[str, ...] = ()
    leads_to: tuple[Destination, ...] = ()
    grants_to: Grantee | None = None
    requires: tuple[Protection, ...] = ()
    authority: str = ""
    server_authority: str = ""

    def hospital(self, namespace: str) -> str | None:
        """Return the hospital of a namespace that the row allows; None where the row does not allow it."""
        if self.namespace is None:
            return "" if not namespace else None
        pattern = re.escape(self.namespace).replace(re.escape(_HOSPITAL), "(.+)")
        match = re.fullmatch(pattern, namespace)
        if match is None:
            return None
        return match[1] if match.groups() else ""


class ExposureTable(_Row):
    """The table of entry points."""

    protections: dict[Protection, ProtectionRow]
    max_requests_per_minute: int
    record_contains: tuple[str, ...]
    record_may_contain: tuple[str, ...]
    record_fields: dict[str, str | tuple[str, ...]]
    trusted_headers: frozenset[str]
    token_header: TokenHeader
    refusals: Refusals
    kinds: dict[str, KindRow]
    entry_points: tuple[AllowedEntryPoint, ...]

    @model_validator(mode="after")
    def _complete(self) -> "ExposureTable":
        missing = [protection for protection in Protection if protection not in self.protections]
        if missing:
            raise ValueError(f"protections has no row for {', '.join(missing)}")
        unknown = sorted({row.kind for row in self.entry_points} - set(self.kinds))
        if unknown:
            raise ValueError(f"kinds has no row for {', '.join(unknown)}")
        return self

    def model_of(self, path: str) -> str:
        """Return the further model that requests of a path ask; empty for other requests."""
        declared = (own for row in self.entry_points for one in row.leads_to for own in one.paths)
        return next(filter(None, (model_of(own, path) for own in declared)), "")

    def allowing(self, kind: str, namespace: str, reach: Reach, listener: str = "") -> AllowedEntryPoint | None:
        """Return the row that allows an entry point; None where there is none."""
        rows = (
            row
            for row in self.entry_points
            if row.kind == kind and reach <= row.reached_from and row.listener in (None, listener)
        )
        return next((row for row in rows if row.hospital(namespace) is not None), None)


def in_hospital(template: str, hospital: str) -> str:
    """Return a name of the table with the hospital's name in it."""
    return template.replace(_HOSPITAL, hospital)


def read(path: Path) -> ExposureTable:
    """Read the table of entry points.

    Raises
    ------
    PackError
        When the file cannot be read or is not such a table.
    """
    return tables.read(ExposureTable.model_validate, path)


@cache
def exposure() -> ExposureTable:
    """Return the pack's table of entry points."""
    return read(TABLE)
