"""Race, ethnicity, payer and deprivation: read from FHIR, kept beside the features, suppressed in small cells."""

import copy
import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from bench.leaks.canaries import CANARIES
from bench.leaks.scanner import Scanner
from model.curated import curated_tables
from model.curated.deprivation import read
from model.curated.ingested import Ingested
from model.curated.run import ingest
from model.dataset.dataset import labelled
from model.definitions.features import GROUPS, definitions, group_column
from model.deid import groups as reading
from model.deid.groups import groups
from model.errors import UserError
from model.features import build as building
from model.features.build import build
from model.features.feature_file import load
from model.fhir.resource_types import NEEDED
from model.fhir_server.credentials import Auth, Credentials
from model.fhir_server.wire import Clock, Wire
from model.gates import gate_table
from model.training.run import read_pipeline, read_run, read_test
from model.training.sources import from_features
from model.training.train import train
from tests.support.model.model_world import RING, world, write_bundle

Resource = dict[str, Any]

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
CDC = "urn:oid:2.16.840.1.113883.6.238"
NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
RACES = {
    "1002-5": "American Indian or Alaska Native",
    "2028-9": "Asian",
    "2054-5": "Black or African American",
    "2076-8": "Native Hawaiian or Other Pacific Islander",
    "2106-3": "White",
}
ALIKE = 6
"""Patients of a test are made so many times over: their cells are then large enough to be published."""
VARIANTS = 50


def part(code: str, *, system: str = CDC, url: str = "ombCategory") -> Resource:
    return {"url": url, "valueCoding": {"system": system, "code": code, "display": f"words for {code}"}}


def extension(name: str, *parts: Resource) -> Resource:
    return {"url": f"{US_CORE}{name}", "extension": [*parts, {"url": "text", "valueString": "Somebody's own words"}]}


def patient(identity: str, *extensions: Resource, **more: Any) -> Resource:
    base = {"resourceType": "Patient", "id": identity, "gender": "female", "birthDate": "1970-05-05"}
    return base | ({"extension": list(extensions)} if extensions else {}) | more


def encounter(identity: str, whose: str, start: str, end: str) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": identity,
        "status": "finished",
        "class": {"system": ACT_CODE, "code": "IMP"},
        "subject": {"reference": f"Patient/{whose}"},
        "period": {"start": start, "end": end},
    }


def cover(identity: str, whose: str, payer: str, **more: Any) -> Resource:
    base = {"resourceType": "Coverage", "id": identity, "status": "active", "type": {"text": payer}}
    return base | {"beneficiary": {"reference": f"Patient/{whose}"}, "payor": [{"display": "Plan 88123456"}]} | more


def taken(folder: Path, resources: list[Resource], **options: Any) -> tuple[Ingested, list[Resource], list[Resource]]:
    """Ingest resources; return what was done, and the published patients and encounters."""
    content = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    write_bundle(folder / "in" / "one.json", content)
    out = str(folder / "out")
    done = ingest(str(folder / "in"), hospital="north", out=out, ring=RING, **options)
    curated_tables.download(out, folder / "tables")
    tables = [pq.read_table(folder / "tables" / name).to_pylist() for name in ("patient", "encounter")]
    return done, tables[0], tables[1]


def read_back(folder: Path, extensions: list[Resource]) -> tuple[Resource, dict[str, int]]:
    """Return what is published of patients who all have some extensions, and the warnings of one."""
    made = [patient(f"p{number}", *copy.deepcopy(extensions)) for number in range(ALIKE)]
    done, found, _ = taken(folder, made)
    told = {(row["race"], row["ethnicity"]) for row in found}
    assert len(found) == ALIKE
    assert len(told) == 1
    race, ethnicity = told.pop()
    assert all(count == ALIKE for count in done.warnings.values())
    return {"race": race, "ethnicity": ethnicity}, {name: 1 for name in done.warnings}


def _nested(outer: Resource) -> Resource:
    return {"url": "http://x.example/wrapper", "extension": [outer]}


@pytest.mark.parametrize(
    ("extensions", "race", "ethnicity", "warned"),
    [
        ([], None, None, set()),
        ([extension("race", part("2054-5"))], "Black or African American", None, set()),
        ([extension("race", part("2054-5"), part("2106-3"))], "Multiple", None, set()),
        ([extension("race", part("2106-3"), part("2106-3"))], "White", None, set()),
        ([extension("race", part("2106-3")), extension("race", part("2028-9"))], "Multiple", None, set()),
        ([extension("race", part("2106-3")), extension("race", part("2106-3"))], "White", None, set()),
        ([extension("race", part("2028-9"), part("2034-7", url="detailed"))], "Asian", None, set()),
        ([extension("race", part("2034-7", url="detailed"))], None, None, {"Patient.race"}),
        ([extension("race", part("9999-9"))], None, None, {"Patient.race"}),
        ([extension("race", part("9999-9"), part("2028-9"))], "Asian", None, {"Patient.race"}),
        ([extension("race", part("2106-3", system="http://hospital.example/race"))], None, None, {"Patient.race"}),
        ([extension("race")], None, None, {"Patient.race"}),
        ([extension("race", part("2135-2"))], None, None, {"Patient.race"}),
        ([extension("race", part("UNK", system=NULL_FLAVOR))], None, None, set()),
        ([extension("race", part("ASKU", system=NULL_FLAVOR), part("2106-3"))], "White", None, set()),
        ([_nested(extension("race", part("2106-3")))], None, None, set()),
        ([part("2106-3", url=f"{US_CORE}race")], None, None, {"Patient.race"}),
        ([extension("race", {"url": "ombCategory", "valueString": "2106-3"})], None, None, {"Patient.race"}),
        ([extension("ethnicity", part("2135-2"))], None, "Hispanic or Latino", set()),
        ([extension("ethnicity", part("2135-2"), part("2186-5"))], None, None, {"Patient.ethnicity"}),
        ([extension("ethnicity", part("2106-3"))], None, None, {"Patient.ethnicity"}),
        (
            [extension("ethnicity", part("2186-5")), extension("race", part("2106-3"))],
            "White",
            "Not Hispanic or Latino",
            set(),
        ),
    ],
)
def test_only_understood_categories_are_read_and_the_rest_is_counted(
    tmp_path: Path, extensions: list[Resource], race: str | None, ethnicity: str | None, warned: set[str]
) -> None:
    found, warnings = read_back(tmp_path, extensions)
    assert found == {"race": race, "ethnicity": ethnicity}
    assert set(warnings) == warned


def test_a_modifier_inside_a_race_sets_the_patient_aside(tmp_path: Path) -> None:
    marked = extension(
        "race", part("2106-3") | {"modifierExtension": [{"url": "http://x.example/not", "valueBoolean": True}]}
    )
    done, found, _ = taken(tmp_path, [patient("a", marked), patient("b")], max_bad_share=1.0)
    assert done.counts["refused"] == 1
    assert len(found) == 1


def test_fifty_random_records_of_race_are_read_as_they_were_drawn(tmp_path: Path) -> None:
    chance = random.Random(3)
    expected: dict[str, str | None] = {}
    people = []
    for number in range(VARIANTS):
        codes = chance.sample(sorted(RACES), chance.choice([0, 1, 1, 2, 3]))
        noise = [
            part("2034-7", url="detailed"),
            part("7777-7"),
            part("UNK", system=NULL_FLAVOR),
            part("2106-3", system="x"),
        ]
        parts = [part(code) for code in codes] + chance.sample(noise, chance.randint(0, 3))
        chance.shuffle(parts)
        group = None if not codes else RACES[codes[0]] if len(codes) == 1 else "Multiple"
        for twin in range(ALIKE):
            # Sex and year keep the variants in cells of their own, each large enough.
            people.append(patient(f"{number}x{twin}", extension("race", *parts)))
            expected[f"{number}x{twin}"] = group
    _, found, _ = taken(tmp_path, people)
    counted = sorted(str(row["race"]) for row in found)
    assert counted == sorted(str(group) for group in expected.values())


@pytest.mark.parametrize(
    ("kind", "payor", "payer"),
    [
        ({"coding": [{"system": "https://nahdo.org/sopt", "code": "1"}]}, "x", "medicare"),
        ({"coding": [{"system": "https://nahdo.org/sopt", "code": "112"}]}, "Humana", "medicare"),
        ({"coding": [{"system": "urn:oid:2.16.840.1.113883.3.221.5", "code": "212"}]}, "x", "medicaid"),
        ({"coding": [{"system": "https://nahdo.org/sopt", "code": "521"}]}, "x", "commercial"),
        ({"coding": [{"system": "https://nahdo.org/sopt", "code": "81"}]}, "x", "self-pay"),
        ({"coding": [{"system": "https://nahdo.org/sopt", "code": "823"}]}, "x", "other"),
        ({"coding": [{"system": "https://nahdo.org/sopt", "code": "9999"}]}, "x", None),
        ({"coding": [{"system": "https://nahdo.org/sopt", "code": "1 Medicare"}]}, "x", None),
        ({"coding": [{"system": ACT_CODE, "code": "HMO"}]}, "Medicare", "medicare"),
        ({"coding": [{"system": ACT_CODE, "code": "PUBLICPOL"}]}, "x", "other"),
        ({"coding": [{"system": ACT_CODE, "code": "DENTAL"}]}, "x", None),
        ({"coding": [{"system": ACT_CODE, "code": "IMP"}]}, "x", None),
        (
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/coverage-selfpay", "code": "pay"}]},
            "x",
            "self-pay",
        ),
        ({"coding": [{"system": "https://codesystem.x12.org/005010/1032", "code": "MC"}]}, "x", "medicaid"),
        ({"coding": [{"system": "http://hospital.example", "code": "1"}]}, "x", None),
        (
            {"coding": [{"system": "http://hospital.example", "code": "X", "display": "Medicare Part A"}]},
            "x",
            "medicare",
        ),
        ({"text": " MEDI-CAL "}, "x", "medicaid"),
        ({"text": "no_insurance"}, "x", "self-pay"),
        ({"text": "Medicare of John Smith"}, "x", None),
        (None, "Blue Cross Blue Shield", "commercial"),
        (None, "medicare", "medicare"),
    ],
)
def test_the_payer_is_one_of_the_classes_or_unknown(kind: Resource | None, payor: str, payer: str | None) -> None:
    assert groups().payer(kind, [{"display": payor}]) == payer


def payer_of(folder: Path, *covers: Resource) -> tuple[str | None, dict[str, int]]:
    """Return the payer of a stay in March 2024 of each of several patients with these Coverages, and the exclusions."""
    made: list[Resource] = []
    for number in range(ALIKE):
        whose = f"p{number}"
        made += [patient(whose), encounter(f"e{number}", whose, "2024-03-01T08:00:00Z", "2024-03-09T12:00:00Z")]
        for place, one in enumerate(covers):
            made.append(one | {"id": f"c{number}-{place}", "beneficiary": {"reference": f"Patient/{whose}"}})
    done, _, found = taken(folder, made)
    payers = {row["payer"] for row in found}
    assert len(found) == ALIKE
    assert len(payers) == 1
    return payers.pop(), {name: count // ALIKE for name, count in done.excluded.items()}


@pytest.mark.parametrize(
    ("periods", "payer"),
    [
        ({"medicare": {"start": "2024-01-01"}, "commercial": {"start": "2020-01-01", "end": "2023-12-31"}}, "medicare"),
        (
            {"commercial": {"start": "2024-01-01", "end": "2024-03-09"}, "medicaid": {"start": "2024-03-10"}},
            "commercial",
        ),
        ({"commercial": {"start": "2024-01-01", "end": "2024-03-08"}, "medicaid": {"start": "2024-03-09"}}, "medicaid"),
        ({"commercial": {"start": "2024-01-01"}, "medicaid": {"start": "2024-01-01"}}, "medicaid"),
        ({"commercial": {"start": "2024-01-01"}, "medicare": None}, "commercial"),
        ({"commercial": None}, "commercial"),
        ({"commercial": {"start": "2010-01-01", "end": "2012-01-01"}, "medicaid": None}, "medicaid"),
        (
            {
                "commercial": {"start": "2010-01-01", "end": "2012-01-01"},
                "other": {"start": "2013-01-01", "end": "2014-01-01"},
            },
            "other",
        ),
        ({"self pay": {"start": "2025-01-01"}}, "self-pay"),
        ({"commercial": {"start": "2001-01-01", "end": "9999-12-31"}}, "commercial"),
        ({}, None),
    ],
)
def test_the_payer_of_a_stay_is_in_force_at_its_end(
    tmp_path: Path, periods: dict[str, Resource | None], payer: str | None
) -> None:
    covers = [cover("c", "p", name, **({"period": period} if period else {})) for name, period in periods.items()]
    assert payer_of(tmp_path, *covers) == (payer, {})


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"status": "cancelled"}, "status-cancelled"),
        ({"status": "draft"}, "status-draft"),
        ({"status": "entered-in-error"}, "status-entered-in-error"),
        ({"period": {"start": "2024"}}, "period-not-a-day"),
        ({"period": {"start": "2024-02-01", "end": "2024-01-01"}}, "period-reversed"),
        ({"type": {"text": "Plan 88123456"}}, "payer-not-understood"),
    ],
)
def test_a_coverage_that_tells_nothing_is_excluded_with_its_reason(
    tmp_path: Path, changed: Resource, reason: str
) -> None:
    assert payer_of(tmp_path, cover("c", "p", "Medicare") | changed) == (None, {f"Coverage.{reason}": 1})


def test_a_coverage_of_another_patient_or_of_nobody_tells_nothing(tmp_path: Path) -> None:
    stays = [
        one for n in range(ALIKE) for one in (patient(f"p{n}"), encounter(f"e{n}", f"p{n}", "2024-03-01", "2024-03-09"))
    ]
    lost = cover("d", "p0", "Medicare")
    del lost["beneficiary"]
    done, _, found = taken(tmp_path, [*stays, cover("c", "somebody-else", "Medicare"), lost], max_bad_share=1.0)
    assert done.counts["refused"] == 1
    assert {row["payer"] for row in found} == {None}


def test_fifty_histories_of_coverage_agree_with_a_plain_reading(tmp_path: Path) -> None:
    chance = random.Random(11)
    order = ["medicare", "medicaid", "self-pay", "commercial", "other"]
    made: list[Resource] = []
    expected: list[str | None] = []
    for number in range(VARIANTS):
        end = date(2024, 1, 1) + timedelta(days=chance.randrange(200))
        rows = []
        for _ in range(chance.randrange(4)):
            first = date(2023, 1, 1) + timedelta(days=chance.randrange(700))
            rows.append((chance.choice(order), first, first + timedelta(days=chance.randrange(300))))
        now = [row for row in rows if row[1] <= end <= row[2]]
        newest = max((row[1] for row in rows), default=None)
        candidates = now or [row for row in rows if row[1] == newest]
        answer = min((row[0] for row in candidates), key=order.index, default=None)
        for twin in range(ALIKE):
            whose = f"{number}-{twin}"
            made += [patient(whose), encounter(f"e{whose}", whose, f"{end}T01:00:00Z", f"{end}T20:00:00Z")]
            made += [
                cover(f"c{whose}-{place}", whose, payer, period={"start": str(first), "end": str(last)})
                for place, (payer, first, last) in enumerate(rows)
            ]
            expected.append(answer)
    _, _, found = taken(tmp_path, made)
    assert sorted(str(row["payer"]) for row in found) == sorted(map(str, expected))


def test_a_cancelled_version_takes_the_coverage_away(tmp_path: Path) -> None:
    stamp = [{"meta": {"lastUpdated": f"2024-0{month}-01T00:00:00Z"}} for month in (1, 2)]
    made: list[Resource] = []
    for n in range(ALIKE):
        made += [patient(f"p{n}"), encounter(f"e{n}", f"p{n}", "2024-03-01", "2024-03-09")]
        made += [
            cover(f"c{n}", f"p{n}", "Medicare") | stamp[0],
            cover(f"c{n}", f"p{n}", "Medicare", status="cancelled") | stamp[1],
        ]
    _, _, found = taken(tmp_path, made)
    assert {row["payer"] for row in found} == {None}


def test_no_date_name_or_number_of_a_coverage_is_published(tmp_path: Path) -> None:
    named = cover("c", "p", "Medicare", period={"start": "2024-01-01", "end": "2024-12-31"}, subscriberId="H5521")
    payer_of(tmp_path, named)
    texts = []
    for path in (tmp_path / "out").rglob("*.parquet"):
        assert path.parent.name in curated_tables.TABLES
        texts.append(json.dumps(pq.read_table(path).to_pylist(), default=str))
    written = "".join(texts)
    assert '"payer": "medicare"' in written
    assert not [word for word in ("H5521", "Plan", "88123456", "12-31", "01-01") if word in written]


def random_people(chance: random.Random, count: int) -> list[Resource]:
    people = []
    for number in range(count):
        race = chance.choices(sorted(RACES), [1, 3, 6, 1, 20])[0]
        ethnicity = chance.choices(["2135-2", "2186-5"], [1, 5])[0]
        place = chance.choice([("MA", "02115"), ("MA", "01002"), ("VT", "05401"), ("NY", "12207")])
        born = f"{chance.randrange(1940, 2000)}-03-03"
        address = [{"state": place[0], "postalCode": place[1]}]
        parts = [extension("race", part(race)), extension("ethnicity", part(ethnicity))]
        sex = chance.choice(["male", "female"])
        people.append(patient(f"p{number}", *parts, gender=sex, birthDate=born, address=address))
        people.append(encounter(f"e{number}", f"p{number}", "2024-03-01", "2024-03-04"))
        payer = chance.choices(["Medicare", "Medicaid", "Tricare"], [8, 3, 1])[0]
        people.append(cover(f"c{number}", f"p{number}", payer))
    return people


@pytest.mark.parametrize("count", [4, 60, 400])
def test_no_published_combination_belongs_to_fewer_patients_than_the_limit(tmp_path: Path, count: int) -> None:
    table = tmp_path / "adi.csv"
    table.write_text("zip3,index\n" + "".join(f"{n:03d},{n % 97}\n" for n in range(10, 200)))
    done, people, stays = taken(tmp_path, random_people(random.Random(count), count), deprivation=str(table))
    payer = {row["patient_id"]: row["payer"] for row in stays}
    names = ("zip3", "state", "deprivation", "ethnicity", "race")
    rows = [(row["sex"], *(row[name] for name in names), payer[row["patient_id"]]) for row in people]
    told = {row: rows.count(row) for row in rows if any(value is not None for value in row[1:])}
    assert all(size >= groups().table.cells.least for size in told.values())
    given = {name: count for name in (*names, "payer")}
    kept = {name: sum(row[place] is not None for row in rows) for place, name in enumerate((*names, "payer"), 1)}
    assert done.suppressed == {name: given[name] - kept[name] for name in sorted(given) if given[name] > kept[name]}
    assert done.smallest_cell is not None
    assert done.smallest_cell <= min(rows.count(row) for row in rows)
    again, *_ = taken(tmp_path, random_people(random.Random(count), count), deprivation=str(table))
    assert not again.changed
    assert (again.smallest_cell, again.suppressed) == (done.smallest_cell, done.suppressed)


def test_a_table_without_patients_has_no_cell(tmp_path: Path) -> None:
    done, *_ = taken(tmp_path, [encounter("e", "p", "2024-03-01", "2024-03-04")])
    assert done.smallest_cell is None
    assert done.suppressed == {}


def test_areas_fall_into_fifths_by_rank(tmp_path: Path) -> None:
    chance = random.Random(5)
    for variant in range(VARIANTS):
        index = {
            f"{zip3:03d}": chance.randrange(30) / 3 for zip3 in chance.sample(range(1000), chance.randrange(5, 60))
        }
        file = tmp_path / f"{variant}.csv"
        file.write_text("\ufeffZIP3, Index\r\n" + "".join(f"{zip3},{value}\r\n" for zip3, value in index.items()))
        lower = {zip3: sum(other < value for other in index.values()) for zip3, value in index.items()}
        assert read(str(file)).part_of == {zip3: str(1 + 5 * below // len(index)) for zip3, below in lower.items()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("021,4\n", "must begin with the header"),
        ("", "must begin with the header"),
        ("zip3,index\n021,1\n", "has 1 areas, too few for 5 parts"),
        ("zip3,index\n21,4\n", "Line 2 .* no three-digit ZIP"),
        ("zip3,index\n02115,4\n", "Line 2 .* no three-digit ZIP"),
        ("zip3,index\n021,4\n021,5\n", "line 3 twice"),
        ("zip3,index\n021,PH\n", "Line 2 .* non-numeric index"),
        ("zip3,index\n021,nan\n", "Line 2 .* non-numeric index"),
        ("zip3,index\n021,4,7\n", "Line 2 .* must have two columns"),
        ("zip3;index\n021;4\n", "must begin with the header"),
    ],
)
def test_a_wrong_deprivation_table_is_one_sentence_and_publishes_nothing(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "adi.csv"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        taken(tmp_path, [patient("p")], deprivation=str(file))
    assert not (tmp_path / "out").exists()


def test_another_deprivation_table_makes_another_result(tmp_path: Path) -> None:
    people = [patient(f"p{n}", address=[{"state": "MA", "postalCode": "02115"}]) for n in range(ALIKE)]
    found = []
    for index in ("0", "99"):
        (tmp_path / "adi.csv").write_text(
            "zip3,index\n" + "".join(f"{n:03d},{n}\n" for n in range(50, 60)) + f"021,{index}\n"
        )
        done, rows, _ = taken(tmp_path, people, deprivation=str(tmp_path / "adi.csv"))
        assert done.changed
        found.append({row["deprivation"] for row in rows})
    assert found == [{"1"}, {"5"}]


def _permuted(table: pa.Table, seed: int) -> pa.Table:
    order = np.random.default_rng(seed).permutation(table.num_rows)
    for name in GROUPS:
        column = table[group_column(name)].combine_chunks().take(pa.array(order))
        table = table.set_column(table.column_names.index(group_column(name)), group_column(name), column)
    return table


def test_no_column_of_the_model_comes_from_a_group_and_predictions_do_not_depend_on_them(tmp_path: Path) -> None:
    names = set(map(group_column, GROUPS))
    table, made_from = load(str(world().features))
    assert names <= set(table.column_names)
    assert all(table[name].null_count < table.num_rows for name in names - {"group_deprivation"})
    changed = _permuted(table, 3)
    assert not changed.equals(table)
    (tmp_path / "permuted.parquet").write_bytes(building._content(changed, made_from))
    train(str(tmp_path / "permuted.parquet"), out=tmp_path / "run", profile="demonstration", gates=gate_table())
    first, second = read_run(world().run), read_run(tmp_path / "run")
    assert set(first.features) <= set(definitions().names)
    assert not names & {*first.features, *(column.name for column in first.columns), *first.left_out}
    assert (first.features, first.columns, first.definition_digest) == (
        second.features,
        second.columns,
        second.definition_digest,
    )
    assert first.pipeline_sha256 == second.pipeline_sha256
    tests = [read_test(world().run), read_test(tmp_path / "run")]
    assert np.array_equal(tests[0].values, tests[1].values, equal_nan=True)
    assert any((tests[0].groups[name] != tests[1].groups[name]).any() for name in GROUPS)
    risks = [
        read_pipeline(run, read_run(run)).predict_proba(tests[0].values) for run in (world().run, tmp_path / "run")
    ]
    assert np.array_equal(*risks)


def test_a_group_cannot_be_named_as_a_feature(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Unknown feature group_race"):
        from_features(str(world().features), without=["group_race"], attributes=None)
    table, _ = load(str(world().features))
    data = labelled(table, definitions().names)
    assert not [name for name in data.names if name in GROUPS or name.startswith("group_")]


def test_features_do_not_change_with_the_groups_of_the_curated_tables(tmp_path: Path) -> None:
    table, _ = load(str(world().features))
    source = world().root / "fhir"
    (tmp_path / "fhir").mkdir()
    for path in source.glob("*.json"):
        content = json.loads(path.read_text())
        kept = [e for e in content["entry"] if e["resource"]["resourceType"] != "Coverage"]
        for entry in kept:
            if entry["resource"]["resourceType"] == "Patient":
                entry["resource"]["extension"] = entry["resource"]["extension"][:1]
        (tmp_path / "fhir" / path.name).write_text(json.dumps(content | {"entry": kept}))
    ingest(str(tmp_path / "fhir"), hospital="north", out=str(tmp_path / "out"), ring=RING)
    build(str(tmp_path / "out"), out=str(tmp_path / "features.parquet"))
    bare, _ = load(str(tmp_path / "features.parquet"))
    names = [name for name in table.column_names if not name.startswith("group_")]
    assert bare.select(names).equals(table.select(names))
    assert all(pc.all(bare[group_column(name)].is_null()).as_py() for name in GROUPS)


def test_a_features_file_from_before_has_no_groups_and_still_trains(tmp_path: Path) -> None:
    table, made_from = load(str(world().features))
    without = table.drop_columns([group_column(name) for name in GROUPS])
    (tmp_path / "old.parquet").write_bytes(building._content(without, made_from))
    source = from_features(str(tmp_path / "old.parquet"), without=[], attributes=None)
    assert not set(GROUPS) & set(source.data.groups)
    only = from_features(str(world().features), without=[], attributes=["race"])
    assert set(only.data.groups) == {"race"}
    assert len(only.data.groups["race"]) == len(only.data)


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        (None, False),
        ("system/*.rs", False),
        ("system/Patient.rs system/Coverage.rs", True),
        ("system/Coverage.read", True),
    ],
)
def test_a_server_is_asked_for_coverage_where_the_scope_names_it(scope: str | None, asked: bool) -> None:
    wire = Wire("https://fhir.example/r4", Credentials(auth=Auth.NONE, scope=scope), Clock())
    assert ("Coverage" in wire.kinds) == bool(asked)
    assert wire.kinds[: len(NEEDED)] == NEEDED
    wire.close()


def test_the_search_for_identifiers_finds_a_hole_in_the_table_of_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, plan = CANARIES["A name"], CANARIES["I health plan number"]
    marked = patient("p", extension("race", part("2106-3") | {"valueCoding": {"system": CDC, "code": name}}))
    made = [
        resource
        for n in range(ALIKE)
        for resource in (
            marked | {"id": f"p{n}"},
            encounter(f"e{n}", f"p{n}", "2024-03-01", "2024-03-04"),
            cover(f"c{n}", f"p{n}", plan, subscriberId=plan, payor=[{"display": name}]),
        )
    ]

    def found(folder: Path) -> set[str]:
        taken(folder, made)
        scanner = Scanner(CANARIES)
        scanner.scan_folder(folder / "out")
        return {kind for kind, places in scanner.found.items() if places}

    assert found(tmp_path / "tight") == set()
    table = yaml.safe_load(reading.GROUPS_FILE.read_text())
    table["categories"]["race"]["codes"][name] = name
    table["payers"]["words"][plan] = [plan]
    table["payers"]["order"].append(plan)
    (tmp_path / "groups.yaml").write_text(yaml.safe_dump(table))
    monkeypatch.setattr(reading, "GROUPS_FILE", tmp_path / "groups.yaml")
    groups.cache_clear()
    try:
        assert found(tmp_path / "loose") == {"A name", "I health plan number"}
    finally:
        monkeypatch.undo()
        groups.cache_clear()
