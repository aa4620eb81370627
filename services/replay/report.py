"""Report of a replay: aggregates alone, as JSON for programs and as one screen for people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from services.replay.cells import Cell, cell
from services.replay.comparison import Comparison

REASONS: Mapping[str, str] = {
    "erased": "values erased",
    "fallback": "ranked by LACE",
    "not-scored": "not scored",
    "without-values": "without values on record",
    "other-schema": "other features than the candidate's",
    "refused-by-contract": "values that the candidate does not take",
    "without-threshold": "without a threshold on record",
}
"""Reason for which an encounter is not compared, by its code."""


@dataclass(frozen=True)
class Report:
    """Report of a replay.

    Parameters
    ----------
    candidate
        Version and digest of the candidate.
    recorded
        Version and digest of each release that answered.
    reproduced
        Scores that the releases on record gave again, bit for bit.
    not_compared
        Encounters without a score of both, by reason.
    comparison
        The comparison.
    """

    candidate: str
    recorded: tuple[str, ...]
    reproduced: int
    not_compared: Mapping[str, Cell]
    comparison: Comparison

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        compared = asdict(self.comparison)
        return {
            "candidate": self.candidate,
            "recorded": list(self.recorded),
            "reproduced": self.reproduced,
            "not_compared": dict(self.not_compared),
            **compared,
        }

    def screen(self) -> str:
        """Return it as lines for a person."""
        risks, ranks, work = self.comparison.risks, self.comparison.ranks, self.comparison.workload
        left_out = ", ".join(f"{count} {REASONS[reason]}" for reason, count in self.not_compared.items())
        rows = (
            ("scores on record", f"{self.reproduced} rebuilt bit for bit, of {', '.join(self.recorded)}"),
            ("encounters compared", str(self.comparison.encounters)),
            ("not compared", left_out or "none"),
            ("mean risk", f"{risks.mean_recorded:.3f}, candidate {risks.mean_candidate:.3f}"),
            ("difference of risk", _spread(risks.mean_difference, risks.median_difference, risks.difference_95)),
            ("distribution (PSI)", f"{_number(risks.stability_index)}, a major shift from {risks.major_shift:g}"),
            (
                "rank changes",
                f"{ranks.changed}; places: median {_places(ranks.median_change)}, 95 % quantile "
                f"{_places(ranks.change_95)}; Spearman {_number(ranks.correlation)}",
            ),
            (
                "above the threshold",
                f"{work.threshold.recorded}, candidate {work.threshold.candidate}: {work.threshold.newly_above} newly, "
                f"{work.threshold.no_longer_above} no longer",
            ),
            ("in another band", str(work.other_band)),
            (f"first {work.capacity} of the day", f"{work.replaced} replaced"),
        )
        width = max(len(name) for name, _ in rows)
        return "\n".join(
            (f"Candidate {self.candidate}, by the values of a recorded day", *(f"  {a:{width}}  {b}" for a, b in rows))
        )


def not_compared(reasons: Mapping[str, int]) -> dict[str, Cell]:
    """Return the cells of the encounters that are not compared, in the order of the reasons."""
    return {reason: cell(reasons[reason]) for reason in REASONS if reasons.get(reason)}


def _spread(mean: float, median: float | None, most: float | None) -> str:
    return f"mean {mean:.3f}, median {_number(median)}, 95 % quantile {_number(most)}"


def _number(value: float | None) -> str:
    return "withheld" if value is None else f"{value:.3f}"


def _places(value: float | None) -> str:
    return "withheld" if value is None else f"{value:g}"
