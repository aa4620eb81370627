"""Target leakage: features that alone predict the outcome, and suspects far better than all others."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt

from model.dataset.columns import Column
from model.dataset.dataset import Dataset, Floats
from model.errors import GateError, UserError
from model.gates.exceptions import signed_by
from model.metrics.roc_auc import roc_auc
from model.metrics.suspect import Suspect
from model.training.settings import settings
from model.training.split import is_test

CHANCE = 0.5


@dataclass(frozen=True)
class Alone:
    """Univariate ROC-AUC of each feature, and of LACE."""

    columns: tuple[Column, ...]
    areas: tuple[float, ...]
    lace: float


def measured(fit: Dataset, columns: Sequence[Column]) -> Alone:
    """Return the ROC-AUC of each feature alone, and of LACE on the rows that have one (chance where none has)."""
    areas = tuple(alone(fit.column(column.name), fit.label, fit.patient) for column in columns)
    finite = np.isfinite(fit.baseline)
    both = len(np.unique(fit.label[finite])) == 2
    return Alone(tuple(columns), areas, roc_auc(fit.baseline[finite], fit.label[finite]) if both else CHANCE)


def no_copy(found: Alone) -> None:
    """Refuse a column that alone tells the outcome: it is a copy of it, or was written after it was known.

    Raises
    ------
    GateError
        When what a column's values (or its being empty) tell of other patients orders the outcomes nearly perfectly.
    """
    limit = settings().leak.copy_above
    copies = [column.name for column, area in zip(found.columns, found.areas, strict=True) if area > limit]
    if copies:
        raise GateError(
            f"{', '.join(copies)} alone predicts the outcome (ROC-AUC over {limit:g}), which suggests target leakage: "
            "a copy of it or a record from after the discharge; exclude with "
            f"--without {shlex.quote(','.join(copies))}."
        )


def suspects(found: Alone) -> tuple[Suspect, ...]:
    """Return the features that alone order the outcomes far better than the others do, the best first.

    Features are taken from the best on. One is a suspect that leads LACE, and the next one or the median of all, by
    more than the rule allows; so are all that are better than it, so that two copies of a leak do not hide each other.
    The worse half are no suspects: they are what the data is like.

    Parameters
    ----------
    found : Alone
        What each feature tells.
    """
    order = sorted(range(len(found.areas)), key=lambda place: -found.areas[place])
    areas = [found.areas[place] for place in order]
    candidates = order[: (len(order) + 1) // 2]
    usual = float(np.median(areas)) if len(areas) > 1 else CHANCE
    leads = [
        rank + 1
        for rank, place in enumerate(candidates)
        if _leads(found, place, following=_next(areas, rank), usual=usual)
    ]
    count = max(leads, default=0)
    others = max(_next(areas, count - 1), found.lace)
    return tuple(
        Suspect(found.columns[place].name, found.areas[place], others, found.columns[place].window)
        for place in order[:count]
    )


def accept(
    found: Sequence[Suspect], names: Sequence[str], columns: Sequence[Column], *, by: str | None, reason: str | None
) -> tuple[Suspect, ...]:
    """Return the suspects with what the owner of the table accepted by name.

    Parameters
    ----------
    found : sequence of Suspect
        The suspects.
    names : sequence of str
        The features that are accepted.
    columns : sequence of Column
        All features.
    by, reason : str, optional
        Who accepts, as ``ROLE:NAME``, and why.

    Raises
    ------
    UserError
        When a feature does not exist, or the acceptance has no name or no reason.
    """
    if not names and by is None and reason is None:
        return tuple(found)
    if not names or by is None or not (reason or "").strip():
        raise UserError("Accepting a feature needs --accept-feature NAME, --accepted-by ROLE:NAME and --reason TEXT.")
    signed_by(by, "--accepted-by")
    column_names = [column.name for column in columns]
    for name in names:
        if name not in column_names:
            near = get_close_matches(name, column_names, n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise UserError(f"Unknown feature {name} in --accept-feature{hint}")
    why = str(reason).strip()
    return tuple(
        replace(suspect, accepted_by=by, reason=why) if suspect.feature in names else suspect for suspect in found
    )


def refuse_suspects(found: Sequence[Suspect], profile: str) -> None:
    """Refuse suspects that nobody accepted.

    Raises
    ------
    GateError
        With each of them and what to do.
    """
    open_ones = [suspect for suspect in found if not suspect.accepted_by]
    if open_ones:
        names = shlex.quote(",".join(suspect.feature for suspect in open_ones))
        raise GateError(
            f"The profile {profile} refuses suspected target leakage, features that alone predict the outcome far "
            f"better than all others: {'; '.join(suspect.text for suspect in open_ones)}. Exclude them with "
            f"--without {names}, or let the owner of the table accept them: --accept-feature {names} "
            "--accepted-by ROLE:NAME --reason TEXT."
        )


def _next(areas: Sequence[float], rank: int) -> float:
    """Return what the best feature tells without one and all that are better than it."""
    return max([CHANCE, *areas[rank + 1 : rank + 2]])


def _leads(found: Alone, place: int, *, following: float, usual: float) -> bool:
    rule, area = settings().leak, found.areas[place]
    lead = rule.lead_declared if found.columns[place].window else rule.lead
    if area <= rule.suspect_above or area - found.lace <= lead:
        return False
    return area - following > lead or area - usual > rule.lead_of_median


def alone(values: Floats, label: npt.NDArray[np.int64], patient: npt.NDArray[np.str_]) -> float:
    """Return the ROC-AUC of one column: its parts (empty is one) by their rates in the other half of the patients."""
    part = _parts(values)
    half = is_test(patient, parts=2)
    rate = np.zeros(len(label))
    for here, there in ((half, ~half), (~half, half)):
        if len(np.unique(label[here])) < 2 or not there.any():
            return 0.5
        rows = np.bincount(part[here], minlength=part.max() + 1)
        hits = np.bincount(part[here], weights=label[here], minlength=part.max() + 1)
        rate[there] = ((hits + label[here].mean()) / (rows + 1))[part[there]]
    return roc_auc(rate, label) if len(np.unique(label)) == 2 else 0.5


def _parts(values: Floats) -> npt.NDArray[np.int64]:
    """Return the value's number where there are few, else the number of its quantile; one more for empty."""
    recorded = np.isfinite(values)
    if not recorded.any():
        return np.zeros(len(values), dtype=np.int64)
    distinct = np.unique(values[recorded])
    most = settings().leak.parts
    edges = distinct if len(distinct) <= most else np.unique(np.quantile(values[recorded], np.linspace(0, 1, most)))
    positions: npt.NDArray[np.int64] = np.where(recorded, np.searchsorted(edges, values), len(edges) + 1).astype(
        np.int64
    )
    return positions
