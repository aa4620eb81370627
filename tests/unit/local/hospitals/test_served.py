"""What a user sees of a model that was not evaluated at the end of ``make up``."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local import screen
from local.hospitals import served
from local.hospitals.rollout import HospitalSummary, Summary
from local.hospitals.served import remark
from local.paths import Home

WHY = "2 readmissions among the test discharges, 10 needed"
UNKNOWN: dict[str, Any] = {"roc_auc": None, "evaluation": {"roc_auc": None, "not_evaluated": WHY}}
KNOWN: dict[str, Any] = {"roc_auc": 0.7, "evaluation": {"roc_auc": {"value": 0.7}, "not_evaluated": ""}}


@pytest.fixture
def screened(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what is printed on the screen."""
    found = io.StringIO()
    monkeypatch.setattr(screen, "Console", lambda **_: Console(file=found, width=200, highlight=False))
    return found


def summary(metrics: dict[str, Any]) -> Summary:
    return Summary({}, (HospitalSummary("north", "v1@0123456789ab", "https://north", metrics),))


def home(folder: Path) -> Home:
    (folder / "run").mkdir()
    return Home(folder)


def test_a_summary_says_what_was_not_evaluated(screened: io.StringIO, tmp_path: Path) -> None:
    screen.show(summary(UNKNOWN), home(tmp_path))
    assert f"not evaluated: {WHY}" in screened.getvalue()


def test_a_summary_of_a_model_that_was_judged_says_nothing_of_it(screened: io.StringIO, tmp_path: Path) -> None:
    screen.show(summary(KNOWN), home(tmp_path))
    assert "not evaluated" not in screened.getvalue()


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (UNKNOWN, f"not evaluated: {WHY}"),
        (KNOWN, ""),
        ({"roc_auc": 0.7, "evaluation": {"roc_auc": {"value": 0.7}}}, ""),
        ({"roc_auc": None, "evaluation": {"roc_auc": None}}, "not evaluated: ROC-AUC cannot be told"),
        ({}, "not evaluated: ROC-AUC cannot be told"),
    ],
)
def test_releases_from_before_are_told_by_their_figures(metrics: dict[str, Any], said: str) -> None:
    assert remark(metrics) == said


def test_no_model_is_asked_for_where_nothing_was_ever_deployed(tmp_path: Any) -> None:
    assert served.served(Home(tmp_path)) == []
