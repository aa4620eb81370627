"""Evaluation status of a release: whether it was evaluated, and which exceptions expired."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

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


def standing(lineage: Mapping[str, Any], metrics: Mapping[str, Any], today: date) -> Standing:
    """Return how a release stands; one from before evaluations said so stands as its figures do.

    Parameters
    ----------
    lineage, metrics : mapping
        The release's own files.
    today : date
        The day on which its exceptions must be in force.
    """
    figures = metrics.get("evaluation") or {}
    evaluated = bool(lineage["evaluated"]) if "evaluated" in lineage else figures.get("roc_auc") is not None
    why = str(lineage.get("not_evaluated") or "")
    cautions = [] if evaluated else [f"{CAUTION} ({why})" if why else CAUTION]
    cautions += [
        f"the exception for the gate {row['gate']} expired on {row['until']}"
        for row in lineage.get("exceptions") or ()
        if date.fromisoformat(row["until"]) < today
    ]
    return Standing(evaluated, tuple(cautions))
