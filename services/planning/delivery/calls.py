"""Calls of model servers, as the comparison of a canary with the active release counts them."""

from dataclasses import dataclass
from enum import StrEnum

from services.planning.delivery.releases import Role
from services.planning.model_client import FallbackReason, ModelFailureError


class CallFault(StrEnum):
    """Reason for which a call gave no answer that counts.

    ``incomplete``: the server answered, and the record of its answer would lack the release, a score, its decision or a
    reason, or name what did not answer.
    """

    UNAVAILABLE = "unavailable"
    SLOW = "slow"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Call:
    """A call of a model server.

    Parameters
    ----------
    role
        The release's role.
    encounters
        How many encounters it was asked about.
    milliseconds
        From the call to the answer or to the end of the budget.
    fault
        Why its answer does not count.
    """

    role: Role
    encounters: int
    milliseconds: float
    fault: CallFault | None = None


def call_fault(failure: ModelFailureError) -> CallFault:
    """Return why a call gave no answer that counts."""
    if failure.incomplete:
        return CallFault.INCOMPLETE
    return CallFault.SLOW if failure.reason is FallbackReason.MODEL_SLOW else CallFault.UNAVAILABLE
