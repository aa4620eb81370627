"""Completeness of an extract: missing pages, and the server's OperationOutcomes."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from model.fhir.bundles import Page
from model.io.json_elements import Resource

SEVERITIES = ("fatal", "error", "warning", "information")


@dataclass
class Extract:
    """Pages and outcomes of all files of a source."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Number of OperationOutcomes by their gravest severity."""
    _following: set[int] = field(default_factory=set)
    _here: set[int] = field(default_factory=set)

    def pages(self, found: Iterable[Page]) -> None:
        """Note the pages that a piece of a file is."""
        for page in found:
            if page.itself is not None:
                self._here.add(page.itself)
            if page.following is not None:
                self._following.add(page.following)

    @property
    def incomplete(self) -> int:
        """How many pages of searches are announced and not there."""
        return len(self._following - self._here)

    def outcome(self, resource: Resource | None) -> None:
        """Count an OperationOutcome."""
        if resource is None:
            return
        issues = resource.get("issue")
        listed = issues if isinstance(issues, list) else []
        named = [one.get("severity") for one in listed if isinstance(one, dict)]
        self.outcomes[next((one for one in SEVERITIES if one in named), "unknown")] += 1
