"""Evaluation of all controls on a stack: findings with severity level, exemption and status."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy_pack.controls.rows import Control, table
from policy_pack.controls.rules import ANY, Rule, rules
from policy_pack.engine import redaction
from policy_pack.engine.exemptions import EXEMPTIONS, ExemptionMatcher
from policy_pack.engine.results import Result, Status
from policy_pack.settings import Level, Settings
from policy_pack.stack.checks import Finding, FindingKind, StackContext, not_yet_known, violation
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import NotKnownError

__all__ = ["EXEMPTIONS", "Evaluation", "Evaluator", "Result", "Status", "by_scope", "evaluate", "findings"]

_FORM_ERRORS = (ArithmeticError, AttributeError, LookupError, re.error, RecursionError, TypeError, ValueError)


class Evaluator:
    """The active controls of the settings, arranged by resource kind.

    Parameters
    ----------
    settings
        The settings of the pack.
    addresses
        The addresses of external endpoints, as far as they are known.
    level_overrides
        Levels of a run that are higher than those of the settings.
    controls
        The controls to evaluate; None is all.
    rule_set
        The checks to run; None is all of the pack.
    """

    def __init__(
        self,
        settings: Settings,
        addresses: Addresses | None = None,
        level_overrides: Mapping[str, Level] | None = None,
        controls: Collection[str] | None = None,
        rule_set: Sequence[Rule] | None = None,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        levels = {control.id: control.effective_level(settings) for control in table().rows.values()}
        self._levels = levels | dict(level_overrides or {})
        self._controls = frozenset(self._levels if controls is None else controls)
        active = [
            rule
            for rule in (rules() if rule_set is None else rule_set)
            if rule.control in self._controls and self._levels[rule.control] is not Level.OFF
        ]
        self._any_kind = [rule for rule in active if ANY in rule.kinds]
        self._by_kind: Mapping[str, list[Rule]] = defaultdict(list)
        for rule in active:
            for kind in rule.kinds:
                self._by_kind[kind].append(rule)

    @property
    def settings(self) -> Settings:
        """The settings of the pack."""
        return self._settings

    def evaluate_resource(self, resource: Resource, stack: str = "") -> list[Result]:
        """Evaluate one resource before it is created, by the checks that need no other resource."""
        context = StackContext(Graph([resource], stack), self._settings, self._addresses)
        exemptions = ExemptionMatcher(self._settings, context.graph, self._controls)
        return [exemptions.apply(result) for result in self._check(resource, context, whole_stack=False)]

    def evaluate_stack(self, graph: Graph) -> list[Result]:
        """Evaluate a stack by all checks, and its exemptions."""
        return list(self.stack_results(graph))

    def stack_results(self, graph: Graph) -> Iterator[Result]:
        """Evaluate a stack by all checks one by one, its exemptions last, so that a reader can stop at a result."""
        settings = self._settings.not_before(graph.changed)
        context = StackContext(graph, settings, self._addresses)
        subjects = graph.resources if graph.root in graph.resources else [*graph.resources, graph.root]
        exemptions = ExemptionMatcher(settings, graph, self._controls)
        for resource in subjects:
            for whole_stack in (False, True):
                yield from map(exemptions.apply, self._check(resource, context, whole_stack=whole_stack))
        yield from exemptions.violations()

    def _check(self, resource: Resource, context: StackContext, *, whole_stack: bool) -> Iterator[Result]:
        for rule in (*self._by_kind.get(resource.kind, ()), *self._any_kind):
            if rule.whole_stack is whole_stack:
                yield from self._results(rule, resource, context)

    def _results(self, rule: Rule, resource: Resource, context: StackContext) -> Iterator[Result]:
        for finding in findings(rule, resource, context):
            subject = finding.resource or resource
            status = Status.UNKNOWN if finding.kind is FindingKind.UNKNOWN else _status(self._levels[rule.control])
            yield Result(
                control=rule.control,
                urn=subject.urn,
                name=subject.name,
                message=redaction.message(finding.message, context.graph),
                path=redaction.path(finding.path, subject),
                status=status,
                whole_stack=rule.whole_stack,
                kind=subject.kind,
            )


def _status(level: Level) -> Status:
    return Status.REFUSED if level is Level.MANDATORY else Status.ADVISORY


def findings(rule: Rule, resource: Resource, context: StackContext) -> Iterator[Finding]:
    """Run one check on one resource; an error in it does not stop other checks."""
    try:
        yield from rule.check(resource, context)
    except NotKnownError as unknown:
        yield not_yet_known(unknown.path)
    except _FORM_ERRORS as error:
        yield violation(f"cannot be evaluated: a value has an unexpected form ({type(error).__name__})")


@dataclass(frozen=True)
class Evaluation:
    """All results of a stack, in a stable order."""

    stack: str
    resources: int
    results: Sequence[Result]

    def of(self, status: Status) -> list[Result]:
        """Return the results with a status."""
        return [result for result in self.results if result.status is status]

    @property
    def refused(self) -> bool:
        """Whether a result stops the update."""
        return any(result.blocks for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain values."""
        rows = table().rows
        return {
            "stack": self.stack,
            "resources": self.resources,
            "refused": self.refused,
            "counts": {status.value: len(self.of(status)) for status in Status},
            "results": [_as_dict(result, rows) for result in self.results],
        }


def _as_dict(result: Result, rows: Mapping[str, Control]) -> dict[str, Any]:
    control = rows.get(result.control)
    return {
        "control": result.control,
        "title": control.title if control else "Exemptions are valid",
        "severity": str(control.severity) if control else "high",
        "status": str(result.status),
        "urn": result.urn,
        "name": result.name,
        "path": result.path,
        "message": result.message,
        "remediation": control.remediation if control else "",
        "exemption": result.exemption.model_dump(mode="json") if result.exemption else None,
    }


def evaluate(evaluator: Evaluator, graph: Graph) -> Evaluation:
    """Return the evaluation of a stack, refusals first."""
    order = {status: position for position, status in enumerate(Status)}

    def position(result: Result) -> tuple[int, str, str, str, str]:
        return order[result.status], result.control, result.urn, result.path, result.message

    return Evaluation(graph.stack, len(graph), sorted(evaluator.evaluate_stack(graph), key=position))


def by_scope(results: Iterable[Result], *, whole_stack: bool) -> list[Result]:
    """Return the results of checks that need the whole stack, or of the others."""
    return [result for result in results if result.whole_stack is whole_stack]
