"""Group roles of PostgreSQL, and what they may do: the table that the migration applies (``grants.yaml``)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from policy_pack import tables

TABLE = Path(__file__).parents[3] / "services" / "database" / "grants.yaml"
_STRICT = ConfigDict(extra="forbid", frozen=True)
CONNECT = "connect"
OWNS = "owner"
ALL = "all"


class GroupRole(BaseModel):
    """A row of ``roles``."""

    model_config = _STRICT

    databases: tuple[str, ...]
    purpose: str
    set_role: tuple[str, ...] = ()
    login: bool = True
    vault_role: str | None = None


class GroupGrant(BaseModel):
    """A row of ``grants``."""

    model_config = _STRICT

    role: str
    table: str
    verbs: tuple[str, ...]
    columns: tuple[str, ...] | None = None


class GroupFunction(BaseModel):
    """A row of ``functions``."""

    model_config = _STRICT

    role: str
    function: str


class GroupTable(BaseModel):
    """The table of group roles and grants."""

    model_config = _STRICT

    roles: dict[str, GroupRole]
    grants: dict[str, tuple[GroupGrant, ...]]
    functions: dict[str, tuple[GroupFunction, ...]] = {}


@dataclass(frozen=True, order=True)
class GroupPrivilege:
    """A privilege of a group role: the database, the schema (none for the database itself), the verb, the object."""

    database: str
    schema: str
    privilege: str
    object: str


@cache
def table() -> GroupTable:
    """Return the table."""
    return tables.read(GroupTable.model_validate, TABLE)


def privileges(name: str, rows: GroupTable | None = None) -> list[GroupPrivilege] | None:
    """Return what the members of a group role may do: its own rows, and those of roles that they may switch to.

    Parameters
    ----------
    name
        The role's name in PostgreSQL, such as ``north-analyst``.
    rows
        The table; ``grants.yaml`` by default.

    Returns
    -------
    list of GroupPrivilege or None
        None if the name is not of a role of the table.
    """
    rows = rows or table()
    named = [(name.removesuffix(f"-{role}"), role) for role in rows.roles if name.endswith(f"-{role}")]
    if not named:
        return None
    hospital, role = min(named)
    members = {role, *rows.roles[role].set_role}
    return sorted({one for member in members for one in _of_role(hospital, member, rows)})


def _of_role(hospital: str, role: str, rows: GroupTable) -> Iterator[GroupPrivilege]:
    for schema in rows.roles[role].databases:
        database = f"{hospital}-{schema}"
        yield GroupPrivilege(database, "", CONNECT, f"database {database}")
        if role == OWNS:
            yield GroupPrivilege(database, schema, ALL, f"schema {schema}")
        for grant in rows.grants.get(schema, ()):
            if grant.role == role:
                for verb in grant.verbs:
                    yield GroupPrivilege(database, schema, verb, f"{schema}.{grant.table}")
        for function in rows.functions.get(schema, ()):
            if function.role == role:
                yield GroupPrivilege(database, schema, "execute", f"{schema}.{function.function}")
