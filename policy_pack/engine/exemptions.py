"""Exemptions applied to the results of a stack, and their own violations."""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cache

from policy_pack.controls.rows import table
from policy_pack.controls.rules import rules
from policy_pack.engine.results import Result, Status
from policy_pack.settings import Exemption, Settings
from policy_pack.stack import kinds
from policy_pack.stack.graph import STACK, Graph
from policy_pack.stack.stack_config import PROJECT

EXEMPTIONS = "EXEMPTIONS"
LONGEST = timedelta(days=366)
_KIND = re.compile(r"[a-z0-9]+:\S+")


class ExemptionMatcher:
    """The exemptions of a stack, applied to its results.

    Parameters
    ----------
    settings
        The settings of the pack.
    graph
        The stack.
    controls
        The controls that are evaluated.
    """

    def __init__(self, settings: Settings, graph: Graph, controls: Collection[str]) -> None:
        self._settings = settings
        self._graph = graph
        self._controls = controls
        # One that names a stack which does not exist is evaluated in all of them, since no run would report it.
        self._exemptions = [one for one in settings.exemptions if graph.stack in one.stacks or _unknown_stacks(one)]
        self._problems = [self._problem(exemption) for exemption in self._exemptions]
        self._used: set[int] = set()
        self._awaited: set[int] = set()

    def apply(self, result: Result) -> Result:
        """Return a result with the exemption that covers it, if there is one in force."""
        for position, exemption in enumerate(self._exemptions):
            if not _covers(exemption, result):
                continue
            if result.status is Status.UNKNOWN:
                self._awaited.add(position)
                continue
            self._used.add(position)
            if not self._problems[position]:
                return replace(result, status=Status.EXEMPT, exemption=exemption)
        return result

    def violations(self) -> Iterator[Result]:
        """Return the exemptions that are not in force or match no finding, and a clock that is wrong."""
        if self._settings.clock_problem:
            yield self._result(f"{self._settings.clock_problem}; correct the clock")
        for position, exemption in enumerate(self._exemptions):
            about = f"the exemption of {exemption.control} for {exemption.resource} ({exemption.owner})"
            if self._problems[position]:
                yield self._result(f"{about} {self._problems[position]}")
            elif position in self._used or exemption.control not in self._controls:
                continue
            elif position in self._awaited or not self._graph.of(exemption.kind):
                subject = exemption.kind.rpartition(":")[2].rpartition("/")[2]
                missing = "a value of it" if position in self._awaited else f"the first {subject} of the stack"
                yield self._result(f"{about} is not yet known to be needed: {missing} is missing", Status.UNKNOWN)
            else:
                yield self._result(f"{about} matches no finding; remove it")

    def _problem(self, exemption: Exemption) -> str:
        """Return why an exemption is not in force; empty where it is."""
        today = self._settings.today
        unknown = sorted(_unknown_stacks(exemption) - {self._graph.stack})
        if exemption.control not in table().rows:
            return "names an unknown control"
        if exemption.kind not in _kinds() and not self._graph.of(exemption.kind):
            return f"names the kind {exemption.kind}, which no control evaluates; correct its name"
        if unknown:
            return f"names the stack {unknown[0]}, which has no Pulumi.{unknown[0]}.yaml"
        if exemption.expires < today:
            return f"expired on {exemption.expires}; correct the resource or renew the exemption"
        if exemption.expires > today + LONGEST:
            return f"expires on {exemption.expires}; set a date at most a year ahead"
        return ""

    def _result(self, message: str, status: Status = Status.REFUSED) -> Result:
        root = self._graph.root
        return Result(EXEMPTIONS, root.urn, root.name, message, "", status, whole_stack=True, kind=STACK)


def _covers(exemption: Exemption, result: Result) -> bool:
    return (
        exemption.control == result.control
        and exemption.kind == result.kind
        and (result.status is Status.UNKNOWN or fnmatchcase(result.message, exemption.finding))
        and (fnmatchcase(result.name, exemption.resource) or result.urn == exemption.resource)
    )


def _unknown_stacks(exemption: Exemption) -> set[str]:
    """Return the stacks that an exemption names and that have no configuration file."""
    return set(exemption.stacks) - _stacks()


@cache
def _kinds() -> frozenset[str]:
    """Return the kinds that checks evaluate or join."""
    joined = [value for value in vars(kinds).values() if isinstance(value, str)]
    found = (*joined, *(kind for rule in rules() for kind in rule.kinds))
    return frozenset(kind for kind in found if _KIND.fullmatch(kind))


@cache
def _stacks() -> frozenset[str]:
    """Return the stacks of the project, by their configuration files."""
    return frozenset(path.name.split(".")[1] for path in PROJECT.glob("Pulumi.*.yaml"))
