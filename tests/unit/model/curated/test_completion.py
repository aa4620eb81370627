"""Dates of real hospital data: typing errors, days and zones, deaths, follow-up, conditions without dates, ages."""

import hashlib
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from model.errors import UserError
from tests.support.model.fhir_records import (
    LATER,
    Resource,
    answer,
    condition,
    disposition,
    encounter,
    observation,
    order,
    patient,
)

pytestmark = pytest.mark.process

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Brisbane", "Asia/Kolkata", "Pacific/Honolulu")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def z(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stay(who: str, name: str = "e", start: str = "2024-03-01", end: str = "2024-03-05", **more: Any) -> Resource:
    return encounter(who, name, f"{start}T10:00:00Z", f"{end}T10:00:00Z", **more)


def test_fifty_mistyped_years_cost_one_record_each(tmp_path: Path) -> None:
    """A stay whose year is mistyped is left out; the patient's other stays are index discharges all the same."""
    chance = random.Random(1)
    resources, wrong = [*LATER], 0
    for number in range(50):
        who, year = f"p{number}", chance.choice([2204, 2240, 2402, 9999, 2124, 1024, 1924, 2024, 2023])
        typo = encounter(who, "typo", f"{year}-05-01T10:00:00Z", f"{year}-05-03T10:00:00Z")
        resources += [patient(who), stay(who), typo, observation(who, "o", f"{year}-05-02T10:00:00Z", 2.0)]
        wrong += year not in {2023, 2024}
    found = answer(tmp_path, resources, limits={"Encounter.implausible-date": 1, "Observation.implausible-date": 1})
    assert found.ingested.excluded == {"Encounter.implausible-date": wrong, "Observation.implausible-date": wrong}
    assert len(found.rows) == 50 + (50 - wrong)
    assert all(found.of(f"p{number}") for number in range(50))


@pytest.mark.parametrize("years", [-90, 0, 120, 180])
def test_a_population_shifted_as_a_whole_works(years: int, tmp_path: Path) -> None:
    def moved(text: str) -> str:
        return text.replace("2024", str(2024 + years)).replace("1950", str(1950 + years))

    resources = []
    for number in range(30):
        who = f"p{number}"
        resources += [
            patient(who, birthDate=moved("1950-02-03")),
            stay(who, "a", moved("2024-03-01"), moved("2024-03-05")),
            stay(who, "b", moved("2024-03-20"), moved("2024-03-22")),
            encounter(who, "c", moved("2024-06-20T10:00:00Z"), moved("2024-06-20T11:00:00Z"), "AMB"),
        ]
    found = answer(tmp_path, resources)
    assert not found.ingested.excluded
    assert [row["readmitted"] for row in found.of("p3")] == [True, False]
    assert {row["age"] for row in found.rows} == {74.0}


def test_a_year_mistyped_within_a_lifetime_does_not_extend_the_extract(tmp_path: Path) -> None:
    """2034 for 2024 could be the patient's: the silence of all others tells."""
    resources = []
    for number in range(120):
        resources += [patient(f"p{number}"), stay(f"p{number}")]
    resources += [stay("p7", "typo", "2034-03-12", "2034-03-15")]
    found = answer(tmp_path, resources)
    assert found.ingested.excluded == {"Encounter.implausible-date": 1}
    assert {row["readmitted"] for row in found.rows} == {None}


def test_the_newest_update_bounds_the_dates(tmp_path: Path) -> None:
    meta = {"meta": {"lastUpdated": "2024-12-02T00:00:00Z"}}
    later = [one | meta for one in LATER]
    typo = stay("p", "typo", "2025-03-12", "2025-03-15") | meta
    found = answer(tmp_path, [patient("p") | meta, stay("p") | meta, typo, *later])
    assert found.ingested.excluded == {"Encounter.implausible-date": 1}
    shifted = [one | {"meta": {"lastUpdated": "2020-12-02T00:00:00Z"}} for one in [patient("p"), stay("p"), *LATER]]
    assert not answer(tmp_path, shifted).ingested.excluded


def test_a_birth_date_that_all_encounters_contradict_is_the_wrong_one(tmp_path: Path) -> None:
    found = answer(tmp_path, [patient("p", birthDate="2050-02-03"), stay("p"), *LATER])
    assert found.ingested.warnings["Patient.birthDate-implausible"] == 1
    assert found.of("p")[0]["age"] is None


@pytest.mark.parametrize("born", [None, "1950", "1950-02"])
def test_no_age_without_a_day_of_birth(born: str | None, tmp_path: Path) -> None:
    person = {name: value for name, value in patient("p", birthDate=born).items() if value}
    assert answer(tmp_path, [person, stay("p"), *LATER]).of("p")[0]["age"] is None


def test_an_implausible_date_of_death_is_forgotten(tmp_path: Path) -> None:
    found = answer(tmp_path, [patient("p", deceasedDateTime="2204-03-04"), stay("p"), *LATER])
    assert len(found.of("p")) == 1
    assert found.curated("patient", "p")[0]["deceased"] is True
    assert found.curated("patient", "p")[0]["deceased_at"] is None


def test_fifty_days_without_a_time_in_any_zone(tmp_path: Path) -> None:
    """Stays of whole days: the length, and a result on the morning of the day of discharge, in the local zone."""
    chance = random.Random(2)
    for name in ZONES:
        zone, resources, right = ZoneInfo(name), [*LATER], {}
        for number in range(10):
            who, first = f"p{number}", date(2024, 1, 5) + timedelta(days=chance.randrange(200))
            last = first + timedelta(days=chance.randrange(6))
            start = datetime(first.year, first.month, first.day, tzinfo=zone)
            end = datetime(last.year, last.month, last.day, 23, 59, 59, tzinfo=zone)
            morning = datetime(last.year, last.month, last.day, 6, tzinfo=zone)
            resources += [
                patient(who),
                encounter(who, "e", first.isoformat(), last.isoformat()),
                observation(who, "o", z(morning), 3.9),
                order(who, "m", last.isoformat()),
            ]
            right[who] = ((end.astimezone(UTC) - start.astimezone(UTC)).total_seconds() / 86400, 3.9, 1.0)
        found = answer(tmp_path, resources, zone=name)
        assert found.ingested.zone == name
        for who, values in right.items():
            (row,) = found.of(who)
            assert row["stay_days"] == pytest.approx(values[0])
            assert (row["creatinine_last"], row["drugs"]) == values[1:]


@pytest.mark.parametrize(("offset", "said"), [("+10:00", "UTC+10:00"), ("-05:00", "UTC-05:00"), ("Z", "UTC")])
def test_the_zone_is_the_offset_that_timestamps_name(offset: str, said: str, tmp_path: Path) -> None:
    timed = encounter("p", "e", f"2024-03-01T10:00:00{offset}", f"2024-03-05T10:00:00{offset}")
    found = answer(tmp_path, [patient("p"), timed, *LATER])
    assert found.ingested.zone == said
    with pytest.raises(UserError, match="not a time zone"):
        answer(tmp_path, [patient("p"), timed], zone="Mars/Olympus")


def test_a_value_is_known_when_its_period_has_ended(tmp_path: Path) -> None:
    def measured(who: str, start: str | None, end: str | None) -> list[Resource]:
        period = {name: f"2024-03-05T{at}:00:00Z" for name, at in (("start", start), ("end", end)) if at}
        return [patient(who), stay(who), observation(who, "o", None, 2.0, effectivePeriod=period)]

    cases = {
        "before": ("08", "09", 2.0),
        "across": ("08", "18", None),
        "end": (None, "09", 2.0),
        "open": ("08", None, 2.0),
    }
    resources = [one for who, (start, end, _) in cases.items() for one in measured(who, start, end)]
    found = answer(tmp_path, [*resources, *LATER])
    assert {who: found.of(who)[0]["creatinine_last"] for who in cases} == {
        who: right for who, (_, _, right) in cases.items()
    }


def test_fifty_deaths(tmp_path: Path) -> None:
    """A death in the stay, on the local day of its end, or charted within two hours after it: no index discharge."""
    chance, zone = random.Random(3), ZoneInfo("America/New_York")
    resources, right = [*LATER], {}
    for number in range(50):
        who = f"p{number}"
        end = datetime(2024, 3, 5, chance.randrange(24), chance.randrange(60), tzinfo=zone)
        died = end + timedelta(minutes=chance.choice([-3000, -10, 0, 20, 110, 130, 600, 1500, 9000]))
        written = chance.choice([died.isoformat(), z(died), died.date().isoformat()])
        resources += [
            patient(who, deceasedDateTime=written),
            encounter(who, "e", "2024-03-01T10:00:00Z", z(end)),
        ]
        same_day = died.date() <= end.date()
        right[who] = same_day or (len(written) > 10 and died <= end + timedelta(hours=2))
    found = answer(tmp_path, resources, zone="America/New_York")
    assert {who: not found.of(who) for who in right} == right
    assert 10 < sum(right.values()) < 40


@pytest.mark.parametrize(
    ("gone", "index"),
    [
        ({"deceasedDateTime": "2024-03"}, 1),  # the first of two stays was survived
        ({"deceasedDateTime": "2024"}, 1),
        ({"deceasedDateTime": "2024-05"}, 2),
        ({"deceasedBoolean": True}, 2),
        ({"deceasedBoolean": False}, 2),
    ],
)
def test_a_death_without_a_day(gone: Resource, index: int, tmp_path: Path) -> None:
    resources = [patient("p", **gone), stay("p", "a"), stay("p", "b", "2024-03-12", "2024-03-15"), *LATER]
    found = answer(tmp_path, resources)
    assert len(found.of("p")) == index
    assert found.curated("patient", "p")[0]["deceased"] is (gone != {"deceasedBoolean": False})


@pytest.mark.parametrize("minutes", [1, 59, 61, 600, 4000])
def test_organ_procurement_after_a_death_is_no_stay(minutes: int, tmp_path: Path) -> None:
    died = encounter("p", "a", "2024-03-01T10:00:00Z", "2024-03-05T10:00:00Z", **disposition("exp"))
    start = utc("2024-03-05T10:00:00+00:00") + timedelta(minutes=minutes)
    donor = encounter("p", "b", z(start), z(start + timedelta(hours=17)), **disposition("oth"))
    assert not answer(tmp_path, [patient("p"), died, donor, *LATER]).of("p")


def test_a_condition_without_a_date_is_known_from_the_end_of_its_encounter(tmp_path: Path) -> None:
    undated: Resource = {"encounter": {"reference": "Encounter/p-a"}}
    resources = [
        patient("p"),
        stay("p", "before", "2024-01-01", "2024-01-03"),
        stay("p", "a"),
        condition("p", "c", **undated),
        condition("p", "period", "N18.5", onsetPeriod={"start": "2024-03-02"}),
        condition("p", "nowhere", "C34.90"),
        *LATER,
    ]
    found = answer(tmp_path, resources)
    assert [(row["heart_failure"], row["kidney_disease"], row["cancer"]) for row in found.of("p")] == [
        (0, 0, 0),
        (1, 1, 0),
    ]
    assert found.ingested.excluded == {"Condition.no-date": 1}
    still = encounter("p", "a", "2024-03-01T10:00:00Z", None, status="in-progress")
    open_stay = answer(tmp_path, [patient("p"), still, condition("p", "c", **undated), *LATER])
    assert open_stay.ingested.excluded == {"Condition.no-date": 1}


def test_follow_up_ends_with_the_last_day_of_an_encounter(tmp_path: Path) -> None:
    def label(last: str, **options: str) -> Any:
        visit = encounter("q", "z", f"{last}T09:00:00Z", f"{last}T09:30:00Z", "AMB")
        return answer(tmp_path, [patient("p"), stay("p"), patient("q"), visit], **options).of("p")[0]["readmitted"]

    assert [label("2024-04-03"), label("2024-04-04"), label("2024-04-05")] == [None, False, False]
    assert label("2024-03-06", observed_until="2024-04-04") is False
    assert label("2024-04-05", observed_until="2024-04-03") is None


def test_the_expected_end_of_a_stay_that_goes_on_is_no_end(tmp_path: Path) -> None:
    expected = encounter("p", "e", "2024-11-28T10:00:00Z", "2025-06-09T10:00:00Z", status="in-progress")
    forgotten = encounter("q", "e", "2024-03-01T10:00:00Z", "2024-03-05T10:00:00Z", status="in-progress")
    result = observation("q", "o", "2024-04-01T10:00:00Z", 1.0)
    found = answer(tmp_path, [patient("p"), expected, patient("q"), forgotten, result, *LATER])
    assert not found.of("p")
    assert [row["stay_days"] for row in found.of("q")] == [4]
    assert found.ingested.warnings["Encounter.period.end-expected"] == 1


@pytest.mark.parametrize("boarded", [1, 20, 32, 70])
def test_a_visit_that_ends_in_the_admission_is_part_of_it(boarded: int, tmp_path: Path) -> None:
    arrived = utc("2024-03-01T10:00:00+00:00") - timedelta(hours=boarded)
    boarding = encounter("p", "v", z(arrived), "2024-03-01T10:00:00Z", "EMER")
    home_again = encounter("q", "v", z(arrived - timedelta(days=3)), z(arrived - timedelta(days=3, hours=-4)), "EMER")
    found = answer(tmp_path, [patient("p"), boarding, stay("p"), patient("q"), home_again, stay("q"), *LATER])
    assert [(found.of(who)[0]["emergency_admission"], found.of(who)[0]["emergency_visits_6m"]) for who in "pq"] == [
        (1, 0),
        (0, 1),
    ]
    assert found.of("p")[0]["lace"] == found.of("q")[0]["lace"] + 3 - 1


MIMIC = "http://mimic.mit.edu/fhir/mimic"


def mimic_encounter(who: str, name: str, days: tuple[str, str], kind: str, source: str, **more: Any) -> Resource:
    identifier = [{"system": f"{MIMIC}/identifier/encounter-{source}", "value": name}]
    return encounter(
        who, name, f"{days[0]}T10:00:00-05:00", f"{days[1]}T10:00:00-05:00", kind, identifier=identifier, **more
    )


@pytest.mark.parametrize("kind", ["EMER", "OBSENC", "AMB", "SS", "ACUTE"])
def test_mimic_iv_on_fhir(kind: str, tmp_path: Path) -> None:
    """No admission is IMP, an ICU stay is part of its admission, diagnoses have no dates, dates lie in 2110 to 2200."""
    home = disposition("HOME", f"{MIMIC}/CodeSystem/mimic-discharge-disposition")
    icu = {"partOf": {"reference": "Encounter/p-a1"}}
    resources = [
        patient("p", birthDate="2083-04-10"),
        mimic_encounter("p", "ed", ("2140-02-29", "2140-03-01"), "EMER", "ed"),
        mimic_encounter("p", "a1", ("2140-03-01", "2140-03-08"), kind, "hosp", **home),
        mimic_encounter("p", "i1", ("2140-03-02", "2140-03-04"), "ACUTE", "icu", **icu),
        mimic_encounter("p", "a2", ("2140-03-15", "2140-03-20"), kind, "hosp", **home),
        mimic_encounter("p", "later", ("2141-03-15", "2141-03-20"), "EMER", "ed"),
        condition("p", "c", encounter={"reference": "Encounter/p-a1"})
        | {"code": {"coding": [{"system": f"{MIMIC}/CodeSystem/mimic-diagnosis-icd9", "code": "4280"}]}},
    ]  # fmt: skip
    found = answer(tmp_path, resources)
    assert [(row["stay_days"], row["readmitted"], row["heart_failure"], row["age"]) for row in found.of("p")] == [
        (7, True, 1, 56),
        (5, False, 1, 56),
    ]
    assert found.of("p")[0]["emergency_admission"] == 1
    assert not found.ingested.excluded


@pytest.mark.parametrize("kind", ["EMER", "OBSENC", "AMB"])
def test_an_encounter_with_an_inpatient_part_is_the_stay(kind: str, tmp_path: Path) -> None:
    whole = encounter("p", "whole", "2024-03-01T08:00:00Z", "2024-03-06T10:00:00Z", kind)
    part = encounter(
        "p", "part", "2024-03-01T20:00:00Z", "2024-03-05T10:00:00Z", partOf={"reference": "Encounter/p-whole"}
    )
    (row,) = answer(tmp_path, [patient("p"), whole, part, *LATER]).of("p")
    assert row["stay_days"] == pytest.approx(5 + 2 / 24)
    assert row["emergency_admission"] == (kind == "EMER")


def test_records_of_nobody_are_excluded(tmp_path: Path) -> None:
    found = answer(tmp_path, [stay("ghost"), observation("ghost", "o", "2024-03-04", 1.0), *LATER])
    assert found.ingested.excluded == {"Encounter.no-patient-record": 1, "Observation.no-patient-record": 1}
    assert not found.rows


def test_no_value_depends_on_the_day_of_the_run(tmp_path: Path) -> None:
    """Patients who are over 89 by the second clock, alive or dead, with records in what is the future of the first."""
    chance = random.Random(5)
    resources = [*LATER]
    for number in range(50):
        who, born = f"p{number}", 1930 + chance.randrange(40)
        gone = {"deceasedDateTime": f"{2024 + chance.randrange(3)}-07-01"} if chance.random() < 0.3 else {}
        resources += [patient(who, birthDate=f"{born}-02-03", **gone)]
        for year in range(2010, 2031, chance.randrange(1, 5)):
            resources.append(stay(who, f"e{year}", f"{year}-03-01", f"{year}-03-05"))
    hashes = []
    for clock in ("2025-01-01", "2045-06-01"):
        with time_machine.travel(clock, tick=False):
            found = answer(tmp_path, resources)
        files = sorted(path for path in found.made_from.rglob("*.parquet"))
        hashes.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
        hashes[-1].append(str(found.rows))
    assert hashes[0] == hashes[1]


def test_ages_are_those_at_the_discharge(tmp_path: Path) -> None:
    """Somebody who lives beyond 89 in the record has the true age in earlier rows: an age tells nothing of survival."""
    years = range(2000, 2025, 4)
    resources = [patient("p", birthDate="1930-02-03"), *(stay("p", f"e{y}", f"{y}-03-01", f"{y}-03-05") for y in years)]
    found = answer(tmp_path, [*resources, *LATER])
    assert [row["age"] for row in found.of("p")] == [70, 74, 78, 82, 86, 90, 90]
    assert "birth_year" not in found.curated("patient", "p")[0]


def test_dates_that_would_tell_an_age_over_89_do_not_leave(tmp_path: Path) -> None:
    old = condition("p", "c", onsetDateTime="1931-05-01", recordedDate="2023-05-01")
    found = answer(tmp_path, [patient("p", birthDate="1931-05-01"), stay("p"), old, *LATER])
    (row,) = found.curated("condition", "p")
    assert row["onset_at"] is None
    assert row["recorded_at"] is not None
