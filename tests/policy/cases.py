"""Stacks on which a control must say certain words: what one change alone cannot tell apart."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from policy_pack.controls.rules import Rule
from policy_pack.engine.evaluate import Judge, Result
from policy_pack.settings import Evidence, Settings
from policy_pack.stack.graph import Graph
from tests.policy import world
from tests.policy.openings import let_in, opened, platform, pods
from tests.policy.papers import release, served
from tests.policy.seeds import SEEDS

Made = tuple[Graph, Settings]


@dataclass(frozen=True)
class Case:
    """One stack, and what a control must say of it."""

    control: str
    title: str
    make: Callable[[], Made]
    words: tuple[str, ...]

    def judge(self, held: Sequence[Rule] | None = None) -> list[Result]:
        """Return what the control finds, by the pack's own functions or others."""
        graph, settings = self.make()
        judge = Judge(settings, world.ADDRESSES, only=(self.control,), among=held)
        return judge.whole(Graph(graph.resources, graph.stack))


def _told(evidence: Evidence) -> Callable[[], Made]:
    return lambda: (world.graph(), world.settings().model_copy(update={"evidence": evidence}))


def _seed(title: str, *words: str, number: int = 0) -> Case:
    """Return a case of a seed whose control must say these words, among others."""
    seed = [seed for seed in SEEDS if seed.title == title][number]

    def make() -> Made:
        _, graph = next(seed.broken(list(world.resources())))
        return graph, world.settings()

    return Case(seed.control, f"{title} {words[0]}", make, words)


def _release(control: str, *words: str, **parts: Any) -> Case:
    def make() -> Made:
        root = Path(tempfile.mkdtemp())
        settings = release(root, **parts)
        return served(root), settings

    return Case(control, words[0], make, words)


def _opened(title: str, source: dict[str, object], target: dict[str, object], words: str) -> Case:
    return Case("SEG-02", title, lambda: (opened(source, target, 8080), world.settings()), (words,))


def _platform_let_in() -> Graph:
    home, everybody = platform("monitoring")
    return let_in(everybody, pods("north", "phi", "ingestor"), 8080, home)


def _unmeshed(source: dict[str, Any], target: dict[str, Any]) -> Made:
    """Return the stack with one flow opened and no mesh."""
    graph = opened(source, target, 8080)
    kept = [resource for resource in graph.resources if not resource.type.endswith(":PeerAuthentication")]
    return Graph(kept, graph.stack), world.settings()


_OLD = Evidence(vulnerability_scan=date(2026, 1, 1), penetration_test=date(2025, 1, 1), compliance_audit=world.TODAY)
_VAULT = "vault:kubernetes/authBackendRole:AuthBackendRole"

CASES = [
    Case("VM-02", "nobody told", _told(Evidence()), ("vulnerability scan was", "penetration test was")),
    Case("VM-02", "long ago", _told(_OLD), ("scan was on 2026-01-01, over 180", "test was on 2025-01-01, over 365")),
    _seed("AC-12 AuthBackendRole tokenPolicies", "gives the root policy"),
    _seed("AC-12 Policy policy", "reaches every path *", number=1),
    _seed("AC-12 Policy policy", "reaches every path secret/*", number=2),
    _seed("AUD-01 Trail dropped", "declares no CloudTrail", "no trail records"),
    _seed("AUTH-01 security.istio.io/AuthorizationPolicy spec.rules", "allows everything to everybody"),
    _release("ML-01", "has no model card", leave_out="MODEL_CARD.md"),
    _release("ML-01", "name no approval", approved=False),
    _release("ML-02", "do not say that every gate passed", passed=False),
    _release("ML-02", "files are of profile demonstration", of="demonstration"),
    Case(
        "TX-03",
        "the PHI zone is called",
        lambda: _unmeshed(pods("north", "serving", "planner"), pods("north", "phi", "ingestor")),
        ("its pods take calls without a client certificate",),
    ),
    Case(
        "SEG-02",
        "the platform's pods are let in",
        lambda: (_platform_let_in(), world.settings()),
        ("pods of namespace monitoring -> north-phi/ingestor is open, and the zone table does not allow it",),
    ),
    _opened(
        "into the PHI zone",
        pods("north", "serving", "planner"),
        pods("north", "phi", "ingestor"),
        "north-serving/planner -> north-phi/ingestor:8080",
    ),
]
