"""Evaluation of changes of one stack: checks that read nothing of a change keep the results of the unchanged stack."""

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any

from policy_pack.controls.access import access_table
from policy_pack.controls.rules import ANY, rules
from policy_pack.engine.evaluate import EXEMPTIONS, Evaluator, Result, Status, findings
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.evaluators import ACTING, EVALUATORS, evaluated, evaluation_name
from policy_pack.settings import Settings
from policy_pack.stack.checks import StackContext
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import STACK, Graph, Resource
from tests.policy.attacks.tracing import Difference, Reads, TracedGraph

BROKEN = (Status.REFUSED, Status.ADVISORY)
Told = tuple[str, str, str, str]
"""Control, URN, property and message of a finding."""


class Incremental:
    """A stack whose changes are evaluated.

    Parameters
    ----------
    base
        The unchanged stack.
    settings
        The settings of the pack.
    addresses
        The addresses of external endpoints.
    """

    def __init__(self, base: Graph, settings: Settings, addresses: Addresses | None) -> None:
        self.graph = Graph(base.resources, base.stack)
        self._settings = settings
        self._addresses = addresses
        self._evaluators: dict[tuple[str, ...], Evaluator] = {}

    def difference(self, graph: Graph) -> Difference:
        """Return what differs in a changed stack, and give the stack the evaluations of grants that stay the same."""
        difference = Difference.between(self.graph, graph)
        for reads, name, computed in self._evaluations:
            if not difference.concerns(reads):
                graph.memo(name, lambda _, known=computed: known)
        return difference

    def new(
        self, graph: Graph, difference: Difference, broken: Collection[Status] = BROKEN, control: str = ""
    ) -> Iterator[Result]:
        """Return the findings that a changed stack adds, those of the changed resources by themselves first.

        Parameters
        ----------
        graph, difference
            The changed stack, and what differs in it.
        broken
            The statuses that count.
        control
            The control whose findings are returned; all where it is empty.
        """
        whole = (result for evaluator in self._whole(difference, control) for result in evaluator.stack_results(graph))
        for result in chain(self._local(difference.added, control), whole):
            if result.status in broken and result.control != EXEMPTIONS and told(result) not in self._before:
                yield result

    # --- the unchanged stack ------------------------------------------------------------------------------
    @cached_property
    def unchanged(self) -> list[Result]:
        """The results of all checks of the unchanged stack."""
        whole = self._evaluator("", *self._modules)
        return [*self._local(self.graph.resources), *whole.stack_results(self.graph)]

    @cached_property
    def _before(self) -> set[Told]:
        return {told(result) for result in self.unchanged}

    def _local(self, resources: Iterable[Resource], control: str = "") -> Iterator[Result]:
        own = self._evaluator(control)
        for resource in resources:
            yield from own.evaluate_resource(resource, self.graph.stack)

    def _evaluator(self, control: str, *modules: str) -> Evaluator:
        """Return the evaluator of the checks of whole stacks in some modules; without modules, of single resources."""
        key = (control, *modules)
        if key not in self._evaluators:
            of_control = (rule for rule in rules() if control in ("", rule.control))
            chosen = [one for one in of_control if (one.module in modules if one.whole_stack else not modules)]
            self._evaluators[key] = Evaluator(self._settings, self._addresses, rule_set=chosen)
        return self._evaluators[key]

    # --- what a change can affect -------------------------------------------------------------------------
    @cached_property
    def _reads(self) -> dict[str, Reads]:
        """What the checks of each module read of the unchanged stack."""
        return {module: self._read_by(module) for module in self._modules}

    @cached_property
    def _modules(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.module for rule in rules() if rule.whole_stack))

    def _read_by(self, module: str) -> Reads:
        graph = TracedGraph(self.graph)
        of_module = [rule for rule in rules() if rule.whole_stack and rule.module == module]
        context = StackContext(graph, self._settings, self._addresses)
        for rule in of_module:
            subjects = graph.resources if ANY in rule.kinds else graph.of(*rule.kinds)
            for resource in [graph.root] if rule.kinds == (STACK,) else subjects:
                list(findings(rule, resource, context))
        return graph.reads

    @cached_property
    def _evaluations(self) -> list[tuple[Reads, str, list[Any]]]:
        """What each evaluator of grants reads and computes of the unchanged stack."""
        made = []
        for evaluate in (*EVALUATORS, *ACTING):
            graph = TracedGraph(self.graph)
            context = AccessContext(graph, self._settings)
            computed = evaluated(context, evaluate)
            made.append((graph.reads, evaluation_name(evaluate, context.source), computed))
        return made

    def _whole(self, difference: Difference, control: str) -> Iterator[Evaluator]:
        """Return the evaluators of the checks that a change can affect, the slow one of grants last."""
        modules = [module for module, reads in self._reads.items() if difference.concerns(reads)]
        grants = access_table.__name__
        for some in ([one for one in modules if one != grants], [one for one in modules if one == grants]):
            if some:
                yield self._evaluator(control, *some)


def told(result: Result) -> Told:
    """Return what a finding says."""
    return result.control, result.urn, result.path, result.message
