"""Stacks on which a control must say certain words: what one change alone cannot tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from policy_pack.evaluate import Judge, Result
from policy_pack.graph import Graph
from policy_pack.rules import Rule
from policy_pack.settings import Evidence, Settings
from tests.policy import world


@dataclass(frozen=True)
class Case:
    """One stack, and what a control must say of it."""

    control: str
    title: str
    graph: Graph
    words: tuple[str, ...]
    settings: Settings

    def judge(self, held: Sequence[Rule] | None = None) -> list[Result]:
        """Return what the control finds, by the pack's own functions or others."""
        judge = Judge(self.settings, world.ADDRESSES, only=(self.control,), among=held)
        return judge.whole(Graph(self.graph.resources, self.graph.stack))


def _case(control: str, title: str, *words: str, settings: Settings | None = None, graph: Graph | None = None) -> Case:
    return Case(control, title, graph or world.graph(), words, settings or world.settings())


_UNTOLD = world.settings().model_copy(update={"evidence": Evidence()})

CASES = [
    _case("VM-02", "nobody told", "vulnerability scan was", "penetration test was", settings=_UNTOLD),
]
