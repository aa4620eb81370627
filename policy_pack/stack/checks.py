"""Findings of checks, and the predicates that checks are written with."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policy_pack.settings import Settings
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import NotKnownError, View


class FindingKind(StrEnum):
    """The kind of a finding."""

    VIOLATION = "violation"
    UNKNOWN = "not yet known"


@dataclass(frozen=True)
class Finding:
    """One finding of a check on one resource.

    Parameters
    ----------
    kind
        A violation, or a value that can only be checked once it is known.
    message
        What is wrong, as text.
    path
        The path in the resource.
    resource
        The resource, where it is not the one that was evaluated.
    """

    kind: FindingKind
    message: str
    path: str = ""
    resource: Resource | None = None


Findings = Iterator[Finding]


@dataclass(frozen=True)
class StackContext:
    """The stack, the settings and the addresses that a check can use.

    Parameters
    ----------
    graph
        The stack; for a check of single resources, the resource alone.
    settings
        The settings of the pack.
    addresses
        The addresses of external endpoints, from the stack's configuration.
    """

    graph: Graph
    settings: Settings
    addresses: Addresses | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the stack has synthetic data only."""
        return self.settings.is_synthetic(self.graph.stack)

    def label(self, resource: Resource, name: str) -> str:
        """Return a tag or label of a resource, with the prefix of the settings; empty where it has none."""
        labels = resource.at("metadata.labels" if resource.package == "kubernetes" else "tags")
        return labels.key(f"{self.settings.prefix}/{name}").text()

    @staticmethod
    def region(resource: Resource) -> str:
        """Return the AWS region of a resource, or of its provider."""
        return str(resource.props.get("region") or resource.provider.get("region") or "")

    def annotation(self, resource: Resource, name: str) -> View:
        """Return an annotation of a Kubernetes object, with the prefix of the settings."""
        return resource.at("metadata.annotations").key(f"{self.settings.prefix}/{name}")

    def attached(self, resource: Resource, kind: str, path: str, keys: tuple[str, ...], *others: str) -> list[Resource]:
        """Return the resources of a kind that refer to this one.

        Raises
        ------
        NotKnownError
            When there is none, but the reference of one of the kind is not known yet.
        """
        referrers = self.graph.referrers(resource, kind, path, keys, *others)
        if not referrers and self.graph.unresolved(kind, path):
            raise NotKnownError(path)
        return referrers


Check = Callable[[Resource, StackContext], Findings]


def violation(message: str, path: str = "", resource: Resource | None = None) -> Finding:
    """Return a violation."""
    return Finding(FindingKind.VIOLATION, message, path, resource)


def not_yet_known(path: str, resource: Resource | None = None) -> Finding:
    """Return the finding that a value is not known yet."""
    return Finding(FindingKind.UNKNOWN, "not yet known: checked at update", path, resource)


def expect(view: View, predicate: Callable[[Any], bool], message: str) -> Findings:
    """Yield a violation unless a predicate is true of a value; for an unknown value, yield that it is not yet known."""
    try:
        satisfied = predicate(view.value)
    except NotKnownError as unknown:
        yield not_yet_known(unknown.path or view.path)
        return
    if not satisfied:
        yield violation(message, view.path)


def guarded(findings: Iterable[Finding], path: str = "", resource: Resource | None = None) -> Findings:
    """Yield findings up to the first unknown value; findings of other checks are not affected."""
    try:
        for finding in findings:
            yield finding if resource is None or finding.resource else _on_resource(finding, resource)
    except NotKnownError as unknown:
        yield not_yet_known(unknown.path or path, resource)


def _on_resource(finding: Finding, resource: Resource) -> Finding:
    return Finding(finding.kind, finding.message, finding.path, resource)


# --- predicates -------------------------------------------------------------------------------
def is_true(value: Any) -> bool:
    """Return whether a value is true, or the text ``true``."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def is_not_true(value: Any) -> bool:
    """Return whether a value is not true."""
    return not is_true(value)


def is_set(value: Any) -> bool:
    """Return whether a value is present and not empty."""
    return value is not None and value != "" and value != [] and value != {}


def is_empty(value: Any) -> bool:
    """Return whether a value is absent or empty."""
    return not is_set(value)


def one_of(*allowed: Any) -> Callable[[Any], bool]:
    """Return a predicate that is true of some values."""
    return lambda value: value in allowed


def between(minimum: float, maximum: float) -> Callable[[Any], bool]:
    """Return a predicate that is true of numbers, also as text, within inclusive limits."""

    def predicate(value: Any) -> bool:
        if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = float(value)
        return isinstance(value, int | float) and not isinstance(value, bool) and minimum <= value <= maximum

    return predicate


def matches(pattern: str) -> Callable[[Any], bool]:
    """Return a predicate that is true of text that a regular expression matches in full."""
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def has_all(*required: str) -> Callable[[Any], bool]:
    """Return a predicate that is true of lists with all of some items."""
    return lambda value: isinstance(value, list) and set(required) <= set(value)
