"""The judge: whether the policy pack catches a mutation, and whether one that it lets pass is declared harmless."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache, cached_property

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.engine.evaluate import EXEMPTIONS, Result, Status
from policy_pack.stack.graph import Resource
from tests.policy.attacks.facts import PARTS, Fact
from tests.policy.attacks.listed import FOLDER, listed
from tests.policy.attacks.mutation import Mutation, places
from tests.policy.attacks.stacks import Attacked
from tests.policy.attacks.tracing import Reads, TracedGraph
from tests.policy.changes.incremental import BROKEN, Incremental

_IDENTITIES = ("id", "arn", "name", "bucket", "keyId", "path", "roleName", "url")


class Outcome(StrEnum):
    """The outcome of a mutation."""

    CAUGHT = "caught"
    HARMLESS = "harmless"
    ESCAPED = "escaped"


@dataclass(frozen=True)
class Judged:
    """A mutation and its outcome.

    Parameters
    ----------
    mutation
        The mutation.
    outcome
        Its outcome.
    why
        The finding that caught it, or the row of a table that takes it.
    """

    mutation: Mutation
    outcome: Outcome
    why: str


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Row:
    """Mutations that a table speaks of.

    Parameters
    ----------
    api
        Glob patterns of kinds of resources.
    operation
        Glob patterns of operations; `[` and `]` stand for themselves.
    why
        The reason.
    resource, family, stack
        Glob patterns of the resource's name, the family and the stack.
    """

    api: tuple[str, ...]
    operation: tuple[str, ...]
    why: str
    resource: tuple[str, ...] = ("*",)
    family: str = "*"
    stack: str = "*"

    def takes(self, mutation: Mutation) -> bool:
        """Return whether a mutation is one of these."""
        return (
            _any(self.api, mutation.api)
            and _any(self.operation, mutation.operation)
            and _any(self.resource, mutation.subject.name)
            and fnmatchcase(mutation.family, self.family)
            and fnmatchcase(mutation.stack, self.stack)
        )


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in patterns)


@cache
def table(name: str) -> tuple[Row, ...]:
    """Return the rows of a table of this folder."""
    rows = tables.document(FOLDER / f"{name}.yaml")
    return TypeAdapter(tuple[Row, ...]).validate_python(rows or ())


class Judge:
    """Judges mutations of one stack; what reads nothing of a change is taken from the unchanged stack.

    Parameters
    ----------
    attacked
        The stack.
    """

    def __init__(self, attacked: Attacked) -> None:
        self._attacked = attacked
        self._base = attacked.target.base
        self._evaluation = Incremental(self._base, attacked.settings, attacked.addresses)

    @cached_property
    def unchanged(self) -> list[str]:
        """The findings on the unchanged stack, which should have none."""
        results = self._evaluation.unchanged
        return [result.text for result in results if result.status in BROKEN and result.control != EXEMPTIONS]

    @cached_property
    def _facts(self) -> list[tuple[Reads, frozenset[Fact]]]:
        """What each part of the facts reads of the unchanged stack, and the facts."""
        made = []
        for part in PARTS:
            graph = TracedGraph(self._evaluation.graph)
            made.append((graph.reads, part(graph, self._attacked)))
        return made

    # --- judging ------------------------------------------------------------------------------------------
    def judge(self, mutation: Mutation) -> Judged:
        """Return the outcome of a mutation."""
        graph = mutation.graph(self._base)
        difference = self._evaluation.difference(graph)
        new = self._evaluation.new(graph, difference, (Status.REFUSED,))
        found = next((result for result in new if self._names(result, mutation)), None)
        if found:
            return Judged(mutation, Outcome.CAUGHT, f"{found.control} {found.text}")
        why = self._harmless(mutation)
        if why is None:
            return Judged(mutation, Outcome.ESCAPED, "")
        more = {
            fact
            for (reads, before), part in zip(self._facts, PARTS, strict=True)
            if difference.concerns(reads)
            for fact in part(graph, self._attacked) - before
        }
        if more:
            return Judged(mutation, Outcome.ESCAPED, f"called harmless, but adds {min(more)}")
        return Judged(mutation, Outcome.HARMLESS, why)

    def refused(self, mutation: Mutation) -> Iterator[Result]:
        """Return the refusals that a mutation adds."""
        graph = mutation.graph(self._base)
        yield from self._evaluation.new(graph, self._evaluation.difference(graph), (Status.REFUSED,))

    @staticmethod
    def _harmless(mutation: Mutation) -> str | None:
        """Return why a mutation is harmless; None where no table says so."""
        row = next((row for row in table("harmless") if row.takes(mutation)), None)
        if row is not None:
            return row.why
        return listed("harmless_operations").why((mutation.family, mutation.api, mutation.operation))

    def _names(self, result: Result, mutation: Mutation) -> bool:
        """Return whether a finding is about the changed resource, one beside it, or a path that names one."""
        paths = {text for text in _identities(mutation.subject) if text.startswith("/")}
        return result.urn in self._near(mutation) or any(
            text in result.message for text in (mutation.subject.name, *paths)
        )

    def _near(self, mutation: Mutation) -> set[str]:
        changed = [mutation.subject, *mutation.added, *(self._base.at(u) for u in mutation.removed)]
        urns = {self._base.root.urn}
        for resource in changed:
            urns |= {resource.urn} | self._neighbours.get(resource.urn, set()) | self._named_by(resource)
        return urns

    def _named_by(self, resource: Resource) -> set[str]:
        """Return the resources whose identity a resource contains, or the ARN of all their contents."""
        texts = {
            text.removesuffix("*").removesuffix("/") for _, text in places(resource.props) if isinstance(text, str)
        }
        return {urn for text in texts for urn in self._by_identity.get(text, ())}

    @cached_property
    def _by_identity(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for resource in self._base:
            for text in _identities(resource):
                found.setdefault(text, set()).add(resource.urn)
        return found

    @cached_property
    def _neighbours(self) -> dict[str, set[str]]:
        """The resources that each refers to, that refer to it, and that have the same component."""
        found: dict[str, set[str]] = {resource.urn: {resource.parent} for resource in self._base}
        siblings: dict[str, set[str]] = {}
        for resource in self._base:
            siblings.setdefault(resource.parent, set()).add(resource.urn)
            named = self._named_by(resource) | {urn for urns in resource.depends.values() for urn in urns}
            for urn in named & found.keys():
                found[urn].add(resource.urn)
                found[resource.urn].add(urn)
        for resource in self._base:
            if resource.parent:
                found[resource.urn] |= siblings[resource.parent]
        return found


def _identities(resource: Resource) -> set[str]:
    values = [resource.props.get(name) for name in _IDENTITIES]
    metadata = resource.props.get("metadata")
    if isinstance(metadata, dict):
        values.append(metadata.get("name"))
    return {value for value in values if isinstance(value, str) and value}
