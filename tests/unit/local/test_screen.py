"""The end of ``make up`` fits one screen, however many hospitals there are and whatever they say."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local import screen
from local.hospitals.discharge import Card
from local.hospitals.rollout import HospitalSummary, Summary
from local.paths import Home
from local.screen import within

LINES, COLUMNS = 50, 120
LONG = "estimated glomerular filtration rate of the last measurement " * 8


def hospital(number: int, **score: Any) -> HospitalSummary:
    name = f"hospital-{number:012}"
    answer = {"patient": "v1-" + "f" * 60, "risk": 0.1234, "decision": "medium", "return_days": 30, **score}
    answer |= {
        "reasons": [{"text": LONG}, {"text": "age: 70 [years], raises the risk"}, {"text": LONG}, {"text": LONG}]
    }
    metrics = {"roc_auc": 0.7, "lace_roc_auc": None, "pr_auc": 0.4, "brier": 0.1, "calibration_slope": 1.0}
    return HospitalSummary(name, "v1@0123456789ab", f"http://{name}.svc.cluster.local", metrics, answer)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 25, 26, 400])
def test_it_fits_and_names_the_file_with_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int) -> None:
    seen = io.StringIO()
    monkeypatch.setattr(screen, "Console", lambda **_: Console(file=seen, width=COLUMNS, highlight=False))
    (tmp_path / "run").mkdir()
    summary = Summary(
        dict.fromkeys(("Kubernetes", "OpenBao", "AWS", "FHIR"), "https://172.31.250.1:6443"),
        tuple(hospital(number, caution=LONG if number % 2 else "") for number in range(count)),
    )
    screen.show(summary, Home(tmp_path))
    lines = seen.getvalue().splitlines()
    file = tmp_path / "run" / "summary.json"
    assert len(lines) <= LINES
    assert [line for line in lines if len(line) > COLUMNS and str(tmp_path) not in line] == []
    assert str(file) in seen.getvalue()
    assert len(json.loads(file.read_text())["hospitals"]) == count
    assert file.stat().st_mode & 0o077 == 0
    if 0 < count <= 2:
        assert "age: 70 [years], raises the risk" in seen.getvalue()
        assert "risk 0.123 within 30 days (medium)" in seen.getvalue()
    if count > 25:
        assert f"and {count - 25} more" in seen.getvalue()


def test_a_server_that_names_no_window_is_shown_without() -> None:
    assert within({}) == within({"return_days": None}) == ""


@pytest.mark.parametrize("count", [1, 2, 3, 26])
def test_a_card_is_shown_in_the_score_s_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int) -> None:
    seen = io.StringIO()
    monkeypatch.setattr(screen, "Console", lambda **_: Console(file=seen, width=COLUMNS, highlight=False))
    (tmp_path / "run").mkdir()
    detail = "**Main reasons**\n\n- age: 70 [years]\n- x\n- y\n- z\n\nProposed: " + LONG
    card = Card({"summary": "Readmission within 30 days: 27% (high)", "detail": detail})
    cards = [card if number % 2 == 0 else Card({}, LONG) for number in range(count)]
    hospitals = [
        replace(hospital(number), score={}, card=one, worklist="https://x.localhost:8447")
        for number, one in enumerate(cards)
    ]
    screen.show(Summary({}, tuple(hospitals)), Home(tmp_path))
    shown = seen.getvalue()
    assert len(shown.splitlines()) <= LINES
    assert "Readmission within 30 days: 27% (high)" in shown
    if count <= 2:
        assert "age: 70 [years]" in shown
        assert "- z" not in shown
        assert "worklist  https://x.localhost:8447" in shown
    if count == 2:
        assert "no card: estimated" in shown
    written = json.loads((tmp_path / "run" / "summary.json").read_text())["hospitals"][0]
    assert (written["card"]["content"], written["worklist"]) == (card.content, "https://x.localhost:8447")
