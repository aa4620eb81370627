"""Results of an evaluation: findings with their status and exemption."""

from dataclasses import dataclass
from enum import StrEnum

from policy_pack.settings import Exemption
from policy_pack.stack.text import printable


class Status(StrEnum):
    """The effect of a result on the update."""

    REFUSED = "refused"
    ADVISORY = "advisory"
    UNKNOWN = "not yet known"
    EXEMPT = "exempt"


@dataclass(frozen=True)
class Result:
    """One finding with its status.

    Parameters
    ----------
    control
        The id of the control.
    urn, name
        The resource.
    message, path
        What is wrong, and where in the resource.
    status
        The effect on the update.
    whole_stack
        Whether the check needs the whole stack.
    exemption
        The exemption that covers it.
    kind
        The kind of the resource.
    """

    control: str
    urn: str
    name: str
    message: str
    path: str
    status: Status
    whole_stack: bool
    exemption: Exemption | None = None
    kind: str = ""

    @property
    def blocks(self) -> bool:
        """Whether it stops the update."""
        return self.status is Status.REFUSED

    @property
    def text(self) -> str:
        """The message with resource, path and exemption."""
        text = f"{printable(self.name)}: {self.message}" + (f" [{self.path}]" if self.path else "")
        return text + (f" - {exempt_note(self.exemption)}" if self.exemption else "")


def exempt_note(exemption: Exemption) -> str:
    """Return an exemption as text: its expiry date, owner and reason."""
    approval = f"approved by {exemption.approver} in {exemption.ticket}"
    return f"exempt until {exemption.expires} by {exemption.owner}, {approval}: {exemption.reason}"
