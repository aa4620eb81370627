"""The end of ``make up`` fits one screen, however many hospitals there are and whatever they say."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from local import screen
from local.hospitals.discharge import Card
from local.hospitals.rollout import HospitalSummary, Summary
from local.paths import Home

LINES, COLUMNS = 50, 120
LONG = "estimated glomerular filtration rate of the last measurement " * 8


DETAIL = f"**Main reasons**\n\n- age: 70 [years]\n- {LONG}\n- y\n- z\n\nProposed: {LONG}"
CARD = Card({"summary": "Readmission within 30 days: 27% (high)", "detail": DETAIL})


def hospital(number: int, card: Card | None = CARD) -> HospitalSummary:
    name = f"hospital-{number:012}"
    metrics = {"roc_auc": 0.7, "lace_roc_auc": None, "pr_auc": 0.4, "brier": 0.1, "calibration_slope": 1.0}
    worklist = "https://x.localhost:8447" if card else ""
    return HospitalSummary(name, "v1@0123456789ab", f"https://{name}.svc.cluster.local", metrics, card, worklist)


@pytest.fixture
def screened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> io.StringIO:
    """Return what is printed on the screen."""
    seen = io.StringIO()
    monkeypatch.setattr(screen, "Console", lambda **_: Console(file=seen, width=COLUMNS, highlight=False))
    (tmp_path / "run").mkdir()
    return seen


@pytest.mark.parametrize("count", [0, 1, 2, 3, 25, 26, 400])
def test_it_fits_and_names_the_file_with_the_rest(screened: io.StringIO, tmp_path: Path, count: int) -> None:
    summary = Summary(
        dict.fromkeys(("Kubernetes", "OpenBao", "AWS", "FHIR"), "https://172.31.250.1:6443"),
        tuple(hospital(number) for number in range(count)),
    )
    screen.show(summary, Home(tmp_path))
    lines = screened.getvalue().splitlines()
    file = tmp_path / "run" / "summary.json"
    assert len(lines) <= LINES
    assert [line for line in lines if len(line) > COLUMNS and str(tmp_path) not in line] == []
    assert str(file) in screened.getvalue()
    assert len(json.loads(file.read_text())["hospitals"]) == count
    assert file.stat().st_mode & 0o077 == 0
    if count > 25:
        assert f"and {count - 25} more" in screened.getvalue()


@pytest.mark.parametrize(("count", "text"), [(1, "nobody reaches a score"), (3, "no EHR in its entry")])
def test_a_hospital_without_an_ehr_says_so(screened: io.StringIO, tmp_path: Path, count: int, text: str) -> None:
    screen.show(Summary({}, tuple(hospital(number, None) for number in range(count))), Home(tmp_path))
    assert text in screened.getvalue()
    assert "worklist" not in screened.getvalue()


@pytest.mark.parametrize("count", [1, 2, 3, 26])
def test_the_card_of_a_patient_is_shown(screened: io.StringIO, tmp_path: Path, count: int) -> None:
    cards = [CARD if number % 2 == 0 else Card({}, LONG) for number in range(count)]
    screen.show(Summary({}, tuple(hospital(number, one) for number, one in enumerate(cards))), Home(tmp_path))
    shown = screened.getvalue()
    assert len(shown.splitlines()) <= LINES
    assert "Readmission within 30 days: 27% (high)" in shown
    if count <= 2:
        assert "age: 70 [years]" in shown
        assert "- z" not in shown
        assert "worklist  https://x.localhost:8447" in shown
    if count == 2:
        assert "no card: estimated" in shown
    written = json.loads((tmp_path / "run" / "summary.json").read_text())["hospitals"][0]
    assert (written["card"]["content"], written["worklist"]) == (CARD.content, "https://x.localhost:8447")
