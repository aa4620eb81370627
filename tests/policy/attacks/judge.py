"""The judge: whether the policy pack catches a mutation, and whether one that it lets pass is declared harmless."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache, cached_property
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack.controls.rules import rules
from policy_pack.engine.evaluate import EXEMPTIONS, Evaluator, Result, Status
from policy_pack.stack.graph import Graph, Resource
from tests.policy.attacks.facts import Fact, facts
from tests.policy.attacks.mutation import Mutation, places
from tests.policy.attacks.stacks import Attacked

FOLDER = Path(__file__).parent
_BROKEN = (Status.REFUSED, Status.ADVISORY)
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
def escapes() -> frozenset[tuple[str, str, str]]:
    """Return the family, API and operation of every mutation that is known to escape."""
    rows = yaml.safe_load((FOLDER / "escapes.yaml").read_text(encoding="utf-8")) or {}
    listed = TypeAdapter(dict[str, dict[str, list[str]]]).validate_python(rows)
    return frozenset((family, api, one) for family, of in listed.items() for api, found in of.items() for one in found)


@cache
def table(name: str) -> tuple[Row, ...]:
    """Return the rows of a table of this folder."""
    rows = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(tuple[Row, ...]).validate_python(rows or ())


Told = tuple[str, str, str, str]


class Judge:
    """Judges mutations of one stack; the unchanged stack is evaluated once.

    Parameters
    ----------
    attacked
        The stack.
    """

    def __init__(self, attacked: Attacked) -> None:
        self._attacked = attacked
        self._base = attacked.target.base
        own = [rule for rule in rules() if not rule.whole_stack]
        whole = [rule for rule in rules() if rule.whole_stack]
        self._own = Evaluator(attacked.settings, attacked.addresses, rule_set=own)
        self._whole = Evaluator(attacked.settings, attacked.addresses, rule_set=whole)

    @cached_property
    def _before(self) -> set[Told]:
        results = [*self._whole.evaluate_stack(self._graph(self._base)), *self._local(self._base.resources)]
        return {_told(result) for result in results}

    @cached_property
    def unchanged(self) -> list[str]:
        """The findings on the unchanged stack, which should have none."""
        results = [*self._whole.evaluate_stack(self._graph(self._base)), *self._local(self._base.resources)]
        return [result.text for result in results if result.status in _BROKEN and result.control != EXEMPTIONS]

    def _local(self, resources: Iterable[Resource]) -> list[Result]:
        name = self._base.stack
        return [result for resource in resources for result in self._own.evaluate_resource(resource, name)]

    @staticmethod
    def _graph(graph: Graph) -> Graph:
        return Graph(graph.resources, graph.stack)

    def new(self, mutation: Mutation) -> Iterator[Result]:
        """Return the findings that a mutation adds, those of the changed resource by itself first."""
        yield from self._added(self._local(mutation.added))
        yield from self._added(self._whole.evaluate_stack(mutation.graph(self._base)))

    def _added(self, results: Iterable[Result]) -> Iterator[Result]:
        for result in results:
            if result.status is Status.REFUSED and result.control != EXEMPTIONS and _told(result) not in self._before:
                yield result

    def judge(self, mutation: Mutation) -> Judged:
        """Return the outcome of a mutation."""
        found = next((result for result in self.new(mutation) if self._names(result, mutation)), None)
        if found:
            return Judged(mutation, Outcome.CAUGHT, f"{found.control} {found.text}")
        row = next((row for row in table("harmless") if row.takes(mutation)), None)
        if row is None:
            return Judged(mutation, Outcome.ESCAPED, "")
        more = facts(mutation.graph(self._base), self._attacked) - self._facts
        if more:
            return Judged(mutation, Outcome.ESCAPED, f"called harmless, but adds {min(more)}")
        return Judged(mutation, Outcome.HARMLESS, row.why)

    @cached_property
    def _facts(self) -> frozenset[Fact]:
        return facts(self._graph(self._base), self._attacked)

    def _names(self, result: Result, mutation: Mutation) -> bool:
        """Return whether a finding is about the changed resource, one beside it, or a path that names one."""
        return result.urn in self._near(mutation) or mutation.subject.name in result.message

    def _near(self, mutation: Mutation) -> set[str]:
        changed = [mutation.subject, *mutation.added, *(self._base.at(u) for u in mutation.removed)]
        urns = {self._base.root.urn}
        for resource in changed:
            urns |= {resource.urn} | self._neighbours.get(resource.urn, set()) | self._named_by(resource)
        return urns

    def _named_by(self, resource: Resource) -> set[str]:
        """Return the resources whose identity a resource contains."""
        texts = {text for _, text in places(resource.props) if isinstance(text, str)}
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


def _told(result: Result) -> Told:
    return result.control, result.urn, result.path, result.message
