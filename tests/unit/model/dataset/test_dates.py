"""How dates are written: fifty random columns of each kind, whose true moments are known before they are written."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from model.dataset.tables import Words, dates, times
from model.errors import UserError

ROWS = 120
VARIANTS = range(50)
EXCEL = datetime(1899, 12, 30, tzinfo=UTC)


def moments(chance: np.random.Generator, *, last_day: int = 31) -> list[datetime]:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    days = [start + timedelta(days=int(day)) for day in chance.integers(0, 1800, 40 * ROWS)]
    return [day for day in days if day.day <= last_day][:ROWS]


def column(texts: list[str]) -> "pd.Series[str]":
    return pd.Series(texts, name="left on", dtype=object)


def seconds(true: list[datetime]) -> list[float]:
    return [moment.timestamp() for moment in true]


@pytest.mark.parametrize("seed", VARIANTS)
def test_a_day_over_twelve_shows_the_order_of_the_whole_column(seed: int) -> None:
    chance = np.random.default_rng(seed)
    true = moments(chance)
    order = str(chance.choice(["day-first", "month-first"]))
    mark = str(chance.choice(["/", ".", "-"]))
    year = str(chance.choice(["%Y", "%y"]))
    clock = str(chance.choice(["", " %H:%M", " %H:%M:%S", " %I:%M %p"]))
    parts = ["%d", "%m", year] if order == "day-first" else ["%m", "%d", year]
    if clock:
        true = [
            moment + timedelta(minutes=int(m)) for moment, m in zip(true, chance.integers(0, 1440, ROWS), strict=True)
        ]
    texts = [moment.strftime(mark.join(parts) + clock) for moment in true]
    if seed % 2:
        texts = [text.lstrip("0") for text in texts]
    over = sum(moment.day > 12 for moment in true)
    read = times(column(texts), None)
    assert (read.order, read.values.tolist()) == (order, seconds(true))
    assert f"because {over} values have a day over 12" in read.read_as
    # One row alone, on a day that shows nothing, is read as the whole column was.
    assert read.order is not None
    alone = datetime(2024, 2, 3, tzinfo=UTC)
    assert dates.as_written(column([alone.strftime(mark.join(parts))]), read.order) == [alone.timestamp()]
    wrong = "month-first" if order == "day-first" else "day-first"
    with pytest.raises(UserError, match=f"{over} values that cannot be {wrong}, which --dates says"):
        times(column(texts), wrong)


@pytest.mark.parametrize("seed", VARIANTS)
def test_days_up_to_twelve_are_refused_unless_a_person_says_the_order(seed: int) -> None:
    chance = np.random.default_rng(seed)
    true = moments(chance, last_day=12)
    order = str(chance.choice(["day-first", "month-first"]))
    form = {"day-first": "%d/%m/%Y", "month-first": "%m/%d/%Y"}[order]
    texts = [moment.strftime(form) for moment in true]
    with pytest.raises(UserError, match=r"The column left on does not show .*--dates day-first or --dates month-first"):
        times(column(texts), None)
    read = times(column(texts), order)
    assert read.values.tolist() == seconds(true)
    assert "as --dates says" in read.read_as


@pytest.mark.parametrize("seed", VARIANTS)
def test_columns_that_contradict_themselves_are_refused_with_counts(seed: int) -> None:
    chance = np.random.default_rng(seed)
    true = moments(chance)
    few = int(chance.integers(1, 60))
    texts = [moment.strftime("%m/%d/%Y" if i < few else "%d/%m/%Y") for i, moment in enumerate(true)]
    first = sum(moment.day > 12 for moment in true[few:])
    second = sum(moment.day > 12 for moment in true[:few])
    if second:
        with pytest.raises(
            UserError, match=f"{first} values have a day over 12 in the first place and {second} in the"
        ):
            times(column(texts), None)
    else:
        assert times(column(texts), None).order == "day-first"


@pytest.mark.parametrize("seed", VARIANTS)
def test_dates_that_show_themselves(seed: int) -> None:
    chance = np.random.default_rng(seed)
    true = moments(chance)
    form = str(
        chance.choice(["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y", "%d %B %Y", "%d%b%Y", "%B %d, %Y", "excel"])
    )
    texts = [str((moment - EXCEL).days) if form == "excel" else moment.strftime(form) for moment in true]
    gone = chance.random(ROWS) < 0.1
    texts = [
        str(chance.choice(["", "NULL", "9999-12-31"])) if out else text for text, out in zip(texts, gone, strict=True)
    ]
    if not form.startswith("%Y-"):
        texts = ["" if text == "9999-12-31" else text for text in texts]
    wanted = np.where(gone, np.nan, seconds(true))
    assert np.array_equal(times(column(texts), None).values, wanted, equal_nan=True)


def test_zones_fractions_and_what_a_hospital_interface_sends() -> None:
    texts = ["2024-02-20T10:00:00+02:00", "2024-02-20 08:00:00.5Z", "2024-2-20 8:00", "20240220080000"]
    wanted = datetime(2024, 2, 20, 8, tzinfo=UTC).timestamp()
    assert times(column(texts), None).values.tolist() == [wanted, wanted + 0.5, wanted, wanted]
    named = ["20 févr. 2024", "20. Februar 2024", "20 de febrero de 2024", "20FEB2024:08:00:00"]
    assert [value // 86_400 for value in times(column(named), None).values] == [wanted // 86_400] * 4


def test_several_ways_in_one_column_and_what_is_no_date_are_refused() -> None:
    mixed = ["20/02/2024"] * 5 + ["45342"] * 5
    with pytest.raises(UserError, match=r"several ways \(5 as numbers with the year last and 5 as Excel's"):
        times(column(mixed), None)
    for texts in (["surgery"] * 4, ["2024-13-40"] * 4, ["10.5"] * 4, [""] * 3):
        with pytest.raises(UserError, match="cannot be read as dates"):
            times(column(texts), None)
    with pytest.raises(UserError, match="--dates iso was given"):
        times(column(["20/02/2024"]), "iso")
    with pytest.raises(UserError, match="has the year first, but --dates day-first"):
        times(column(["2024-02-20"]), "day-first")
    with pytest.raises(UserError, match="--dates must be one of"):
        Words("again", "mrn", dates="dmy")


def test_few_dates_that_are_none_are_missing_and_counted() -> None:
    texts = ["20/02/2024"] * 39 + ["31/02/2024"]
    read = times(column(texts), None)
    assert int(np.isnan(read.values).sum()) == 1
    assert "1 not understood and so missing" in read.read_as


def test_years_of_two_digits_that_may_come_first_are_refused() -> None:
    texts = [f"23-08-{day:02d}" for day in range(1, 31)]
    with pytest.raises(UserError, match="does not show whether"):
        times(column(texts), None)


def test_a_type_of_the_file_is_taken() -> None:
    series = pd.Series(np.array(["2024-02-20", "NaT"], dtype="datetime64[us]"), name="left on")
    assert times(series, None).order is None
    assert times(series, None).values[0] == datetime(2024, 2, 20, tzinfo=UTC).timestamp()
