"""Evaluation of a stack in a test."""

from collections.abc import Mapping

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


GIVEN = {
    "control": "AC-05",
    "kind": "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "resource": "hmlops-prod-north-raw",
    "reason": "a test",
    "owner": "tester",
    "approver": "reviewer",
    "ticket": "T-1",
    "expires": "2027-01-01",
    "stacks": ["prod"],
}


def exempting(*exemptions: Mapping[str, object]) -> Settings:
    """Return settings with exemptions; what one leaves out is as in `GIVEN`."""
    given = tuple(Exemption.model_validate({**GIVEN, **parts}) for parts in exemptions)
    return world.settings().model_copy(update={"exemptions": given})


def exempting_all(found: list[Result], control: str) -> Settings:
    """Return settings with an exemption of each resource that a control refuses."""
    subjects = sorted({(one.kind, one.urn) for one in found if one.control == control and one.status in BROKEN})
    return exempting(*({"control": control, "kind": kind, "resource": urn} for kind, urn in subjects))
