"""Seeded violations in any stack: what each change breaks, beyond the findings that the stack has already."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from policy_pack import tables
from policy_pack.engine.evaluate import Evaluator, Result, Status
from policy_pack.settings import Evidence, Settings, load
from policy_pack.stack.external_endpoints import Addresses, read_file
from policy_pack.stack.graph import Graph, Resource
from tests.policy import recorded
from tests.policy.changes.incremental import Incremental
from tests.policy.evaluation import BROKEN
from tests.policy.seeds import SEEDS
from tests.policy.seeds.seed import Seed, seed
from tests.support.repository import REPOSITORY
from tests.support.stack.mocked_stack import RELEASE

_HARMLESS = Path(__file__).with_name("harmless.yaml")
Told = tuple[str, str, str]
"""URN, property and message of a finding."""
# Errors of a change in a stack whose properties have another form than those of the compliant stack.
_ELSEWHERE = (KeyError, IndexError, TypeError, ValueError, AttributeError)


class Outcome(StrEnum):
    """The outcome of a change."""

    CAUGHT = "caught"
    FOUND_ALREADY = "found already"
    NOT_ASKED = "not required of synthetic data"
    EXEMPT = "exempt"
    OTHERWISE = "caught by another control"
    HARMLESS = "harmless, with a reason"
    SURVIVES = "survives"


@dataclass(frozen=True)
class Planted:
    """One change of one resource."""

    stack: str
    control: str
    title: str
    resource: str
    package: str
    outcome: Outcome


@dataclass(frozen=True)
class Stack:
    """A stack and how it is evaluated.

    Parameters
    ----------
    graph
        Its resources.
    settings
        The settings of the pack.
    addresses
        The addresses of external endpoints.
    """

    graph: Graph
    settings: Settings
    addresses: Addresses | None

    def found(self, control: str) -> set[Told]:
        """Return the findings of a control on the stack."""
        if control not in self._before:
            self._before[control] = self._evaluated(self.graph, control, self.settings)
        return self._before[control]

    def adds(self, graph: Graph, control: str = "") -> bool:
        """Return whether a changed stack has a finding that this stack has not, of one control or of any."""
        difference = self._incremental.difference(graph)
        return next(self._incremental.new(graph, difference, control=control), None) is not None

    @cached_property
    def _incremental(self) -> Incremental:
        return Incremental(self.graph, self.settings, self.addresses)

    def _evaluated(self, graph: Graph, control: str, settings: Settings) -> set[Told]:
        evaluator = Evaluator(settings, self.addresses, controls=(control,))
        return {_told(result) for result in evaluator.evaluate_stack(graph) if result.status in BROKEN}

    @cached_property
    def _before(self) -> dict[str, set[Told]]:
        """The findings of controls on this stack."""
        return {}

    @cached_property
    def real(self) -> Settings:
        """The settings of a stack with real data."""
        return self.settings.model_copy(update={"synthetic": ()})

    def plant(self, seed: Seed) -> Iterator[Planted]:
        """Apply a change to the first and to the last resource that it fits, one at a time."""
        for name, graph in self._broken(seed):
            package = "kubernetes" if seed.kind.startswith("k8s:") else (seed.add.type if seed.add else seed.kind)
            outcome = self._outcome(seed, graph)
            yield Planted(self.graph.stack, seed.control, seed.title, name, package.partition(":")[0], outcome)

    def _broken(self, seed: Seed) -> Iterator[tuple[str, Graph]]:
        resources = list(self.graph.resources)
        if seed.add:
            yield from seed.broken(resources, self.graph.stack)
            return
        # Sorted, as the program registers them in any order.
        targets = sorted(seed.targets(resources), key=lambda resource: resource.urn)
        first = next(self._fitting(seed, resources, targets), None)
        last = next(self._fitting(seed, resources, reversed(targets)), None)
        for target, graph in {pair[0].urn: pair for pair in (first, last) if pair}.values():
            yield target.name, graph

    def _fitting(
        self, seed: Seed, resources: list[Resource], targets: Iterable[Resource]
    ) -> Iterator[tuple[Resource, Graph]]:
        changed = ((target, self._changed(seed, resources, target)) for target in targets)
        yield from ((target, graph) for target, graph in changed if graph is not None)

    def _changed(self, seed: Seed, resources: list[Resource], target: Resource) -> Graph | None:
        """Return the changed stack; None where the change has no effect."""
        try:
            graph = seed.at(resources, target, seed.value, self.graph.stack)
        except _ELSEWHERE:
            return None
        now = graph.get(target.urn)
        same = now is not None and now.props == target.props and now.protect == target.protect
        return None if same else graph

    def _outcome(self, seed: Seed, graph: Graph) -> Outcome:
        if self.adds(graph, seed.control):
            return Outcome.CAUGHT
        if self.settings.is_synthetic(graph.stack):
            fresh = Graph(graph.resources, graph.stack)
            before = self._evaluated(self.graph, seed.control, self.real)
            if self._evaluated(fresh, seed.control, self.real) - before:
                return Outcome.NOT_ASKED
        # A resource that violates the control already cannot be broken; a compliant stack has none.
        wrong = {urn for urn, _, _ in self.found(seed.control)}
        touched = {r.urn for r in self.graph if (now := graph.get(r.urn)) is None or now is not r}
        if wrong & touched:
            return Outcome.FOUND_ALREADY
        if self._exempted(self.graph, seed.control) & touched or self._exempted(graph, seed.control) & touched:
            return Outcome.EXEMPT
        return Outcome.OTHERWISE if self.adds(graph) else Outcome.SURVIVES

    def _exempted(self, graph: Graph, control: str) -> set[str]:
        """Return the URNs of resources that are exempt from a control."""
        evaluator = Evaluator(self.settings, self.addresses, controls=(control,))
        return {result.urn for result in evaluator.evaluate_stack(graph) if result.status is Status.EXEMPT}


def _told(result: Result) -> Told:
    return result.urn, result.path, result.message


def own(name: str, root: Path) -> Stack:
    """Return one of the program's own stacks, with recent dates of scan, test and audit."""
    settings = load()
    today = dict.fromkeys(Evidence.model_fields, settings.today)
    told = settings.model_copy(update={"evidence": Evidence.model_validate(today)})
    return Stack(recorded.graph(name, root, _serving), told, read_file(REPOSITORY / f"Pulumi.{name}.yaml"))


def _serving(written: dict[str, Any]) -> None:
    """Set a release for every hospital, as after its first training."""
    for hospital in written["hospitals"]:
        hospital["release"] = RELEASE


# Changes of forms that the program's stacks have and the compliant stack has not.
_TRAIL = "aws:cloudtrail/trail:Trail"
_ANSWER = "k8s:gateway.envoyproxy.io/HTTPRouteFilter"
_OWN = (
    seed("AUD-01", _TRAIL, "advancedEventSelectors", []),
    seed("AUD-01", _TRAIL, "advancedEventSelectors", lambda old: [*map(_reads_alone, old)]),
    seed("ML-05", _ANSWER, "spec.directResponse.statusCode", 200),
)


def _reads_alone(selector: dict[str, Any]) -> dict[str, Any]:
    return {**selector, "fieldSelectors": [*selector["fieldSelectors"], {"field": "readOnly", "equals": ["true"]}]}


@dataclass(frozen=True)
class Harmless:
    """Changes that make a stack no worse.

    Parameters
    ----------
    change, resource
        Glob patterns for the title of the change and the name of the resource.
    why
        The reason.
    stacks
        The stacks.
    """

    change: str
    resource: str
    why: str
    stacks: tuple[str, ...]

    def takes(self, made: Planted) -> bool:
        """Return whether a change is one of these."""
        return fnmatchcase(made.title, self.change) and fnmatchcase(made.resource, self.resource)


def harmless(stack: str) -> list[Harmless]:
    """Return the rows of the table ``harmless.yaml`` for a stack."""
    rows = TypeAdapter(list[Harmless]).validate_python(tables.document(_HARMLESS))
    return [row for row in rows if stack in row.stacks]


def planted(stack: Stack, seeds: Sequence[Seed] = (*SEEDS, *_OWN)) -> list[Planted]:
    """Return the outcome of every change that fits somewhere in the stack."""
    rows = harmless(stack.graph.stack)
    found = [made for seed in seeds if seed.anywhere for made in stack.plant(seed)]
    return [
        replace(made, outcome=Outcome.HARMLESS)
        if made.outcome is Outcome.SURVIVES and any(row.takes(made) for row in rows)
        else made
        for made in found
    ]
