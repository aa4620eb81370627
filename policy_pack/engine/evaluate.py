"""Judging a stack: every control over one graph, and the exemptions over what was found."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from policy_pack.controls.rows import Row, table
from policy_pack.controls.rules import ANY, Rule, rules
from policy_pack.settings import Exemption, Level, Settings
from policy_pack.stack.checks import About, Finding, Says, fault, later
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import NotKnownError

EXEMPTIONS = "EXEMPTIONS"
_SHAPES = (AttributeError, KeyError, IndexError, TypeError, ValueError)


class Status(StrEnum):
    """What a result means for the update."""

    REFUSED = "refused"
    ADVISED = "advised"
    LATER = "not yet known"
    EXEMPT = "exempt"


@dataclass(frozen=True)
class Result:
    """One finding, weighed.

    Parameters
    ----------
    control
        The control's id.
    urn, name
        The resource.
    message, path
        What is wrong, and where in it.
    status
        What it means.
    joins
        Whether it took the whole stack to find it.
    exemption
        The exemption that covers it.
    """

    control: str
    urn: str
    name: str
    message: str
    path: str
    status: Status
    joins: bool
    exemption: Exemption | None = None

    @property
    def blocks(self) -> bool:
        """Whether it stops the update."""
        return self.status is Status.REFUSED

    @property
    def text(self) -> str:
        """The message with its place and, where there is one, the exemption."""
        text = f"{self.name}: {self.message}" + (f" [{self.path}]" if self.path else "")
        if self.exemption:
            text += f" - exempt until {self.exemption.expires} by {self.exemption.owner}: {self.exemption.reason}"
        return text


class Judge:
    """The controls that the settings hold, arranged by the types that they look at.

    Parameters
    ----------
    settings
        The pack's settings.
    addresses
        Where servers outside the zones are, as far as that is known.
    raised
        Levels that a run asks for beyond those of the settings.
    only
        The controls to judge by; None is all.
    among
        The functions to judge by; None is all of the pack.
    """

    def __init__(
        self,
        settings: Settings,
        addresses: Addresses | None = None,
        raised: Mapping[str, Level] | None = None,
        only: Collection[str] | None = None,
        among: Sequence[Rule] | None = None,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._levels = {row.id: row.held(settings) for row in table().rows.values()} | dict(raised or {})
        asked = frozenset(self._levels if only is None else only)
        self._asked = asked
        held = [
            rule
            for rule in (rules() if among is None else among)
            if rule.control in asked and self._levels[rule.control] is not Level.OFF
        ]
        self._everywhere = [rule for rule in held if ANY in rule.kinds]
        self._by_kind: Mapping[str, list[Rule]] = defaultdict(list)
        for rule in held:
            for kind in rule.kinds:
                self._by_kind[kind].append(rule)

    @property
    def settings(self) -> Settings:
        """The settings that it holds."""
        return self._settings

    def one(self, resource: Resource, stack: str = "") -> list[Result]:
        """Judge a resource by itself, before it is made."""
        about = About(Graph([resource], stack), self._settings, self._addresses)
        applied = Applied(self._settings, about.graph.stack, self._asked)
        return [applied.weigh(result) for result in self._on(resource, about, joins=False)]

    def whole(self, graph: Graph) -> list[Result]:
        """Judge a stack by everything, exemptions included."""
        about = About(graph, self._settings, self._addresses)
        subjects = graph.resources if graph.root in graph.resources else [*graph.resources, graph.root]
        applied = Applied(self._settings, graph.stack, self._asked)
        found = [
            applied.weigh(result)
            for resource in subjects
            for joins in (False, True)
            for result in self._on(resource, about, joins=joins)
        ]
        return [*found, *applied.unused(graph)]

    def _on(self, resource: Resource, about: About, *, joins: bool) -> Iterator[Result]:
        for rule in (*self._by_kind.get(resource.kind, ()), *self._everywhere):
            if rule.joins is joins:
                yield from self._findings(rule, resource, about)

    def _findings(self, rule: Rule, resource: Resource, about: About) -> Iterator[Result]:
        for finding in _guard(rule, resource, about):
            at = finding.resource or resource
            status = Status.LATER if finding.says is Says.LATER else _weight(self._levels[rule.control])
            yield Result(rule.control, at.urn, at.name, finding.message, finding.path, status, rule.joins)


def _weight(level: Level) -> Status:
    return Status.REFUSED if level is Level.MANDATORY else Status.ADVISED


def _guard(rule: Rule, resource: Resource, about: About) -> Iterator[Finding]:
    """Run one control on one resource, so that nothing that it meets there can hide what others find."""
    try:
        yield from rule.check(resource, about)
    except NotKnownError as unknown:
        yield later(unknown.path)
    except _SHAPES as error:
        yield fault(f"cannot be judged, as a value has another form than expected ({type(error).__name__}: {error})")


class Applied:
    """Exemptions at work on one stack."""

    def __init__(self, settings: Settings, stack: str, asked: Collection[str]) -> None:
        self._asked = asked
        self._today = settings.today
        self._here = [given for given in settings.exemptions if not given.stacks or stack in given.stacks]
        self._used: set[int] = set()

    def weigh(self, result: Result) -> Result:
        """Return a result as it stands after exemptions."""
        if result.status not in (Status.REFUSED, Status.ADVISED):
            return result
        for position, given in enumerate(self._here):
            if given.control == result.control and _covers(given, result):
                self._used.add(position)
                if given.expires >= self._today:
                    return replace(result, status=Status.EXEMPT, exemption=given)
        return result

    def unused(self, graph: Graph) -> Iterator[Result]:
        """Return exemptions that are at fault themselves: expired, of no control, or of nothing that was found."""
        for position, given in enumerate(self._here):
            if given.control not in table().rows:
                yield self._fault(graph, given, "names no control of the pack")
            elif given.expires < self._today:
                yield self._fault(graph, given, f"expired on {given.expires}; mend the resource or have it renewed")
            elif given.kind and not graph.of(given.kind):
                continue
            elif position not in self._used and given.control in self._asked:
                yield self._fault(graph, given, "matches nothing that was found; remove it")

    @staticmethod
    def _fault(graph: Graph, given: Exemption, why: str) -> Result:
        message = f"the exemption of {given.control} for {given.resource} ({given.owner}) {why}"
        return Result(EXEMPTIONS, graph.root.urn, graph.root.name, message, "", Status.REFUSED, joins=True)


def _covers(given: Exemption, result: Result) -> bool:
    return fnmatchcase(result.name, given.resource) or fnmatchcase(result.urn, given.resource)


@dataclass(frozen=True)
class Verdict:
    """All results on one stack, in a settled order."""

    stack: str
    resources: int
    results: Sequence[Result]

    def of(self, status: Status) -> list[Result]:
        """Return the results of one status."""
        return [result for result in self.results if result.status is status]

    @property
    def refused(self) -> bool:
        """Whether something stops the update."""
        return any(result.blocks for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        rows = table().rows
        return {
            "stack": self.stack,
            "resources": self.resources,
            "refused": self.refused,
            "counts": {status.value: len(self.of(status)) for status in Status},
            "results": [_as_dict(result, rows) for result in self.results],
        }


def _as_dict(result: Result, rows: Mapping[str, Row]) -> dict[str, Any]:
    row = rows.get(result.control)
    return {
        "control": result.control,
        "title": row.title if row else "Exemptions are in order",
        "severity": str(row.severity) if row else "high",
        "status": str(result.status),
        "urn": result.urn,
        "name": result.name,
        "path": result.path,
        "message": result.message,
        "remediation": row.remediation if row else "",
        "exemption": result.exemption.model_dump(mode="json") if result.exemption else None,
    }


def verdict(judge: Judge, graph: Graph) -> Verdict:
    """Return the verdict on a stack, refusals first."""
    order = {status: position for position, status in enumerate(Status)}
    found = sorted(judge.whole(graph), key=lambda r: (order[r.status], r.control, r.urn, r.path, r.message))
    return Verdict(graph.stack, len(graph), found)


def settled(results: Iterable[Result], *, joins: bool) -> list[Result]:
    """Return the results that took the whole stack, or those that did not."""
    return [result for result in results if result.joins is joins]
