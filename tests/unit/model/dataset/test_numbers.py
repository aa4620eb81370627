"""How numbers are written: fifty random columns of each kind, whose true values are known before they are written."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model.dataset.columns import NumberFormat
from model.dataset.tables import Described, Rows, Words, describe, numbers
from model.errors import UserError

ROWS = 200
WORDS = Words(label="again", patient="mrn")
VARIANTS = range(50)


def described(texts: list[str], *, name: str = "lab", words: Words = WORDS) -> Described | str:
    everything = np.ones(len(texts), dtype=bool)
    patient = np.array([f"P{i}" for i in range(len(texts))])
    return describe(pd.Series(texts, name=name, dtype=object), Rows(everything, everything, patient), words)


def values(texts: list[str], **options: Any) -> list[float]:
    found = described(texts, **options)
    assert isinstance(found, Described), found
    assert found.column.kind == "numeric", found.read_as
    # What is stored of the format reads each text alone as the whole column was read.
    again = NumberFormat.of({**vars(found.column.written)})
    alone = [numbers.read(text, again) for text in texts]
    kept = [value if value not in again.sentinels else np.nan for value in alone]
    assert np.array_equal(kept, found.values, equal_nan=True)
    return [float(value) for value in found.values]


def grouped(digits: str, mark: str) -> str:
    head = len(digits) % 3 or 3
    return mark.join([digits[:head], *(digits[i : i + 3] for i in range(head, len(digits), 3))])


def written(value: float, decimals: int, decimal: str, thousands: str) -> str:
    whole, _, rest = f"{abs(value):.{decimals}f}".partition(".")
    sign = "-" if value < 0 else ""
    return sign + grouped(whole, thousands) + (f"{decimal}{rest}" if rest else "")


@pytest.mark.parametrize("seed", VARIANTS)
def test_decimal_marks_and_thousands_separators(seed: int) -> None:
    chance = np.random.default_rng(seed)
    decimal = str(chance.choice([".", ","]))
    thousands = str(chance.choice(["", "," if decimal == "." else ".", " ", "'", "\u202f"]))
    decimals = int(chance.choice([1, 2, 4]))
    true = np.round(chance.lognormal(float(chance.choice([1.0, 5.0, 9.0])), 1.2, ROWS), decimals)
    true *= chance.choice([1.0, -1.0], ROWS) if seed % 3 == 0 else 1.0
    texts = [written(value, decimals, decimal, thousands) for value in true]
    assert values(texts) == pytest.approx(true.tolist(), abs=1e-9)


@pytest.mark.parametrize("seed", VARIANTS)
def test_whole_numbers_over_a_thousand_beside_those_under_it(seed: int) -> None:
    chance = np.random.default_rng(seed)
    mark = str(chance.choice([".", ",", " ", "'"]))
    low, high = [(300, 1500), (50, 5000), (100, 40_000), (150, 9_000_000)][seed % 4]
    true = np.repeat(np.r_[chance.integers(low, high, ROWS), chance.integers(100, 999, ROWS // 3)], 3)
    assert values([grouped(str(value), mark) for value in true]) == true.tolist()


@pytest.mark.parametrize("seed", VARIANTS)
def test_three_digits_after_every_mark_are_refused_unless_a_person_says_what_it_is(seed: int) -> None:
    chance = np.random.default_rng(seed)
    mark = str(chance.choice([".", ","]))
    thousandths = chance.integers(1001, 9999, ROWS)
    texts = [f"{v // 1000}{mark}{v % 1000:03d}" for v in thousandths]
    with pytest.raises(UserError, match=r"The column lab does not show .* --decimal point or --decimal comma"):
        described(texts)
    same, other = ("point", "comma") if mark == "." else ("comma", "point")
    decimals = values(texts, words=Words("again", "mrn", decimal=(other, f"lab={same}")))
    assert decimals == pytest.approx((thousandths / 1000).tolist())
    assert values(texts, words=Words("again", "mrn", decimal=(other,))) == thousandths.tolist()


@pytest.mark.parametrize("seed", VARIANTS)
def test_columns_that_contradict_themselves_or_the_option_are_refused_with_counts(seed: int) -> None:
    chance = np.random.default_rng(seed)
    points = int(chance.integers(30, 170))
    texts = [f"{v:.1f}" for v in chance.normal(138, 4, ROWS)]
    texts = [text if i < points else text.replace(".", ",") for i, text in enumerate(texts)]
    with pytest.raises(UserError, match=rf"{points} values with a decimal point and {ROWS - points} values with a"):
        described(texts)
    with pytest.raises(UserError, match=rf"{ROWS - points} values with a decimal comma, but --decimal point was given"):
        described(texts, words=Words("again", "mrn", decimal=("point",)))


@pytest.mark.parametrize("seed", VARIANTS)
def test_limits_percentages_and_words_for_missing(seed: int) -> None:
    chance = np.random.default_rng(seed)
    decimal, decimals = str(chance.choice([".", ","])), int(chance.choice([1, 2]))
    least, most = 0.5, float(chance.choice([90.0, 200.0]))
    true = np.clip(np.round(chance.lognormal(2.5, 1.5, ROWS), decimals), least, most)
    less, more = str(chance.choice(["<", "< ", "<=", "≤"])), str(chance.choice([">", "> ", ">=", "≥"]))
    sign = str(chance.choice(["", "%", " %"]))
    texts = [f"{value:.{decimals}f}".replace(".", decimal) for value in true]
    texts = [
        (less if value == least else more if value == most else "") + text + sign
        for text, value in zip(texts, true, strict=True)
    ]
    at_limit = int(((true == least) | (true == most)).sum())
    gone = chance.random(ROWS) < 0.2
    words = chance.choice(["unknown", "NULL", "#N/A", "#DIV/0!", ".", "", "not done"], ROWS)
    texts = [str(word) if out else text for text, out, word in zip(texts, gone, words, strict=True)]
    found = described(texts)
    assert isinstance(found, Described)
    assert found.column.kind == "numeric"
    assert np.array_equal(found.values, np.where(gone, np.nan, true), equal_nan=True)
    at_limit = int((~gone & ((true == least) | (true == most))).sum())
    assert (f"{at_limit} value" in found.read_as) == (at_limit > 0)
    assert ("45% is 45" in found.read_as) == bool(sign)
    assert ("of unknown" in found.read_as) == any(text == "unknown" for text in texts)


@pytest.mark.parametrize("seed", VARIANTS)
def test_sentinels_are_missing_and_counted(seed: int) -> None:
    chance = np.random.default_rng(seed)
    sentinel = float(chance.choice([-9, -99, -999, -9999, 999, 9999, 99999]))
    true = np.round(np.clip(chance.normal(2.5, 1, ROWS), 0.2, 9), 1)
    gone = chance.random(ROWS) < chance.choice([0.02, 0.4, 0.9])
    gone[:2] = True, False
    comma = seed % 2 == 0
    form = str(chance.choice(["{:.1f}", "{:g}"]))
    texts = [form.format(sentinel) if out else f"{value:.1f}" for value, out in zip(true, gone, strict=True)]
    texts = [text.replace(".", ",") if comma else text for text in texts]
    found = described(texts)
    assert isinstance(found, Described)
    assert np.array_equal(found.values, np.where(gone, np.nan, true), equal_nan=True)
    count = int(gone.sum())
    assert f"{count} value{'s' if count > 1 else ''} of {sentinel:g} mean missing" in found.read_as


@pytest.mark.parametrize(
    ("true", "sentinels"),
    [
        ([-20, -9, -3, 0, 4, 11], ()),
        ([60, 250, 999, 998, 870], ()),
        ([20, 45, 88, 97, 99], ()),
        ([-20, -9, -3, 0, -999], (-999,)),
        ([5, 300, 2000, 8000, *[9999] * 6], (9999,)),
        ([0, 1, 1, 0, 99], (99,)),
        ([-999, -999], ()),
    ],
)
def test_a_number_within_the_others_is_no_sentinel(true: list[float], sentinels: tuple[float, ...]) -> None:
    assert numbers.sentinels(Counter(map(float, true))) == sentinels


@pytest.mark.parametrize("seed", VARIANTS)
def test_a_share_that_is_not_understood_is_counted_or_keeps_the_column_from_being_numbers(seed: int) -> None:
    chance = np.random.default_rng(seed)
    texts = [f"{v:.1f}" for v in chance.normal(138, 4, ROWS)]
    odd = int(chance.integers(1, 60))
    for place in chance.choice(ROWS, odd, replace=False):
        texts[place] = str(chance.choice(["hemolysed", "see note", "12.3.4", "5-10"]))
    found = described(texts)
    if odd <= 10:
        assert isinstance(found, Described)
        assert found.column.kind == "numeric"
        assert f"{odd} of {ROWS} values are not understood and so missing" in found.read_as
        assert int(np.isnan(found.values).sum()) == odd
    else:
        assert isinstance(found, str)
        assert "not understood as numbers" in found


@pytest.mark.parametrize("seed", VARIANTS)
def test_codes_that_look_like_numbers_are_names(seed: int) -> None:
    chance = np.random.default_rng(seed)
    icd = ["250.00", "038.9", "401.9", "428.0", "786.50", "V58.61", "E888.9", "410.71", "008.45", "780.60"]
    kinds = {
        "dx": [code for code in icd if code[0].isdigit()],
        "problem": icd,
        "finding": ["250.00", "401.9", "428.0", "786.50", "780.60"],
        "region": ["02139", "10001", "94110", "01230"],
        "ward_id": ["1", "2", "30", "41"],
        "drgCode": ["470", "871", "291"],
        "zip3": ["100", "941", "606"],
        "Entlassungs-PLZ": ["10115", "80331"],
    }
    name = list(kinds)[seed % len(kinds)]
    texts = [str(code) for code in chance.permutation(np.tile(kinds[name], 20))]
    found = described(texts, name=name)
    assert isinstance(found, Described)
    assert found.column.kind == "category"
    assert "codes" in found.read_as
    assert [found.column.categories[int(code)] for code in found.values] == texts


@pytest.mark.parametrize(
    "name", ["number_diagnoses", "days_since_dx", "age_at_diagnosis", "num_medications", "code_count", "charlson"]
)
def test_counts_and_times_of_codes_are_numbers(name: str) -> None:
    assert values([str(i % 12) for i in range(ROWS)], name=name) == [float(i % 12) for i in range(ROWS)]


def test_a_type_of_the_file_is_not_questioned() -> None:
    everything = np.ones(4, dtype=bool)
    typed = pd.Series([1.5, -999.0, 2.5, 3.5], name="zip_code")
    found = describe(typed, Rows(everything, everything, np.arange(4)), WORDS)
    assert isinstance(found, Described)
    assert found.values.tolist() == [1.5, -999.0, 2.5, 3.5]
    assert "--missing=-999" in found.read_as
    asked = describe(typed, Rows(everything, everything, np.arange(4)), Words("again", "mrn", missing=("-999",)))
    assert isinstance(asked, Described)
    assert np.isnan(asked.values[1])
    assert asked.column.written.sentinels == (-999.0,)


def test_formats_of_runs_and_releases_of_before_are_read_as_before() -> None:
    assert [numbers.read(text, NumberFormat.of(",")) for text in ("1,5", "1.5")] == [1.5, 1.5]
    assert numbers.read("1.5", NumberFormat.of(".")) == 1.5
    assert np.isnan(numbers.read("1,5", NumberFormat.of(".")))
    assert [numbers.read(text, NumberFormat.of("true")) for text in ("True", "false")] == [1.0, 0.0]
