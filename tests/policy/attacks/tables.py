"""Tables of changes that are written by hand: what people and scanners' rule lists tell of."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from policy_pack import tables
from tests.policy.attacks.mutation import GONE, Family, Mutation, Step, get
from tests.policy.attacks.stacks import FIRST

FOLDER = Path(__file__).parent
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Edit:
    """A change of one property.

    Parameters
    ----------
    path
        Its place; list items by number.
    value
        The new value.
    remove
        Whether it goes.
    """

    path: str | list[str | int]
    value: Any = None
    remove: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """The keys of the place."""
        found = self.path.split(".") if isinstance(self.path, str) else self.path
        return tuple(int(step) if re.fullmatch(r"\d+", str(step)) else step for step in found)


@dataclass(frozen=True, config=_STRICT)
class New:
    """A resource that is added."""

    type: str
    props: dict[str, Any] = Field(default_factory=dict)


def _read(name: str) -> Any:
    return tables.document(FOLDER / f"{name}.yaml")


@cache
def _edits() -> dict[str, dict[str, dict[str, Edit]]]:
    return TypeAdapter(dict[str, dict[str, dict[str, Edit]]]).validate_python(_read("edits"))


@cache
def _added() -> dict[str, dict[str, New]]:
    return TypeAdapter(dict[str, dict[str, New]]).validate_python(_read("added"))


@cache
def values(name: str) -> dict[str, Any]:
    """Return a table of values, such as rules of roles, by what each is."""
    found: dict[str, Any] = _read("values")[name]
    return found


def edits(family: Family) -> Iterator[Mutation]:
    """Return the changes of a family to the first and last resource of each kind, the second hospital's aside."""
    for kind, changes in _edits().get(family.name, {}).items():
        found = family.target.of(kind)
        own = [one for one in found if one.name.startswith(FIRST)] or found
        for operation, edit in changes.items():
            value = GONE if edit.remove else placed(edit.value, family.target.name)
            # A change of a place that a resource does not have would be another change than the table tells of.
            having = [one for one in own if get(one.props, edit.steps[:-1]) is not None] or own
            for resource in having[:1] if kind.startswith("k8s:g") else dict.fromkeys((*having[:1], *having[-1:])):
                yield from family.put(resource, operation, (edit.steps, value))


def added(family: Family) -> Iterator[Mutation]:
    """Return the resources that a family adds."""
    for operation, new in _added().get(family.name, {}).items():
        yield family.add(operation, family.build(new.type, "more", placed(new.props, family.target.name)))


def placed(value: Any, stack: str) -> Any:
    """Return a value of a table for a stack."""
    if isinstance(value, str):
        return value.replace("{stack}", stack)
    if isinstance(value, list):
        return [placed(item, stack) for item in value]
    return {key: placed(item, stack) for key, item in value.items()} if isinstance(value, dict) else value
