"""What a model of an own table is compared with: LACE against the published points, or age, or the base rate."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from model.dataset.tables import Rows, Words, lace_columns
from model.errors import UserError
from model.training.baseline import baseline

ROWS = 50
GIVEN = {"length_of_stay": "LOS, days", "emergency": "adm type", "charlson": "cci", "visits": "ed"}


def table(seed: int) -> tuple[pd.DataFrame, list[float]]:
    """Return a table with LACE's inputs and the index of each row, counted by hand from van Walraven 2010."""
    chance = np.random.default_rng(seed)
    days = chance.integers(0, 30, ROWS)
    acute = chance.random(ROWS) < 0.5
    illness, visits = chance.integers(0, 8, ROWS), chance.integers(0, 9, ROWS)
    points = []
    for length, urgent, charlson, seen in zip(days, acute, illness, visits, strict=True):
        stay = length if length <= 3 else 4 if length <= 6 else 5 if length <= 13 else 7
        total = stay + 3 * urgent + (charlson if charlson <= 3 else 5) + min(seen, 4)
        points.append(float(total))
    words = [["Elective", "Emergency"], ["no", "yes"], ["0", "1"]][seed % 3]
    rows: dict[str, Any] = {
        "LOS, days": [f"{day}.0" if seed % 2 else str(day) for day in days],
        "adm type": [words[int(urgent)] for urgent in acute],
        "cci": illness.astype(str),
        "ed": visits.astype(str),
    }
    lost = int(chance.integers(0, ROWS))
    rows["cci"] = ["" if i == lost else value for i, value in enumerate(rows["cci"])]
    points[lost] = np.nan
    return pd.DataFrame(rows, dtype=object), points


def rows(size: int) -> Rows:
    everything = np.ones(size, dtype=bool)
    return Rows(everything, everything, np.arange(size))


def test_lace_is_the_published_index() -> None:
    given = lace_columns([",".join(f"{role}={column}" for role, column in GIVEN.items())])
    assert dict(given) == GIVEN
    words = Words("again", "mrn", lace=given)
    tables = [table(seed) for seed in range(50)]
    frame = pd.concat([one for one, _ in tables], ignore_index=True)
    found = baseline(frame, words, rows(len(frame)), np.zeros(len(frame), dtype=np.int64))
    assert found.name == "LACE"
    assert np.array_equal(found.values, np.concatenate([points for _, points in tables]), equal_nan=True)
    own = table(0)[0].set_axis(["stay_days", "emergency_admission", "charlson", "emergency_visits_6m"], axis=1)
    by_name = baseline(own, Words("again", "mrn"), rows(ROWS), np.zeros(ROWS, dtype=np.int64))
    assert np.array_equal(by_name.values, table(0)[1], equal_nan=True)


def test_age_alone_or_the_base_rate_where_there_is_no_lace() -> None:
    label = np.tile([0, 1], 25)
    frame = pd.DataFrame({"Âge, années": [str(40 + 30 * hit) for hit in label], "ward": "a"}, dtype=object)
    found = baseline(frame, Words("again", "mrn"), rows(ROWS), label)
    assert (found.name, found.columns) == ("age alone", {"age": "Âge, années"})
    assert found.values.tolist() == (40 + 30 * label).tolist()
    young = baseline(frame, Words("again", "mrn"), rows(ROWS), 1 - label)
    assert young.values.tolist() == (-(40 + 30 * label)).tolist()
    without = baseline(frame[["ward"]], Words("again", "mrn"), rows(ROWS), label)
    assert without.name == "the base rate"
    assert set(without.values) == {0.0}
    banded = frame.assign(age=np.where(label, "old", "young"))[["age", "ward"]]
    assert baseline(banded, Words("again", "mrn"), rows(ROWS), label).name == "the base rate"
    with pytest.raises(UserError, match="age given with --age does not hold numbers"):
        baseline(banded, Words("again", "mrn", age="age"), rows(ROWS), label)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("adm type", "walked in", "neither yes, no"),
        ("cci", "1.5", "not whole numbers from 0"),
        ("ed", "-1", "not whole numbers from 0"),
        ("LOS, days", "-0.5", "not numbers of days from 0"),
    ],
)
def test_inputs_that_are_none_are_refused(column: str, value: str, told: str) -> None:
    frame, _ = table(1)
    frame.loc[0, column] = value
    with pytest.raises(UserError, match=f"{column}.*{told}"):
        baseline(frame, Words("again", "mrn", lace=tuple(GIVEN.items())), rows(ROWS), np.zeros(ROWS, dtype=np.int64))


def test_some_of_lace_s_inputs_are_not_enough() -> None:
    with pytest.raises(UserError, match="--lace needs a column for each of length_of_stay=COLUMN"):
        Words("again", "mrn", lace=lace_columns(["visits=ed", "charlson=cci"]))
    with pytest.raises(UserError, match="--lace needs"):
        Words("again", "mrn", lace=lace_columns(["visit=ed"]))
