"""Fresh features are those of the batch, to the last bit: the same record, the same moment, the same functions."""

import functools
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from model.curated import curated_tables
from model.curated.run import ingest
from model.definitions.features import definitions
from model.deid.subject import Subject, secret_input
from model.features.build import build, build_as_of
from model.features.feature_file import load
from model.synthesis.run import synthesize
from services.care.fresh.features import FeatureSource, FreshFeatures, one_patient
from services.care.fresh.history import Edition, History
from services.care.fresh.patient_record import PatientRecord
from tests.support.care.discharges import Stay, stays, write_record
from tests.support.model.model_world import RING

pytestmark = pytest.mark.process
HOSPITAL = "north"
SOURCE = FeatureSource(HOSPITAL, lambda _version: RING)
NAMES = definitions().names


@functools.cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="fresh-world-")


@functools.cache
def population() -> list[Stay]:
    folder = Path(_folder().name) / "fhir"
    synthesize(patients=40, seed=3, out=str(folder))
    return stays(folder)


@functools.cache
def edition() -> Edition:
    """Give the curated tables of everything, which know more than any moment does."""
    population()
    curated = Path(_folder().name) / "curated"
    ingest(str(Path(_folder().name) / "fhir"), hospital=HOSPITAL, out=str(curated), ring=RING)
    found = History(str(curated), HOSPITAL).edition()
    assert found is not None
    return found


def some_stays() -> list[Stay]:
    """Return stays of different patients, some with others before them."""
    edition()
    population_ = population()
    later = [
        stay for number, stay in enumerate(population_) if number and population_[number - 1].patient is stay.patient
    ]
    return [*later[:2], population_[-1]]


def subject(stay: Stay) -> Subject:
    return Subject(RING.secrets([secret_input(HOSPITAL, stay.patient["id"])])[0])


def history(stay: Stay, until: datetime, folder: Path) -> Edition:
    """Give the curated tables that a night's ingestion made of the patient's record at a moment."""
    write_record(folder / "fhir", stay.known_at(until))
    ingest(
        str(folder / "fhir"),
        hospital=HOSPITAL,
        out=str(folder / "curated"),
        ring=RING,
        max_bad_share=1.0,
        limits=_NO_LIMITS,
    )
    found = History(str(folder / "curated"), HOSPITAL).edition()
    assert found is not None
    return found


_NO_LIMITS = {name: 1.0 for name in ("Encounter.implausible-date", "Encounter.no-date")}


def test_at_a_discharge_they_are_the_row_of_the_batch() -> None:
    edition()
    out = f"{_folder().name}/features.parquet"
    build(f"{_folder().name}/curated", out=out)
    rows = {(row["index_id"], row["discharged_at"]): row for row in load(out)[0].to_pylist()}
    compared = 0
    for stay in population():
        own = subject(stay)
        # Of stays with one encounter the record at its end is that of the discharge.
        row = rows.get((own.pseudonym("Encounter", stay.encounter["id"]), stay.end + own.shift))
        if row is not None and compared < 3:
            found = SOURCE.features(stay.record(stay.end), None, stay.end)
            assert found.fresh
            assert found.encounter == row["index_id"]
            assert found.features == {name: row[name] for name in NAMES}
            assert found.as_of_hours == 0.0
            compared += 1
    assert compared == 3


@pytest.mark.parametrize("number", range(3))
def test_an_open_stay_is_scored_as_of_now_as_the_batch_does(number: int, tmp_path: Path) -> None:
    stay = some_stays()[number]
    now = stay.start + (stay.end - stay.start) * 0.7
    at = now + subject(stay).shift
    patient = subject(stay).pseudonym("Patient", stay.patient["id"])
    out = str(tmp_path / "batch.parquet")
    batch = build_as_of(f"{_folder().name}/curated", out=out, at=at.isoformat(), patient=patient)
    # Fresh: last night's tables, which know nothing of the stay, and the record of this moment.
    before = history(stay, stay.start - timedelta(hours=1), tmp_path)
    found = SOURCE.features(stay.record(now), before, now)
    assert found.features == batch.features
    assert found.feed_hours == batch.freshness
    # The same from today's records alone, joined with the history of the days before.
    today = [one for one in stay.known_at(now) if one not in stay.known_at(stay.start - timedelta(hours=1))]
    partial = PatientRecord(stay.patient["id"], stay.encounter["id"], [stay.patient, *today])
    assert SOURCE.features(partial, before, now).features == batch.features


def test_what_the_record_says_again_counts_once(tmp_path: Path) -> None:
    stay = some_stays()[0]
    now = stay.start + (stay.end - stay.start) * 0.5
    alone = SOURCE.features(stay.record(now), None, now)
    again = SOURCE.features(stay.record(now), history(stay, now, tmp_path), now)
    assert again.features == alone.features


def test_a_record_that_was_withdrawn_since_the_night_does_not_count(tmp_path: Path) -> None:
    stay = some_stays()[0]
    now = stay.start + (stay.end - stay.start) * 0.5
    record = stay.record(now)
    encounters = [one for one in record.resources if one["resourceType"] == "Encounter"]
    others = [one for one in encounters if one["id"] != stay.encounter["id"]]
    withdrawn = {one["id"] for one in others}
    changed = [one | {"status": "entered-in-error"} if one["id"] in withdrawn else one for one in record.resources]
    later = PatientRecord(record.patient_id, record.encounter_id, changed)
    found = SOURCE.features(later, history(stay, now, tmp_path), now)
    without = [one for one in record.resources if one["id"] not in withdrawn]
    expected = SOURCE.features(PatientRecord(record.patient_id, record.encounter_id, without), None, now)
    assert found.features == expected.features


def test_without_a_record_the_history_answers_and_says_how_old_it_is(tmp_path: Path) -> None:
    stay = some_stays()[0]
    night = stay.start + (stay.end - stay.start) * 0.3
    now = night + timedelta(hours=10)
    empty = PatientRecord(stay.patient["id"], stay.encounter["id"], [], ("patient", "encounter"))
    found = SOURCE.features(empty, history(stay, night, tmp_path), now)
    assert not found.fresh
    assert found.features is not None
    assert found.newest_at is not None
    assert found.newest_at <= night
    assert found.as_of_hours == pytest.approx((now - found.newest_at).total_seconds() / 3600)


def test_patients_in_sequence_and_at_once_get_the_features_that_each_has_alone() -> None:
    several = some_stays()
    assert len({stay.patient["id"] for stay in several}) > 1
    moments = [(stay, stay.start + (stay.end - stay.start) * share) for stay in several for share in (0.3, 0.9)]

    def found(of: tuple[Stay, datetime]) -> FreshFeatures:
        stay, now = of
        return SOURCE.features(stay.record(now), edition(), now)

    alone = [_in_a_new_process_state(found, of) for of in moments]
    assert len({str(one.features) for one in alone}) == len(moments)
    assert [found(of) for of in reversed(moments)] == alone[::-1]
    with ThreadPoolExecutor(len(moments)) as threads:
        assert list(threads.map(found, moments * 2)) == alone * 2


def _in_a_new_process_state(found: Callable[[tuple[Stay, datetime]], FreshFeatures], of: Any) -> FreshFeatures:
    """Compute with a database in which no patient was before."""
    one_patient.cache_clear()
    return found(of)


def test_a_patient_whom_nobody_knows_has_no_features() -> None:
    edition()
    nobody = PatientRecord("nobody", "nothing", [], ("patient", "encounter"))
    found = SOURCE.features(nobody, edition(), datetime.fromisoformat("2024-05-01T00:00:00+00:00"))
    assert (found.features, found.excluded, found.newest_at) == (None, "no-record", None)
    assert SOURCE.features(nobody, None, found.newest_at or datetime.now().astimezone()).excluded == "no-record"


def test_an_encounter_that_is_no_stay_has_no_features(tmp_path: Path) -> None:
    stay = some_stays()[0]
    visits = [one for one in stay.resources if one["resourceType"] == "Encounter" and one["class"]["code"] == "AMB"]
    visit = PatientRecord(stay.patient["id"], visits[0]["id"], [stay.patient, visits[0]])
    end = datetime.fromisoformat(visits[0]["period"]["end"])
    found = SOURCE.features(visit, None, end)
    assert (found.features, found.excluded) == (None, "no-inpatient-stay")


def test_a_record_that_cannot_be_read_is_as_none(tmp_path: Path) -> None:
    stay = some_stays()[0]
    broken = PatientRecord(stay.patient["id"], stay.encounter["id"], [{"resourceType": "Patient", "id": "x"}])
    assert SOURCE.features(broken, None, stay.end).excluded == "no-record"


def test_the_newest_edition_is_used_and_an_unreadable_one_is_not(tmp_path: Path) -> None:
    stay = some_stays()[0]
    first = history(stay, stay.start, tmp_path)
    reader = History(str(tmp_path / "curated"), HOSPITAL, check_seconds=0)
    assert reader.edition() is not None
    second = history(stay, stay.end, tmp_path)
    found = reader.edition()
    assert found is not None
    assert found.manifest == second.manifest != first.manifest
    (tmp_path / "curated" / "hospital=north" / curated_tables.MANIFEST).write_text("{")
    assert reader.edition() == found
    assert History(str(tmp_path / "nothing"), HOSPITAL).edition() is None
