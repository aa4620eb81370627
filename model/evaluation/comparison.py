"""Comparison with the deployed release on the same discharges."""

from dataclasses import dataclass

import numpy as np

from model.dataset.dataset import Dataset, Floats
from model.metrics.figures import ChampionFigures
from model.metrics.ranking import Ranking, ratio
from model.metrics.resampling import RESAMPLES, Resamples
from model.scoring import Scorer
from model.training.run import Run


@dataclass(frozen=True)
class Champion:
    """A release's risks for the same discharges, or why there are none."""

    name: str
    risk: Floats | None
    why: str = ""
    note: str = ""


def champion(place: str, run: Run, test: Dataset) -> Champion:
    """Score the test discharges with a release.

    Raises
    ------
    UserError
        When there is no whole release at the place.
    """
    scorer = Scorer.open(place)
    name = f"{scorer.name}@{scorer.files.short}"
    missing = sorted(set(scorer.names) - set(test.names))
    if missing:
        some = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        return Champion(name, None, why=f"the baseline asks for features that this run does not have: {some}")
    note = ""
    if scorer.lineage.definition_digest != run.definition_digest:
        note = "the baseline was made from other feature definitions; features of the same name were taken as the same"
    values = np.column_stack([test.column(feature) for feature in scorer.names])
    risk = scorer.risks(values)
    if not np.isfinite(risk).all():
        return Champion(name, None, why="the baseline gives no risk for some of these discharges")
    return Champion(name, risk, note=note)


def compared(test: Dataset, risk: Floats, other: Champion, *, resamples: int = RESAMPLES) -> ChampionFigures:
    """Return the champion's figures and the difference, both models on the same draws of patients.

    ``over_roc_auc`` is the new model's less the champion's, so above 0 is better; so is ``over_brier``, which is the
    champion's error less the new model's.
    """
    names = ("roc_auc", "over_roc_auc", "brier", "over_brier")
    if other.risk is None:
        return ChampionFigures(release=other.name, why=other.why, note=other.note, **dict.fromkeys(names))
    mine, theirs = Ranking(test.label, risk), Ranking(test.label, other.risk)
    losses = np.column_stack([(risk - test.label) ** 2, (other.risk - test.label) ** 2])

    def measure(weights: Floats) -> dict[str, Floats]:
        own, champion_auc = mine.tally(weights).roc_auc(), theirs.tally(weights).roc_auc()
        brier = ratio(weights @ losses, weights.sum(axis=1, keepdims=True))
        return {
            "roc_auc": champion_auc,
            "over_roc_auc": own - champion_auc,
            "brier": brier[:, 1],
            "over_brier": brier[:, 1] - brier[:, 0],
        }

    measured = Resamples(test.patient, count=resamples).measure(measure)
    intervals = {name: measured.interval(name) for name in names}
    return ChampionFigures(release=other.name, why=other.why, note=other.note, **intervals)
