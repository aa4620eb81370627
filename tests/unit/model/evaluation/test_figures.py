"""Figures on held-out patients: checked against independent computations, never a meaningless number."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fairlearn.metrics import demographic_parity_difference, demographic_parity_ratio, equalized_odds_difference
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    roc_auc_score,
)

from model.dataset.dataset import Dataset, Floats
from model.gates import SmallGroup
from model.metrics.calibration import Calibration
from model.metrics.figure_names import RECORDED
from model.metrics.figures import PATHS
from model.metrics.ranking import Ranking
from model.metrics.resampling import Resamples
from tests.support.model.written_figures import figures

BANDS = {"high": 0.3, "medium": 0.15}
ROWS = 3000


def discharges(rows: int = ROWS, *, seed: int = 0, decimals: int | None = None) -> tuple[Dataset, Floats]:
    """Return discharges whose outcome is drawn from their risk, and the risk."""
    chance = np.random.default_rng(seed)
    risk = chance.beta(2, 7, rows)
    risk = risk if decimals is None else risk.round(decimals).clip(0.01, 0.99)
    label = (chance.random(rows) < risk).astype(np.int64)
    data = Dataset(
        names=("age",),
        values=chance.normal(70, 9, (rows, 1)),
        label=label,
        patient=np.array([f"p{i}" for i in chance.integers(0, max(1, rows // 2), rows)]),
        baseline=(logit(risk) * 2 + chance.normal(0, 3, rows) + 10).round().clip(0, 19),
        time=None,
        groups={
            "sex": np.where(chance.random(rows) < 0.5, "female", "male"),
            "age": np.where(risk > 0.2, "80 and over", "under 80"),
        },
        later=np.arange(rows) > 0.7 * rows,
    )
    return data, risk


def draws_by_copying_rows(patient: npt.NDArray[Any], count: int) -> Iterator[npt.NDArray[Any]]:
    """Give the rows of each draw of patients, the plain way."""
    for weights in Resamples(patient, count=count).chunks():
        for row in weights:
            yield np.repeat(np.arange(len(row)), row.astype(int))


@pytest.mark.parametrize("decimals", [None, 2, 1])
def test_the_figures_are_those_of_scikit_learn(decimals: int | None) -> None:
    data, risk = discharges(decimals=decimals)
    found = figures(data, risk, BANDS, resamples=20)
    prevalence = data.label.mean()
    assert found["roc_auc"]["value"] == pytest.approx(roc_auc_score(data.label, risk), abs=1e-12)
    assert found["pr_auc"]["value"] == pytest.approx(average_precision_score(data.label, risk), abs=1e-12)
    assert found["brier"]["value"] == pytest.approx(brier_score_loss(data.label, risk), abs=1e-12)
    assert found["log_loss"]["value"] == pytest.approx(log_loss(data.label, risk), abs=1e-12)
    skill = 1 - brier_score_loss(data.label, risk) / (prevalence * (1 - prevalence))
    assert found["brier_skill"]["value"] == pytest.approx(skill, abs=1e-12)
    assert found["lace_roc_auc"]["value"] == pytest.approx(roc_auc_score(data.label, data.baseline), abs=1e-12)


@pytest.mark.parametrize("band", BANDS)
def test_what_an_alert_means_is_what_a_table_of_four_says(band: str) -> None:
    data, risk = discharges(decimals=2)
    found = figures(data, risk, BANDS, resamples=20)["at"][band]
    alert = risk >= BANDS[band]
    true_no, false_yes, false_no, true_yes = confusion_matrix(data.label, alert).ravel()
    assert found["sensitivity"] == pytest.approx(true_yes / (true_yes + false_no))
    assert found["specificity"] == pytest.approx(true_no / (true_no + false_yes))
    assert found["precision"] == pytest.approx(true_yes / (true_yes + false_yes))
    assert found["npv"] == pytest.approx(true_no / (true_no + false_no))
    assert found["alert_rate"] == pytest.approx(alert.mean())
    assert found["f1"] == pytest.approx(f1_score(data.label, alert))


def test_the_net_benefit_is_vickers() -> None:
    data, risk = discharges()
    found = figures(data, risk, BANDS, resamples=20)
    for point in (*found["decision_curve"], found["net_benefit"] | {"model": found["net_benefit"]["model"]["value"]}):
        threshold, alert = point["threshold"], risk >= point["threshold"]
        odds = threshold / (1 - threshold)
        hits, false = int((alert & (data.label == 1)).sum()), int((alert & (data.label == 0)).sum())
        assert point["model"] == pytest.approx(hits / ROWS - false / ROWS * odds, abs=1e-4)
        assert point["treat_all"] == pytest.approx(data.label.mean() - (1 - data.label.mean()) * odds, abs=1e-5)
    benefit = found["net_benefit"]
    over = benefit["model"]["value"] - benefit["treat_all"]
    assert benefit["over_all"]["value"] == pytest.approx(over)
    assert benefit["over_default"]["value"] == pytest.approx(min(over, benefit["model"]["value"]))


def test_the_published_example_of_a_decision_curve() -> None:
    # Vickers, van Calster and Steyerberg, Diagn Progn Res 2019;3:18: of 1000 men 100 have cancer; at a threshold of
    # 10 % a rule that finds 90 of them with 300 needless biopsies has a net benefit of 0.09 - 0.3 / 9.
    label = np.r_[np.ones(100), np.zeros(900)].astype(np.int64)
    risk = np.r_[np.full(90, 0.2), np.full(10, 0.05), np.full(300, 0.2), np.full(600, 0.05)]
    data = replace(discharges(1000)[0], label=label)
    benefit = figures(data, risk, {"high": 0.1}, resamples=20)["net_benefit"]
    assert benefit["model"]["value"] == pytest.approx(0.09 - 0.3 / 9)
    assert benefit["treat_all"] == pytest.approx(0.1 - 0.9 / 9)


@pytest.mark.parametrize("rows", [400, 5000])
@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.6, 0.4), (1.5, -0.5)])
def test_slope_and_intercept_are_those_of_a_logistic_regression(rows: int, slope: float, shift: float) -> None:
    data, risk = discharges(rows)
    told = expit((logit(risk) - shift) / slope)
    found = Calibration(Ranking(data.label, told)).measure(Ranking(data.label, told).tally(np.ones((1, rows))))
    known = logit(told).reshape(-1, 1)
    fitted = LogisticRegression(C=1e12, tol=1e-10, max_iter=500).fit(known, data.label)
    assert found["slope"][0] == pytest.approx(fitted.coef_[0, 0], rel=1e-3)
    shifted = expit(known[:, 0] + found["intercept"][0])
    assert shifted.mean() == pytest.approx(data.label.mean(), abs=1e-5)
    assert found["excess"][0] == pytest.approx(data.label.mean() - told.mean(), abs=1e-12)


def test_the_calibration_error_is_that_of_ten_equal_bins() -> None:
    data, risk = discharges(3000)
    found = figures(data, risk**2, BANDS, resamples=20)["calibration"]
    parts = np.array_split(np.argsort(-risk), 10)
    error = sum(len(rows) * abs(data.label[rows].mean() - (risk[rows] ** 2).mean()) for rows in parts) / 3000
    assert found["ece"] == pytest.approx(error, abs=1e-12)
    assert [b["discharges"] for b in found["bins"]] == [300] * 10
    assert found["bins"][0]["observed"] == pytest.approx(data.label[parts[0]].mean())
    assert found["intercept"] > 0


def test_intervals_are_those_of_copied_rows_patient_by_patient() -> None:
    data, risk = discharges(500, decimals=2)
    found = figures(data, risk, BANDS, resamples=60)
    draws = list(draws_by_copying_rows(data.patient, 60))
    assert all(len(set(data.patient[rows])) < len(set(data.patient)) for rows in draws)
    plain = {
        "roc_auc": [roc_auc_score(data.label[rows], risk[rows]) for rows in draws],
        "pr_auc": [average_precision_score(data.label[rows], risk[rows]) for rows in draws],
        "brier": [brier_score_loss(data.label[rows], risk[rows]) for rows in draws],
        "over_lace": [
            roc_auc_score(data.label[rows], risk[rows]) - roc_auc_score(data.label[rows], data.baseline[rows])
            for rows in draws
        ],
    }
    for name, values in plain.items():
        low, high = np.percentile(values, [2.5, 97.5])
        assert (found[name]["low"], found[name]["high"]) == (pytest.approx(low), pytest.approx(high))


def test_rows_of_one_patient_are_drawn_together() -> None:
    patient = np.array(["a", "b", "a", "c", "b", "a"])
    for weights in Resamples(patient, count=40).chunks():
        for name in "abc":
            assert (np.ptp(weights[:, patient == name], axis=1) == 0).all()
        assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_intervals_by_patient_are_wider_where_patients_repeat() -> None:
    data, risk = discharges(600)
    twice = data.rows(np.r_[np.arange(600), np.arange(600), np.arange(600)])
    alone = replace(twice, patient=np.array([str(i) for i in range(1800)]))
    widths = []
    for part in (twice, alone):
        spread = figures(part, np.r_[risk, risk, risk], BANDS, resamples=200)["roc_auc"]
        widths.append(spread["high"] - spread["low"])
    assert widths[0] > 1.4 * widths[1]


def test_groups_are_judged_as_fairlearn_judges_them() -> None:
    data, risk = discharges()
    found = figures(data, risk, BANDS, resamples=40)
    alert = risk >= BANDS["high"]
    sex = data.groups["sex"]
    fair = found["fairness"]["sex"]
    for measure in (demographic_parity_difference, demographic_parity_ratio, equalized_odds_difference):
        value = measure(data.label, alert.astype(int), sensitive_features=sex)
        assert fair[measure.__name__] == pytest.approx(value)
    for group in (g for g in found["subgroups"] if g["attribute"] == "sex"):
        rows = sex == group["name"]
        assert group["roc_auc"]["value"] == pytest.approx(roc_auc_score(data.label[rows], risk[rows]))
        assert group["alert_rate"]["value"] == pytest.approx(fair["groups"][group["name"]]["alert_rate"])
        assert group["sensitivity"]["value"] == pytest.approx(fair["groups"][group["name"]]["true_positive_rate"])
        less = data.label[rows].mean() - risk[rows].mean()
        assert group["observed_less_predicted"]["value"] == pytest.approx(less, abs=1e-12)


def test_a_gap_is_within_an_attribute_and_sure_only_beyond_chance() -> None:
    data, risk = discharges()
    worse = np.random.default_rng(1).random(ROWS)
    unfair = np.where(data.groups["sex"] == "male", worse, risk)
    found = figures(data, unfair, BANDS, resamples=100)
    of = {g["group"]: g["roc_auc"] for g in found["subgroups"]}
    gap = of["sex: female"]["value"] - of["sex: male"]["value"]
    assert found["gaps"]["roc_auc"]["attribute"] == "sex"
    assert found["largest_gap"] == pytest.approx(gap)
    assert found["sure_gap"] == pytest.approx(of["sex: female"]["low"] - of["sex: male"]["high"])
    assert figures(replace(data, groups={"sex": data.groups["sex"]}), risk, BANDS, resamples=100)["sure_gap"] == 0


def test_small_and_unknown_groups_are_marked_and_no_gate_hears_of_them() -> None:
    data, risk = discharges()
    rare = np.where(np.arange(ROWS) < 30, "rare", np.where(np.arange(ROWS) < 500, "", "common"))
    found = figures(replace(data, groups={"origin": rare}), risk, BANDS, resamples=20)
    of = {g["name"]: g for g in found["subgroups"]}
    assert of["rare"]["small"]
    assert of["rare"]["why"] == "fewer than 40 discharges"
    assert of["rare"]["roc_auc"] is None
    assert of["rare"]["brier"] is None
    assert not of["unknown"]["small"]
    assert (found["largest_gap"], found["sure_gap"]) == (None, None)
    assert found["fairness"]["origin"] is None
    strict = figures(data, risk, BANDS, small=SmallGroup(discharges=10**6), resamples=20)
    assert all(g["small"] for g in strict["subgroups"])


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_outcome_gives_no_meaningless_figure(outcome: int) -> None:
    data, risk = discharges(300)
    found = figures(replace(data, label=np.full(300, outcome)), risk, BANDS, resamples=20)
    assert [found[name] for name in ("roc_auc", "brier_skill", "lace_roc_auc", "calibration", "sure_gap")] == [None] * 5
    assert found["brier"]["value"] > 0
    json.dumps(found, allow_nan=False)


def test_one_risk_for_everybody_and_no_lace_give_no_meaningless_figure() -> None:
    data, _ = discharges(300)
    blank = replace(data, baseline=np.full(300, np.nan))
    found = figures(blank, np.full(300, 0.2), BANDS, resamples=20)
    assert found["roc_auc"]["value"] == 0.5
    assert found["calibration"] is None
    assert (found["lace_roc_auc"], found["net_benefit"]["over_lace"]) == (None, None)
    assert found["at_high"]["precision"] is None
    json.dumps(found, allow_nan=False)


def test_risks_that_part_the_outcomes_without_fault_have_no_slope() -> None:
    data, risk = discharges(300)
    found = figures(replace(data, label=(risk > 0.3).astype(np.int64)), risk, BANDS, resamples=20)
    assert found["roc_auc"]["value"] == 1
    assert found["calibration"] is None


def test_lace_is_compared_where_it_is_known() -> None:
    data, risk = discharges()
    known = np.arange(ROWS) % 3 > 0
    found = figures(replace(data, baseline=np.where(known, data.baseline, np.nan)), risk, BANDS, resamples=20)
    over = roc_auc_score(data.label[known], risk[known]) - roc_auc_score(data.label[known], data.baseline[known])
    assert found["over_lace"]["value"] == pytest.approx(over)


def test_what_came_later_is_told_apart() -> None:
    data, risk = discharges()
    found = figures(data, risk, BANDS, resamples=20)["later"]
    later = data.later
    assert found["roc_auc"]["value"] == pytest.approx(roc_auc_score(data.label[later], risk[later]))
    assert found["counts"]["discharges"] == int(later.sum())
    none = figures(replace(data, later=np.zeros(ROWS, dtype=bool)), risk, BANDS, resamples=20)
    assert none["later"] is None
    few = figures(replace(data, later=np.arange(ROWS) < 20), risk, BANDS, resamples=20)["later"]
    assert few["why"] == "fewer than 40 discharges"


def paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from paths(below, f"{path}.{name}" if path else name)
    elif isinstance(value, int | float):
        yield path


def test_gates_may_ask_for_what_is_there() -> None:
    data, risk = discharges()
    groups = dict(data.groups) | {name: data.groups["sex"] for name in RECORDED}
    there = set(paths(figures(replace(data, groups=groups), risk, BANDS, resamples=20)))
    unknown = {path for path in PATHS if path not in there}
    assert {path.partition(".")[0] for path in unknown} <= {"baseline", "data_contract", "stability"}
