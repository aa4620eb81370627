"""Fairness metrics of each attribute, from Fairlearn: selection rate, false negatives, false positives."""

import warnings
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Dataset
from model.evaluation.sample import number
from model.metrics.figures import AttributeFairness, GroupRates


def fairness(
    test: Dataset, alert: npt.NDArray[np.bool_], small: Collection[str]
) -> dict[str, AttributeFairness | None]:
    """Return for each attribute the rates of its groups and the gaps between them.

    Demographic parity compares alert rates; equalized odds compares how many readmissions are found and how many
    others are alerted for (Hardt, Price and Srebro, NeurIPS 2016); equal opportunity the first of the two alone.

    Parameters
    ----------
    test : Dataset
        Discharges with their groups.
    alert : array of bool (rows,)
        Mask of the patients with an alert.
    small : collection of str
        Groups (``attribute: name``) that are too small to tell; they are left out.

    Returns
    -------
    dict
        Nothing for an attribute with fewer than two groups that are large enough.
    """
    return {name: _attribute(name, test, alert, small) for name in test.groups}


def _attribute(
    attribute: str, test: Dataset, alert: npt.NDArray[np.bool_], small: Collection[str]
) -> AttributeFairness | None:
    # Fairlearn brings pandas and takes a second to load: only an evaluation needs it.
    from fairlearn import metrics

    group = test.groups[attribute]
    shown = (group != "") & np.array([f"{attribute}: {name}" not in small for name in group], dtype=bool)
    if len(np.unique(group[shown])) < 2:
        return None
    rates = {
        "alert_rate": metrics.selection_rate,
        "true_positive_rate": metrics.true_positive_rate,
        "false_positive_rate": metrics.false_positive_rate,
    }
    # One weighted row for all discharges that are alike: the same figures, however many rows.
    alike = np.column_stack([group[shown], test.label[shown].astype(str), alert[shown].astype(np.int64).astype(str)])
    kinds, size = np.unique(alike, axis=0, return_counts=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = metrics.MetricFrame(
            metrics=rates,
            y_true=kinds[:, 1].astype(np.int64),
            y_pred=kinds[:, 2].astype(np.int64),
            sensitive_features=kinds[:, 0],
            sample_params={rate: {"sample_weight": size} for rate in rates},
        )
        gap, share = frame.difference(), frame.ratio()
    groups = {
        str(name): GroupRates(**{rate: number(value) for rate, value in row.items()})
        for name, row in frame.by_group.to_dict("index").items()
    }
    return AttributeFairness(
        groups=groups,
        demographic_parity_difference=number(gap["alert_rate"]),
        demographic_parity_ratio=number(share["alert_rate"]),
        equalized_odds_difference=number(max(gap["true_positive_rate"], gap["false_positive_rate"])),
        equal_opportunity_difference=number(gap["true_positive_rate"]),
        false_positive_rate_difference=number(gap["false_positive_rate"]),
    )
