"""What a control says of a resource, and the few words in which controls are written."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policy_pack.settings import Settings
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import NotKnownError, View


class Says(StrEnum):
    """What a finding is."""

    VIOLATION = "violation"
    LATER = "not yet known"


@dataclass(frozen=True)
class Finding:
    """One thing that a control found on one resource.

    Parameters
    ----------
    says
        A violation, or a value that can only be checked when it is known.
    message
        What is wrong, in words.
    path
        Where in the resource.
    resource
        The resource, where it is another than the one that was looked at.
    """

    says: Says
    message: str
    path: str = ""
    resource: Resource | None = None


Findings = Iterator[Finding]


@dataclass(frozen=True)
class About:
    """What a control may look at besides its resource.

    Parameters
    ----------
    graph
        The stack; of a control that does not join, the resource alone.
    settings
        The pack's settings.
    addresses
        Where servers outside the zones are, as far as the stack's configuration tells.
    """

    graph: Graph
    settings: Settings
    addresses: Addresses | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the stack holds synthetic data only."""
        return self.settings.is_synthetic(self.graph.stack)

    def label(self, resource: Resource, name: str) -> str:
        """Return one of the stack's own tags or labels of a resource; empty where it has none."""
        full = f"{self.settings.prefix}/{name}"
        place = "metadata.labels" if resource.package == "kubernetes" else "tags"
        return resource.at(place).key(full).text()

    def note(self, resource: Resource, name: str) -> View:
        """Return one of the stack's own annotations of a Kubernetes object."""
        return resource.at("metadata.annotations").key(f"{self.settings.prefix}/{name}")

    def attached(self, resource: Resource, kind: str, path: str, keys: tuple[str, ...], *others: str) -> list[Resource]:
        """Return the resources of a kind that name this one; `NotKnownError` when one may but cannot be traced."""
        found = self.graph.pointing(resource, kind, path, keys, *others)
        if not found and self.graph.unresolved(kind, path):
            raise NotKnownError(path)
        return found


Check = Callable[[Resource, About], Findings]


def fault(message: str, path: str = "", resource: Resource | None = None) -> Finding:
    """Return a violation."""
    return Finding(Says.VIOLATION, message, path, resource)


def later(path: str, resource: Resource | None = None) -> Finding:
    """Return that a value is not known yet."""
    return Finding(Says.LATER, "not yet known: checked at update", path, resource)


def expect(view: View, holds: Callable[[Any], bool], message: str) -> Findings:
    """Yield a violation unless something holds of a value; one that is not known yet is checked later."""
    try:
        held = holds(view.value)
    except NotKnownError as unknown:
        yield later(unknown.path or view.path)
        return
    if not held:
        yield fault(message, view.path)


def guarded(found: Iterable[Finding], path: str = "", resource: Resource | None = None) -> Findings:
    """Yield findings; a value on the way that is not known yet ends these and no others."""
    try:
        for finding in found:
            yield finding if resource is None or finding.resource else _on(finding, resource)
    except NotKnownError as unknown:
        yield later(unknown.path or path, resource)


def _on(finding: Finding, resource: Resource) -> Finding:
    return Finding(finding.says, finding.message, finding.path, resource)


# --- what can hold of a value -----------------------------------------------------------------
def yes(value: Any) -> bool:
    """Return whether a value is true, also where a provider writes it as text."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def not_yes(value: Any) -> bool:
    """Return whether a value is not true."""
    return not yes(value)


def given(value: Any) -> bool:
    """Return whether a value is there and not empty."""
    return value is not None and value != "" and value != [] and value != {}


def empty(value: Any) -> bool:
    """Return whether a value is not there, or empty."""
    return not given(value)


def one_of(*allowed: Any) -> Callable[[Any], bool]:
    """Return a test for one of some values."""
    return lambda value: value in allowed


def between(least: float, most: float) -> Callable[[Any], bool]:
    """Return a test for a number, or a number as text, within inclusive limits."""

    def holds(value: Any) -> bool:
        if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = float(value)
        return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most

    return holds


def matches(pattern: str) -> Callable[[Any], bool]:
    """Return a test for text that fits a pattern as a whole."""
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def has_all(*needed: str) -> Callable[[Any], bool]:
    """Return a test for a list with all of some items."""
    return lambda value: isinstance(value, list) and set(needed) <= set(value)
