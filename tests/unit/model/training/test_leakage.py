"""A feature that alone tells far more than all others is refused until the owner of the table accepts it by name."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from model.dataset.columns import Column
from model.dataset.dataset import Dataset, Floats
from model.errors import GateError, UserError
from model.metrics.suspect import Suspect
from model.training.leakage import Alone, accept, alone, measured, no_copy, refuse_suspects, suspects

OWNER = "data-owner:C. Miller"
LACE = 0.62


def areas(*values: float, lace: float = LACE, window: str = "") -> Alone:
    columns = tuple(Column(f"f{place}", window=window) for place in range(len(values)))
    return Alone(columns, values, lace)


def named(found: Alone) -> list[str]:
    return [suspect.feature for suspect in suspects(found)]


USUAL = (0.63, 0.61, 0.6, 0.58, 0.55, 0.54, 0.52, 0.51, 0.5, 0.5)


@pytest.mark.parametrize("leak", [0.77, 0.85, 0.9, 0.948, 0.979])
def test_one_feature_far_above_all_others_is_a_suspect(leak: float) -> None:
    (found,) = suspects(areas(*USUAL, leak))
    assert (found.feature, found.roc_auc, found.others) == ("f10", leak, 0.63)
    assert "nothing declares that it was known at discharge" in found.text


def test_copies_of_a_leak_do_not_hide_each_other() -> None:
    assert named(areas(*USUAL, 0.948, 0.948)) == ["f10", "f11"]
    assert named(areas(*USUAL, 0.95, 0.8)) == ["f10", "f11"]


def test_a_staircase_of_leaks_is_seen_from_what_the_data_is_like() -> None:
    assert named(areas(*USUAL, 0.95, 0.88, 0.81, 0.76, 0.7)) == ["f10", "f11", "f12"]


@pytest.mark.parametrize(
    "found",
    [
        areas(*USUAL),
        areas(*USUAL, 0.74),
        areas(0.82, 0.8, 0.79, 0.78, 0.76, 0.74, 0.7, 0.66, 0.6, 0.55),
        areas(*USUAL, 0.79, lace=0.74),
        areas(0.5),
        areas(),
    ],
)
def test_features_that_are_no_outliers_are_none(found: Alone) -> None:
    assert named(found) == []


def test_a_feature_whose_definition_says_when_it_is_of_may_lead_by_more() -> None:
    assert named(areas(*USUAL, 0.76)) == ["f10"]
    assert named(areas(*USUAL, 0.76, window="the day before discharge")) == []
    (found,) = suspects(areas(*USUAL, 0.9, window="the day before discharge"))
    assert "its definition says: the day before discharge" in found.text


def population(seed: int, strength: float, shape: int) -> tuple[Dataset, float]:
    """Return discharges with ordinary features and one of a strength, and the area that theory gives it."""
    chance = np.random.default_rng(seed)
    rows = 1500
    label = (chance.random(rows) < 0.2).astype(np.int64)
    usual = [chance.normal(size=rows) + shift * label for shift in (0.1, 0.2, 0.3, 0.4, 0.0, 0.0, 0.0)]
    leak: Floats = chance.normal(size=rows) + strength * label
    # The same order of the discharges, as hospitals write such columns.
    leak = (leak, np.exp(leak), -leak, rankdata(leak), np.round(leak * 4))[shape]
    leak[chance.random(rows) < 0.05] = np.nan
    data = Dataset(
        names=(*(f"f{place}" for place in range(len(usual))), "leak"),
        values=np.column_stack([*usual, leak]),
        label=label,
        patient=chance.integers(0, 900, rows).astype(str),
        baseline=np.full(rows, np.nan),
        time=None,
        groups={},
        later=np.zeros(rows, dtype=bool),
    )
    # Two normal distributions of one width, apart by the strength; a twentieth of the values is missing.
    return data, 0.95 * float(norm.cdf(strength / np.sqrt(2))) + 0.05 * 0.5


def test_fifty_populations_with_and_without_a_leak() -> None:
    for seed in range(50):
        strength = (0.3, 2.3)[seed % 2]
        data, area = population(seed, strength, seed % 5)
        columns = tuple(Column(name) for name in data.names)
        found = suspects(measured(data, columns))
        assert [suspect.feature for suspect in found] == (["leak"] if area > 0.9 else [])


def test_lace_is_part_of_what_is_known() -> None:
    data, _ = population(1, 2.3, 0)
    columns = tuple(Column(name) for name in data.names)
    leading = replace(data, baseline=np.nan_to_num(data.column("leak")))
    assert suspects(measured(leading, columns)) == ()


def test_nobody_s_suspect_is_refused_with_what_to_do() -> None:
    found = suspects(areas(*USUAL, 0.948))
    with pytest.raises(GateError, match=r"f10 \(ROC-AUC 0\.948 alone, the others at most 0\.630.*--accept-feature f10"):
        refuse_suspects(found, "development")


def test_the_owner_accepts_by_name_with_a_reason() -> None:
    found = areas(*USUAL, 0.95, 0.8)
    accepted = accept(suspects(found), ["f10"], found.columns, by=OWNER, reason="the triage score of the ward")
    assert [suspect.accepted_by for suspect in accepted] == [OWNER, ""]
    with pytest.raises(GateError, match=r"--without f11,"):
        refuse_suspects(accepted, "clinical")
    both = accept(suspects(found), ["f10", "f11"], found.columns, by=OWNER, reason="known")
    refuse_suspects(both, "clinical")


@pytest.mark.parametrize(
    ("names", "by", "reason", "said"),
    [
        (["f10"], None, "known", "needs --accept-feature NAME, --accepted-by ROLE:NAME and --reason TEXT"),
        (["f10"], OWNER, " ", "needs --accept-feature"),
        ([], OWNER, "known", "needs --accept-feature"),
        (["f10"], "C. Miller", "known", "--accepted-by must be ROLE:NAME"),
        (["f99"], OWNER, "known", "Unknown feature f99 in --accept-feature; did you mean f9"),
    ],
)
def test_an_acceptance_without_name_or_reason_is_one_sentence(
    names: list[str], by: str | None, reason: str | None, said: str
) -> None:
    found = areas(*USUAL, 0.948)
    with pytest.raises(UserError, match=said):
        accept(suspects(found), names, found.columns, by=by, reason=reason)


def test_a_copy_of_the_outcome_cannot_be_accepted() -> None:
    with pytest.raises(GateError, match="f10 alone predicts the outcome"):
        no_copy(areas(*USUAL, 0.99))


def test_a_suspect_survives_the_run_that_keeps_it() -> None:
    assert Suspect(**vars(Suspect("f", 0.9, 0.6, "", OWNER, "known"))).accepted_by == OWNER


def test_a_column_of_one_value_tells_nothing() -> None:
    data, _ = population(3, 0.3, 0)
    assert alone(np.full(len(data), np.nan), data.label, data.patient) == pytest.approx(0.5, abs=0.05)
