"""The synthetic population: the same bytes again, its own true risk, and something in every feature."""

import itertools
import json
import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from model.definitions.features import definitions
from model.errors import UserError
from model.identity_store.identity_values import unit_of
from model.synthesis.measuring import Measurement, Writing, measure, measurements
from model.synthesis.population import CLOSING, DISPOSITIONS, causes, simulate
from model.synthesis.run import synthesize
from model.synthesis.units import UNITS
from services.care.worklist_ports import unit_name
from tests.support.model.model_world import world

WRITINGS = [(row, way) for row in measurements() for way in row.written]


def test_a_seed_gives_the_same_bytes_and_another_gives_others(tmp_path: Path) -> None:
    for name, seed, patients in (("a", 3, 6), ("b", 3, 6), ("other", 4, 6), ("more", 3, 9)):
        synthesize(patients=patients, seed=seed, out=str(tmp_path / name), ndjson=True)
    written = {
        name: {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("a", "b", "other", "more")
    }
    assert written["a"] == written["b"]
    assert not set(written["a"].values()) & set(written["other"].values())
    assert all(written["more"][name].startswith(content) for name, content in written["a"].items())


def test_patients_return_as_often_as_the_truth_says() -> None:
    risks, returns, window = [], [], timedelta(days=definitions().stay.return_days)
    for number in range(2500):
        stays = simulate(number, 5).stays
        for stay, following in itertools.zip_longest(stays, stays[1:]):
            if stay.disposition in {"exp", "hosp"} or stay.end > CLOSING - timedelta(days=90):
                continue
            risks.append(stay.risk)
            returns.append(following is not None and following.start - stay.end <= window)
    risk, returned = np.array(risks), np.array(returns)
    order = np.argsort(risk)
    for part in (order, *np.array_split(order, 5)):
        surprise = (returned[part] - risk[part]).sum() / np.sqrt((risk[part] * (1 - risk[part])).sum())
        assert abs(surprise) < 3.5
    assert risk[order[: len(order) // 5]].mean() * 2 < risk[order[-len(order) // 5 :]].mean()


def test_the_truth_file_names_each_discharge(tmp_path: Path) -> None:
    synthesize(patients=12, seed=2, out=str(tmp_path / "fhir"), ndjson=True, truth=str(tmp_path / "truth"))
    told = [json.loads(line) for line in (tmp_path / "truth").read_text().splitlines()]
    stays = [stay for number in range(12) for stay in simulate(number, 2).stays]
    assert [(row["end"], row["risk"]) for row in told] == [(stay.end.isoformat(), stay.risk) for stay in stays]
    lines = (tmp_path / "fhir" / "Encounter.ndjson").read_text().splitlines()
    encounters = [json.loads(line) for line in lines]
    ends = {(e["subject"]["reference"].removeprefix("urn:uuid:"), e["period"]["end"]) for e in encounters}
    assert len(told) > 12
    assert all(
        (row["patient"], stay.end.isoformat(timespec="seconds")) in ends for row, stay in zip(told, stays, strict=True)
    )


def test_no_feature_is_the_same_in_all_discharges() -> None:
    table = pq.read_table(world().features)
    names = [feature.name for feature in definitions().features]
    known = {name: table[name].to_numpy()[np.isfinite(table[name].to_numpy())] for name in names}
    assert [name for name, values in known.items() if len(np.unique(values)) < 2] == []


@pytest.mark.parametrize(("row", "way"), WRITINGS, ids=[f"{row.name}-{way.code}-{way.unit}" for row, way in WRITINGS])
def test_what_is_written_reads_as_what_was_drawn(row: Measurement, way: Writing) -> None:
    for code, name in (way.parts or {way.code: row.name}).items():
        lab = definitions().labs[name.replace(" ", "_")]
        factor, zero = lab.conversions()[code][way.unit]
        drawn = next(other for other in measurements() if other.name == name)
        assert lab.low <= drawn.low < drawn.high <= lab.high
        for value in (drawn.low, drawn.high):
            assert (value * way.factor + way.offset - zero) * factor == pytest.approx(value, rel=1e-3)


def test_values_stay_within_their_bounds_and_follow_the_illness() -> None:
    chance = np.random.default_rng(1)
    rows = {row.name: row for row in measurements()}
    drawn = {ill: [measure(chance, {ill}) for _ in range(400)] for ill in ("none", "diabetes", "lung disease")}
    for early, late in (pair for pairs in drawn.values() for pair in pairs):
        assert all(rows[name].low <= value <= rows[name].high for name, value in (*early.items(), *late.items()))
    mean = {ill: {name: np.mean([late[name] for _, late in pairs]) for name in rows} for ill, pairs in drawn.items()}
    assert mean["diabetes"]["glucose"] > mean["none"]["glucose"] + 30
    assert mean["lung disease"]["oxygen saturation"] < mean["none"]["oxygen saturation"] - 1


def test_every_comorbidity_is_among_the_causes_and_each_code_says_the_same() -> None:
    groups = definitions().comorbidities
    reached: set[str] = set()
    for cause in causes().conditions:
        said = [{name for name, group in groups.items() if cause.snomed in group.snomed}]
        for system, code in (("icd10cm", cause.icd10cm), ("icd9cm", cause.icd9cm)):
            stems = {name: [stem for of, stem in group.stems() if of == system] for name, group in groups.items()}
            found = {name for name, own in stems.items() if code.replace(".", "").startswith(tuple(own))}
            said.append(found - {groups[name].replaces for name in found})
        assert said[0] == said[1] == said[2], cause.name
        reached |= said[0]
    assert reached == set(groups)


def test_illnesses_that_need_another_come_with_it() -> None:
    people = [{cause.name: cause for cause in simulate(number, 1).conditions} for number in range(300)]
    needing = [cause for person in people for cause in person.values() if cause.needs]
    assert needing
    assert all(cause.needs in person for person in people for cause in person.values() if cause.needs)


def test_the_dispositions_are_shares() -> None:
    assert sum(DISPOSITIONS.values()) == pytest.approx(1)


def encounters(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "Encounter.ndjson").read_text().splitlines()]


def test_each_stay_is_in_a_unit_of_the_hospital_and_nothing_else_depends_on_them(tmp_path: Path) -> None:
    for name, units in (("usual", UNITS), ("own", ("internal-medicine",))):
        synthesize(patients=40, seed=2, out=str(tmp_path / name), ndjson=True, units=units)
    for folder, names in ((tmp_path / "usual", UNITS), (tmp_path / "own", ("internal-medicine",))):
        stays = [one for one in encounters(folder) if "hospitalization" in one]
        assert {unit_name(unit_of(one) or "", names) for one in stays} == set(names)
        assert all(unit_of(one) is None for one in encounters(folder) if one not in stays)
    others = [path.name for path in (tmp_path / "usual").iterdir() if path.name != "Encounter.ndjson"]
    assert all((tmp_path / "usual" / name).read_bytes() == (tmp_path / "own" / name).read_bytes() for name in others)
    with pytest.raises(UserError, match="--units"):
        synthesize(patients=1, seed=2, out=str(tmp_path / "none"), units=["medicine", " "])


def test_a_record_until_a_day_has_stays_that_go_on_and_nothing_later(tmp_path: Path) -> None:
    day = date(2026, 11, 30)
    end = datetime.combine(day, time(), UTC)
    synthesize(patients=400, seed=2, out=str(tmp_path / "now"), ndjson=True, until=day)
    found = encounters(tmp_path / "now")
    ongoing = [one for one in found if one["status"] == "in-progress"]
    assert len(ongoing) >= 3
    assert all("end" not in one["period"] for one in ongoing)
    assert all("end" in one["period"] for one in found if one not in ongoing)
    assert all("dischargeDisposition" not in one.get("hospitalization", {}) for one in ongoing)
    for path in (tmp_path / "now").iterdir():
        moments = re.findall(r'"(\d{4}-\d\d-\d\dT[^"]+)"', path.read_text())
        assert all(datetime.fromisoformat(moment) <= end for moment in moments)
    assert any(timedelta(0) < end - datetime.fromisoformat(one["period"]["start"]) < timedelta(2) for one in ongoing)


def test_a_later_day_moves_the_same_population(tmp_path: Path) -> None:
    for name, day in (("first", date(2026, 11, 30)), ("later", date(2027, 2, 1))):
        synthesize(patients=60, seed=2, out=str(tmp_path / name), ndjson=True, until=day)
    first, later = (encounters(tmp_path / name) for name in ("first", "later"))
    assert [one["id"] for one in first] == [one["id"] for one in later]
    for one, other in zip(first, later, strict=True):
        for edge, moment in one["period"].items():
            assert datetime.fromisoformat(other["period"][edge]) - datetime.fromisoformat(moment) == timedelta(63)
