"""The synthetic population of a hospital: of the day of the first run, with the units of its entry."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Barrier

import pytest

from local.errors import UserError
from local.hospitals import patient_record, population
from local.paths import Home

pytestmark = pytest.mark.process

NORTH = {"name": "north", "units": ["cardiology", "internal-medicine"]}


def silent(_: str) -> None:
    pass


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(population, "PATIENTS", 40)
    return Home(tmp_path / "home")


def test_the_day_is_that_of_the_first_call(home: Home) -> None:
    first = population.last_day(home)
    (home.root / "populations" / "last-day").write_text("2026-11-29")
    assert (first - date.today()).days in (-1, 0, 1)
    assert population.last_day(home) == date(2026, 11, 29)


def test_hospitals_in_parallel_get_the_same_day(home: Home) -> None:
    start = Barrier(8)

    def ask(_: int) -> date:
        start.wait()
        return population.last_day(home)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


def test_it_has_the_units_of_the_entry_and_a_stay_that_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population, "PATIENTS", 300)
    said: list[str] = []
    folder = population.synthesized(home, NORTH, said.append)
    assert population.synthesized(home, NORTH, said.append) == folder
    assert said == ["north: synthesizing 300 patients"]
    text = "".join(path.read_text() for path in folder.iterdir())
    assert {name: f'"{name}"' in text for name in ("Cardiology", "Internal Medicine", "Surgery")} == {
        "Cardiology": True,
        "Internal Medicine": True,
        "Surgery": False,
    }
    assert patient_record.choose(sorted(folder.iterdir())).ongoing


def test_a_changed_entry_replaces_the_population_of_its_hospital_alone(home: Home) -> None:
    former = population.synthesized(home, NORTH, silent)
    other = population.synthesized(home, {"name": "far-north"}, silent)
    now = population.synthesized(home, {"name": "north"}, silent)
    assert now != former
    assert (former.exists(), other.exists(), now.exists()) == (False, True, True)


def test_a_failure_is_one_sentence(home: Home) -> None:
    with pytest.raises(UserError, match=r"population of north could not be synthesized: .*--units"):
        population.synthesized(home, {"name": "north", "units": [" ", "x"]}, silent)


def test_bundles_of_the_user_stay_the_source(home: Home, tmp_path: Path) -> None:
    # Before the folder was noted, the number of files tells.
    assert [population.is_own(home, "north", files) for files in (0, 40, 7)] == [False, False, True]
    synthetic = population.source(home, NORTH)
    population.set_source(home, "north", synthetic)
    assert not population.is_own(home, "north", 7)
    own = tmp_path / "own"
    own.mkdir()
    (own / "patient.json").write_text(json.dumps({"resourceType": "Patient", "id": "p"}))
    population.set_source(home, "north", own)
    assert population.is_own(home, "north", 40)
    assert population.source(home, NORTH) == own
