"""Figures on held-out patients: checked against independent computations, never a meaningless number."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from model.evaluation import metrics


def test_the_figures_know_perfect_and_useless_scores() -> None:
    chance = np.random.default_rng(0)
    risk = chance.uniform(0.02, 0.9, 4000)
    label = (chance.random(4000) < risk).astype(np.int64)
    known = metrics.calibration(label, risk)
    assert known["slope"] == pytest.approx(1, abs=0.1)
    assert known["intercept"] == pytest.approx(0, abs=0.15)
    assert known["ece"] < 0.04
    assert metrics.brier_skill(label, np.full(4000, label.mean())) == pytest.approx(0, abs=1e-9)
    assert metrics.roc_auc(label, label.astype(float)) == 1
    assert metrics.roc_auc(label, risk.round(1)) == pytest.approx(roc_auc_score(label, risk.round(1)), abs=1e-12)
    assert metrics.brier(label, risk) == pytest.approx(brier_score_loss(label, risk), abs=1e-12)
    patients = np.array([str(i // 4) for i in range(4000)])
    spread = metrics.interval(lambda rows: metrics.roc_auc(label[rows], risk[rows]), label, patients)
    assert spread is not None
    assert spread.low < spread.value < spread.high
    assert metrics.interval(lambda _rows: 0.0, np.zeros(5, dtype=np.int64), patients[:5]) is None
