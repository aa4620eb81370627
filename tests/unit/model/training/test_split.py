"""No patient on both sides, nothing trained on after the cut, history of earlier encounters, honest risks."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.support.diabetes_table import CODES, COUNTS, derive
from model.dataset.columns import Column
from model.dataset.dataset import Dataset
from model.training.boosting import Boosting
from model.training.calibration import Calibration, calibrate
from model.training.linear import Linear
from model.training.split import DAY, split

WINDOW = 45


def rows(patients: list[int], days: list[float] | None) -> Dataset:
    size = len(patients)
    chance = np.random.default_rng(size)
    values = chance.normal(size=(size, 3))
    return Dataset(
        names=("a", "b", "c"),
        values=values,
        label=(chance.random(size) < 1 / (1 + np.exp(1.5 - values[:, 0]))).astype(np.int64),
        patient=np.array([f"p{number}" for number in patients]),
        baseline=np.full(size, np.nan),
        time=None if days is None else np.array(days) * DAY,
        groups={},
        later=np.zeros(size, dtype=bool),
    )


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 2000)), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_no_patient_on_both_sides_and_nothing_after_the_cut(drawn: list[tuple[int, float]]) -> None:
    data = rows([patient for patient, _ in drawn], [day for _, day in drawn])
    found = split(data, return_days=WINDOW)
    assert not set(data.patient[found.fit]) & set(data.patient[found.test])
    assert not (found.fit & found.later).any()
    assert data.time is not None
    if found.later.any() and found.fit.any():
        assert data.time[found.fit].max() + WINDOW * DAY <= data.time[found.later].min()


def test_without_a_time_only_patients_are_split() -> None:
    found = split(rows(list(range(50)), None), return_days=WINDOW)
    assert (found.fit ^ found.test).all()
    assert "no time" in found.how


def table(count: int) -> pd.DataFrame:
    chance = np.random.default_rng(count)
    texts = {name: chance.choice(["1", "2"], count) for name in CODES}
    texts |= {name: chance.choice(["250.83", "428", "V45"], count) for name in ("diag_1", "diag_2", "diag_3")}
    texts |= {"metformin": np.full(count, "No"), "metformin-pioglitazone": np.full(count, "Up")}
    numbers = {name: chance.integers(0, 9, count).astype(float) for name in COUNTS}
    keys = {"encounter_id": np.cumsum(chance.integers(1, 90, count)).astype(float)}
    people = {"patient_nbr": chance.integers(0, 9, count).astype(str), "age": np.full(count, "[50-60)")}
    return pd.DataFrame(keys | people | numbers | texts | {"readmitted": chance.choice(["<30", "NO"], count)})


def test_history_is_of_earlier_encounters_and_never_of_outcomes() -> None:
    whole = table(60)
    cut = derive(whole.head(35))
    assert derive(whole).head(35).equals(cut)
    assert derive(whole.assign(readmitted="<30")).equals(derive(whole))


def test_a_class_weight_and_its_calibration_leave_honest_risks() -> None:
    data = rows(list(range(4000)), None)
    columns = tuple(Column(name) for name in data.names)
    for weight in (None, "balanced"):
        linear = Linear()
        fitted = linear.fit(data, columns, {"C": 0.1, "bins": 0, "class_weight": weight})
        calibration = calibrate(linear.scores(fitted, data.values), data.label)
        risk = linear.calibrated(fitted, calibration).predict_proba(data.values)[:, 1]
        assert abs(risk.mean() - data.label.mean()) < 0.005


def test_trees_carry_the_calibration_that_was_held_out() -> None:
    data = rows(list(range(600)), None)
    columns = tuple(Column(name) for name in data.names)
    shape = {"learning_rate": 0.1, "max_leaf_nodes": 4, "max_iter": 5}
    boosting, calibration = Boosting(), Calibration(0.7, -0.2)
    fitted = boosting.fit(data, columns, shape)
    expected = calibration.risk(boosting.scores(fitted, data.values))
    found = boosting.calibrated(fitted, calibration).predict_proba(data.values)[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-12)
