"""Exempt findings, one line for each exemption."""

from collections.abc import Iterable
from dataclasses import dataclass

from policy_pack.engine.results import Result, Status, exempt_note
from policy_pack.settings import Exemption
from policy_pack.stack.text import printable

_MOST_NAMES = 3


@dataclass(frozen=True)
class ExemptFindings:
    """The findings that one exemption covers.

    Parameters
    ----------
    exemption
        The exemption.
    results
        The findings.
    """

    exemption: Exemption
    results: tuple[Result, ...]

    @property
    def names(self) -> str:
        """The names of the resources; of many, the first ones."""
        names = sorted({printable(result.name) for result in self.results})
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        return ", ".join(names[:_MOST_NAMES]) + more

    @property
    def text(self) -> str:
        """The findings with their number, and the exemption."""
        count = len(self.results)
        counted = "1 finding" if count == 1 else f"{count} findings"
        return f"{counted} on {self.names} - {exempt_note(self.exemption)}"


def by_exemption(results: Iterable[Result]) -> list[ExemptFindings]:
    """Return the exempt findings of each exemption, in the order of the settings."""
    grouped: dict[Exemption, list[Result]] = {}
    for result in results:
        if result.status is Status.EXEMPT and result.exemption:
            grouped.setdefault(result.exemption, []).append(result)
    return [ExemptFindings(exemption, tuple(covered)) for exemption, covered in grouped.items()]
