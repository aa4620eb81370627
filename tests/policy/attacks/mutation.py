"""A mutation: one change of a stack that an attacker or a careless colleague could make."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from policy_pack.stack.graph import Graph, Resource

Step = str | int
GONE = object()


@dataclass(frozen=True, eq=False)
class Mutation:
    """One change.

    Parameters
    ----------
    family
        The family of mutations.
    api
        The kind of resource, or the API that is used.
    operation
        What is changed, without names of single resources, so that equal changes are counted together.
    subject
        The URN of the resource that is changed, added or removed.
    removed
        URNs of resources that go.
    added
        Resources that come; a changed resource goes and comes.
    stack
        The stack.
    """

    family: str
    api: str
    operation: str
    subject: Resource
    removed: frozenset[str] = frozenset()
    added: tuple[Resource, ...] = ()
    stack: str = ""

    @property
    def key(self) -> str:
        """The id of the mutation."""
        return f"{self.family} {self.stack} {self.api} {self.subject.name}: {self.operation}"

    def graph(self, base: Graph) -> Graph:
        """Return the changed stack; the order of the other resources stays."""
        by_urn = {resource.urn: resource for resource in self.added}
        kept = [by_urn.pop(one.urn, one) for one in base.resources if one.urn in by_urn or one.urn not in self.removed]
        return Graph([*kept, *by_urn.values()], base.stack)


@dataclass(frozen=True)
class Target:
    """A stack that is attacked.

    Parameters
    ----------
    name
        Its name.
    base
        Its resources.
    """

    name: str
    base: Graph

    @cached_property
    def resources(self) -> list[Resource]:
        """The resources in a stable order, as the program registers them in any."""
        return sorted(self.base.resources, key=lambda resource: resource.urn)

    def of(self, *kinds: str) -> list[Resource]:
        """Return the resources of some kinds."""
        return [resource for resource in self.resources if resource.kind in kinds]

    def some(self, *kinds: str) -> list[Resource]:
        """Return the first and the last resource of each of some kinds."""
        return [one for kind in kinds for one in ends(self.of(kind))]


class Family:
    """Makes the mutations of one family.

    Parameters
    ----------
    name
        Its name.
    target
        The stack.
    """

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self.target = target

    def change(self, resource: Resource, operation: str, props: Mapping[str, Any], *more: Resource) -> Mutation:
        """Return the mutation that gives a resource other properties."""
        new = changed(resource, props)
        urns = frozenset({resource.urn})
        return Mutation(self.name, resource.kind, operation, new, urns, (new, *more), self.target.name)

    def put(self, resource: Resource, operation: str, *edits: tuple[Sequence[Step], Any]) -> Iterator[Mutation]:
        """Return the mutation that sets or removes values, unless nothing changes."""
        props = resource.props
        for steps, value in edits:
            props = put(props, steps, value)
        if props != resource.props:
            yield self.change(resource, operation, props)

    def add(self, operation: str, *new: Resource) -> Mutation:
        """Return the mutation that adds resources; the first is its subject."""
        return Mutation(self.name, new[0].kind, operation, new[0], frozenset(), new, self.target.name)

    def drop(self, resource: Resource, operation: str = "remove the resource") -> Mutation:
        """Return the mutation that removes a resource."""
        urns = frozenset({resource.urn})
        return Mutation(self.name, resource.kind, operation, resource, urns, (), self.target.name)

    def build(self, type_: str, name: str, props: dict[str, Any], like: Resource | None = None) -> Resource:
        """Return a new resource of the stack, with the parent and provider of another."""
        urn = f"urn:pulumi:{self.target.name}::healthcare-mlops::{type_}::{name}"
        parent, provider = (like.parent, like.provider) if like else ("", {})
        return Resource(urn, type_, name, props, parent=parent, provider=provider)

    def copy(self, resource: Resource, name: str, *edits: tuple[Sequence[Step], Any]) -> Resource:
        """Return a second resource like one of the stack."""
        props = resource.props
        for steps, value in edits:
            props = put(props, steps, value)
        urn = f"{resource.urn.rpartition('::')[0]}::{name}"
        return replace(resource, urn=urn, name=name, props=props)


def ends(found: Sequence[Resource]) -> list[Resource]:
    """Return the first and the last of some resources."""
    return list(dict.fromkeys((found[0], found[-1]))) if found else []


def changed(resource: Resource, props: Mapping[str, Any]) -> Resource:
    """Return a resource with other properties; what a property depended on goes where the property changes."""
    before = resource.props
    depends = {key: urns for key, urns in resource.depends.items() if key in props and props[key] == before.get(key)}
    return replace(resource, props=props, depends=depends)


def put(props: Mapping[str, Any], steps: Sequence[Step], value: Any) -> dict[str, Any]:
    """Return properties with another value at a place; what is missing on the way is made, `GONE` removes."""
    made: dict[str, Any] = copy.deepcopy(dict(props))
    if value is GONE and get(props, steps[:-1]) is None:
        return made
    place: Any = made
    for position, step in enumerate(steps[:-1]):
        following = steps[position + 1]
        if isinstance(place, dict) and not isinstance(place.get(step), dict | list):
            place[step] = [] if isinstance(following, int) else {}
        elif isinstance(place, list) and isinstance(step, int) and step >= len(place):
            place.append([] if isinstance(following, int) else {})
            step = len(place) - 1
        place = place[step]
    last = steps[-1]
    if value is GONE:
        if isinstance(place, dict):
            place.pop(last, None)
        elif isinstance(last, int) and last < len(place):
            del place[last]
    elif isinstance(place, list) and isinstance(last, int) and last >= len(place):
        place.append(value)
    else:
        place[last] = value
    return made


def get(props: Any, steps: Iterable[Step]) -> Any:
    """Return the value at a place; None where there is none."""
    for step in steps:
        if isinstance(props, Mapping):
            props = props.get(step)
        elif isinstance(props, list) and isinstance(step, int) and step < len(props):
            props = props[step]
        else:
            return None
    return props


def places(value: Any, steps: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Any]]:
    """Return every value of a tree, the branches included, with its place."""
    if steps:
        yield steps, value
    pairs: Iterable[tuple[Step, Any]] = ()
    if isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, item in pairs:
        yield from places(item, (*steps, key))


def written(steps: Iterable[Step]) -> str:
    """Return a place as text, list items as ``[]``."""
    text = ""
    for step in steps:
        text += "[]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


Maker = Callable[[Target], Iterable[Mutation]]
