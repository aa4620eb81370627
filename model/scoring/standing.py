"""Evaluation status of a release: whether it was evaluated, and which exceptions expired."""

from dataclasses import dataclass
from datetime import date

from model.metrics.figures import Figures
from model.scoring.lineage import Lineage

CAUTION = "not evaluated: this model's performance is unknown"


@dataclass(frozen=True)
class Standing:
    """Evaluation status of a release on a date.

    Attributes
    ----------
    evaluated
        Whether its test data sufficed for an evaluation.
    cautions
        Warnings to show with every risk.
    """

    evaluated: bool
    cautions: tuple[str, ...]


def standing(lineage: Lineage, figures: Figures, today: date) -> Standing:
    """Return how a release stands; one from before evaluations said so stands as its figures do.

    Parameters
    ----------
    lineage : Lineage
        Its lineage.
    figures : Figures
        The figures of its evaluation.
    today : date
        The day on which its exceptions must be in force.
    """
    evaluated = figures.roc_auc is not None if lineage.evaluated is None else lineage.evaluated
    why = lineage.not_evaluated
    cautions = [] if evaluated else [f"{CAUTION} ({why})" if why else CAUTION]
    cautions += [
        f"the exception for the gate {row.gate} expired on {row.until}"
        for row in lineage.exceptions
        if row.until < today
    ]
    return Standing(evaluated, tuple(cautions))
