"""A seeded violation: one change that violates one control, and the resources that it fits."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from tests.policy.builders import STACK, changed, of


@dataclass(frozen=True)
class Seed:
    """One change.

    Parameters
    ----------
    control
        The control that must catch it.
    kind, name
        The resources that it is made to, each by itself: a type, and a glob over names.
    path, value
        The property and what it becomes; a path of '' leaves the properties as they are.
    drop
        The resource goes.
    add
        The resource comes.
    hides
        Whether the control can tell a value that is not known from a wrong one; else such a value is a violation.
    protect
        What the engine's protection becomes; None leaves it.
    also
        Further properties that change with it.
    anywhere
        Whether it fits other stacks than the one written by hand, whose names it may know.
    """

    control: str
    kind: str = ""
    path: str = ""
    value: Any = None
    name: str = "*"
    drop: bool = False
    add: Resource | None = None
    hides: bool = True
    protect: bool | None = None
    also: tuple[tuple[str, Any], ...] = ()
    anywhere: bool = True

    def with_(self, path: str, value: Any) -> "Seed":
        """Return the seed with one more change."""
        return replace(self, also=(*self.also, (path, value)))

    def unprotected(self) -> "Seed":
        """Return the seed that removes Pulumi's option protect."""
        return replace(self, protect=False, hides=False)

    def here(self) -> "Seed":
        """Return the seed as one for the compliant stack only, whose names it contains."""
        return replace(self, anywhere=False)

    @property
    def title(self) -> str:
        """The id of the test."""
        what = self.add.type if self.add else self.kind
        change = "added" if self.add else "dropped" if self.drop else self.path or "unprotected"
        return f"{self.control} {what.rpartition(':')[2]} {change}"

    def targets(self, resources: list[Resource]) -> list[Resource]:
        """Return the resources that the change fits."""
        found = of(resources, self.kind)
        return [resource for resource in found if fnmatchcase(resource.name, self.name)]

    def broken(self, resources: list[Resource], stack: str = STACK) -> Iterator[tuple[str, Graph]]:
        """Return one broken stack for each resource."""
        if self.add:
            yield self.add.name, Graph([*resources, self.add], stack)
            return
        for target in self.targets(resources):
            yield target.name, self.at(resources, target, self.value, stack)

    def unknown(self, resources: list[Resource]) -> Graph:
        """Return the stack where the value of the first resource is not known yet."""
        return self.at(resources, self.targets(resources)[0], UNKNOWN)

    def at(self, resources: list[Resource], target: Resource, value: Any, stack: str = STACK) -> Graph:
        """Return the stack where one resource has another value."""
        if self.drop and value is not UNKNOWN:
            return Graph([r for r in resources if r is not target], stack)
        made = changed(target, self.path, value) if self.path else target
        for path, more in self.also:
            made = changed(made, path, more)
        if self.protect is not None and value is not UNKNOWN:
            made = replace(made, protect=self.protect)
        return Graph([made if r is target else r for r in resources], stack)


def seed(control: str, kind: str, path: str, value: Any, *, name: str = "*", hides: bool = True) -> Seed:
    """Return a seed that changes a property."""
    return Seed(control, kind, path, value, name, hides=hides)


def absent(control: str, kind: str, path: str = "", *, name: str = "*") -> Seed:
    """Return a seed that removes a resource; ``path`` is the property that refers to its owner."""
    return Seed(control, kind, path, name=name, drop=True, hides=bool(path))


def extra(control: str, resource: Resource) -> Seed:
    """Return a seed that adds a resource."""
    return Seed(control, add=resource, hides=False)
