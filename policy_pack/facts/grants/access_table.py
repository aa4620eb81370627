"""The table of access: who may do what to which data, as people decide it (``access.yaml``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.facts.verbs import Verb
from policy_pack.settings import Text

HOSPITAL = "{hospital}"
_STRICT = ConfigDict(extra="forbid")


class Scope(StrEnum):
    """Whose data a row is about: of the principal's own hospital, of every hospital, or of none (the platform's)."""

    OWN = "own"
    EVERY = "every"
    NONE = "none"

    @classmethod
    def of(cls, subject_hospital: str, data_hospital: str) -> "Scope":
        """Return the narrowest scope that includes data of one hospital for a principal of another or the same."""
        if not data_hospital:
            return cls.NONE
        return cls.OWN if subject_hospital == data_hospital else cls.EVERY


@validated(frozen=True, config=_STRICT)
class NamedPrincipal:
    """A principal of the table.

    Parameters
    ----------
    title
        What it is, for a reader.
    identities
        Its identities, as `AccessContext` writes them, such as ``ServiceAccount phi/ingestor``.
    """

    title: Text
    identities: tuple[Text, ...]


@validated(frozen=True, config=_STRICT)
class DataClass:
    """A data class of the table.

    Parameters
    ----------
    title
        What it is, for a reader.
    places
        Where it is: a kind of place and a pattern of its name, such as ``bucket {hospital}-raw``; ``*`` is any text.
        For a part of a bucket, the prefix of the objects follows, such as ``bucket {hospital}-curated/tables/``.
    """

    title: Text
    places: tuple[Text, ...]


@validated(frozen=True, config=_STRICT)
class Row:
    """One row: some principals may use some data, for a reason; with stacks, in these alone."""

    who: tuple[Text, ...]
    data: tuple[Text, ...]
    verbs: tuple[Verb, ...]
    hospital: Scope
    reason: Text
    stacks: tuple[Text, ...] = ()


@validated(frozen=True, config=_STRICT)
class ActingRow:
    """One row: some principals may act as others, and so do what these may do, for a reason."""

    who: tuple[Text, ...]
    acts_as: tuple[Text, ...]
    reason: Text


@validated(frozen=True, config=_STRICT)
class _File:
    principals: Mapping[str, NamedPrincipal]
    data: Mapping[str, DataClass]
    access: tuple[Row, ...]
    acting: tuple[ActingRow, ...] = ()

    @model_validator(mode="after")
    def _rows_name_what_is_described(self) -> "_File":
        for row in self.access:
            unknown = [who for who in row.who if who not in self.principals]
            unknown += [data for data in row.data if data not in self.data]
            if unknown:
                raise ValueError(f"a row names {unknown[0]}, which is neither in principals nor in data")
        acting = {who for one in self.acting for who in (*one.who, *one.acts_as)}
        if acting - self.principals.keys():
            raise ValueError(
                f"a row of acting names {min(acting - self.principals.keys())}, which is not in principals"
            )
        return self


@dataclass(frozen=True)
class Permission:
    """One principal, one data class, one verb, and whose data, of a row of the table."""

    who: str
    data: str
    verb: Verb
    scope: Scope


class AccessTable:
    """The table of access of a stack, indexed."""

    def __init__(self, file: _File, stack: str) -> None:
        self.principals = file.principals
        self.data = file.data
        self.rows = tuple(row for row in file.access if not row.stacks or stack in row.stacks)
        self.permissions = frozenset(
            Permission(who, data, verb, row.hospital)
            for row in self.rows
            for who in row.who
            for data in row.data
            for verb in row.verbs
        )
        self._acting = {(who, other) for row in file.acting for who in row.who for other in row.acts_as}
        self._names = {identity: name for name, one in file.principals.items() for identity in one.identities}

    def name_of(self, identity: str) -> str:
        """Return the name of a principal in the table; the identity itself where the table has none."""
        return self._names.get(identity, identity)

    def may_act(self, who: str, other: str) -> bool:
        """Return whether a row allows a principal to act as another one."""
        return (who, other) in self._acting

    def allows(self, who: str, data: str, verb: Verb, scope: Scope) -> bool:
        """Return whether a row allows a verb on data of some scope; ``every`` includes the principal's own hospital."""
        scopes = {scope, Scope.EVERY} if scope is Scope.OWN else {scope}
        return any(Permission(who, data, verb, one) in self.permissions for one in scopes)


@cache
def access_table(path: Path, stack: str = "") -> AccessTable:
    """Return the table of a file, as it applies to a stack."""
    return AccessTable(tables.read(TypeAdapter(_File).validate_python, path), stack)
