"""ROC-AUC and its bootstrap, against scikit-learn on rows that are copied as often as their patient is drawn."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from model.metrics.resampling import SEED
from model.metrics.roc_auc import difference, roc_auc, spread

ROWS, DRAWS = 240, 60


def rows(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return scores with ties, others without, outcomes, and patients with several rows each."""
    chance = np.random.default_rng(seed)
    label = (chance.random(ROWS) < 0.2).astype(np.int64)
    tied = np.round(chance.normal(size=ROWS) + label, 1)
    return tied, chance.normal(size=ROWS), label, chance.integers(0, 90, ROWS).astype(str)


def drawn(patient: np.ndarray) -> list[np.ndarray]:
    """Return the numbers of the rows of each draw of patients."""
    chance, (names, place) = np.random.default_rng(SEED), np.unique(patient, return_inverse=True)
    draws = [chance.integers(0, len(names), len(names)) for _ in range(DRAWS)]
    return [np.concatenate([np.flatnonzero(place == one) for one in draw]) for draw in draws]


@pytest.mark.parametrize("seed", range(4))
def test_the_area_and_its_interval_are_scikit_learn_s(seed: int) -> None:
    scores, _, label, patient = rows(seed)
    assert roc_auc(scores, label) == pytest.approx(roc_auc_score(label, scores), abs=1e-12)
    areas = [roc_auc_score(label[taken], scores[taken]) for taken in drawn(patient)]
    found = spread(scores, label, patient, DRAWS)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(areas, [2.5, 97.5])), abs=1e-12)
    assert found.value == roc_auc(scores, label)


@pytest.mark.parametrize("seed", range(4))
def test_a_difference_is_taken_on_the_same_draws(seed: int) -> None:
    one, other, label, patient = rows(seed)
    gains = [roc_auc_score(label[t], one[t]) - roc_auc_score(label[t], other[t]) for t in drawn(patient)]
    found = difference(one, other, label, patient, DRAWS)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(gains, [2.5, 97.5])), abs=1e-12)
    assert difference(one, one, label, patient, DRAWS).high == 0


def test_one_outcome_alone_has_no_area() -> None:
    scores, _, label, patient = rows(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(roc_auc(scores, np.zeros_like(label)))
        assert np.isnan(spread(scores, np.ones_like(label), patient, DRAWS).low)


def test_one_readmission_has_an_interval_from_the_draws_that_have_it() -> None:
    scores, _, label, patient = rows(0)
    only = np.zeros_like(label)
    only[7] = 1
    found = spread(scores, only, patient, DRAWS)
    assert 0 <= found.low <= found.high <= 1
