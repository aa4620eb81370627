"""A change of a stack, as a row of a table describes it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.stack.graph import Graph, Resource
from tests.policy.attacks.mutation import Mutation, changed
from tests.policy.mistakes.patch import patched

FOLDER = Path(__file__).parent
LEGITIMATE, GAPS = "legitimate", "gaps"
_OBJECT = re.compile(r"kubernetes:(?:core/)?(?P<version>[^:]+):(?P<kind>\w+)")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Change:
    """One resource that is changed, removed or added.

    Parameters
    ----------
    edit, remove
        The resource: the end of its type, and its name.
    add
        The type and the name of a new resource.
    like
        The resource that a new one is a copy of.
    to
        The patch of the properties.
    properties
        The properties of a new resource.
    """

    edit: str = ""
    remove: str = ""
    add: str = ""
    like: str = ""
    to: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)

    @model_validator(mode="after")
    def _one(self) -> "Change":
        if sum(map(bool, (self.edit, self.remove, self.add))) != 1:
            raise ValueError("a change needs one of edit, remove and add")
        return self

    def before(self, stack: Graph) -> Resource | None:
        """Return the resource that is changed or removed."""
        name = self.edit or self.remove
        return named(stack, name) if name else None

    def after(self, stack: Graph) -> Resource | None:
        """Return the resource as it is after the change; None where it is removed."""
        if self.remove:
            return None
        if self.edit:
            resource = named(stack, self.edit)
            return changed(resource, patched(resource.props, self.to))
        return self._added(stack)

    def _added(self, stack: Graph) -> Resource:
        type_, _, name = self.add.partition(" ")
        urn = f"urn:pulumi:{stack.stack}::healthcare-mlops::{type_}::{name}"
        if self.like:
            pattern = named(stack, self.like)
            new = changed(pattern, patched(pattern.props, self.to))
            return replace(new, urn=urn, name=name)
        package = type_.partition(":")[0]
        provider = next((one.provider for one in stack if one.package == package and one.provider), {})
        match = _OBJECT.fullmatch(type_) if "metadata" in self.properties else None
        head = {"apiVersion": match["version"], "kind": match["kind"]} if match else {}
        return Resource(urn, type_, name, {**head, **self.properties}, parent=stack.root.urn, provider=provider)


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Row:
    """A mistake, or a legitimate change.

    Parameters
    ----------
    name
        What it is.
    changes
        The changes of resources; a finding is about the first or one beside it.
    stack
        The stack.
    """

    name: str
    changes: tuple[Change, ...]
    stack: str = "prod"

    def mutation(self, stack: Graph, family: str) -> Mutation:
        """Return the change of a stack."""
        before = [one for one in (change.before(stack) for change in self.changes) if one]
        new = [one for one in (change.after(stack) for change in self.changes) if one]
        ids = {**stack.memo(_ids.__name__, _ids), **{f"{one.name}-id": (one.urn,) for one in new}}
        after = [_referring(one, ids) for one in new]
        subject = (after or before)[0]
        removed = frozenset(one.urn for one in before)
        return Mutation(family, subject.kind, self.name, subject, removed, tuple(after), self.stack)


def named(stack: Iterable[Resource], name: str) -> Resource:
    """Return the one resource of a stack with the end of a type and a name, such as `Key north-raw`."""
    kind, _, own = name.partition(" ")
    found = [one for one in stack if one.name == own and re.search(rf"(?:^|[:/]){re.escape(kind)}$", one.type)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} resources of the stack are {name}; name the type's end and the resource")
    return found[0]


def _ids(stack: Graph) -> dict[str, tuple[str, ...]]:
    """Return what the stack's properties depend on, by their values."""
    return {
        text: urns
        for resource in stack
        for key, urns in resource.depends.items()
        if isinstance(text := resource.props.get(key), str) and len(urns) == 1
    }


def _referring(resource: Resource, ids: Mapping[str, tuple[str, ...]]) -> Resource:
    """Return a resource with what its properties depend on, as the engine tells the pack of no ids."""
    found = {key: _named_in(value, ids) for key, value in resource.props.items() if key not in resource.depends}
    return replace(resource, depends={**resource.depends, **{key: urns for key, urns in found.items() if urns}})


def _named_in(value: Any, ids: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    return tuple(urn for text in texts if isinstance(text, str) for urn in ids.get(text, ()))


@cache
def families() -> dict[str, tuple[Row, ...]]:
    """Return the rows of each table of this folder."""
    read = TypeAdapter(tuple[Row, ...]).validate_python
    return {path.stem: tables.read(read, path) for path in sorted(FOLDER.glob("*.yaml"))}
