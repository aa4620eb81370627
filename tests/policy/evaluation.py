"""Evaluation of a stack in a test."""

from policy_pack.engine.evaluate import Evaluator, Result, Status
from policy_pack.settings import Exemption, Settings
from policy_pack.stack.graph import Graph
from tests.policy import world

BROKEN = {Status.REFUSED, Status.ADVISORY}


def results(graph: Graph, settings: Settings | None = None, *controls: str) -> list[Result]:
    """Return the results of all controls, or of some."""
    return Evaluator(settings or world.settings(), world.ADDRESSES, controls=controls or None).evaluate_stack(graph)


def statuses(found: list[Result], control: str) -> set[Status]:
    return {result.status for result in found if result.control == control}


def exempting(control: str, **parts: object) -> Settings:
    given = Exemption.model_validate(
        {"control": control, "resource": "*", "reason": "a test", "owner": "tester", "expires": "2027-01-01", **parts}
    )
    return world.settings().model_copy(update={"exemptions": (given,)})
