"""Race and ethnicity as FHIR has them, and groups that are suppressed in small cells."""

import copy
import random
from pathlib import Path

import pytest
import yaml

from bench.leaks.canaries import CANARIES
from bench.leaks.scanner import Scanner
from model.deid import groups as reading
from model.deid.groups import groups
from tests.support.model.group_records import (
    ALIKE,
    CDC,
    NULL_FLAVOR,
    RACES,
    US_CORE,
    VARIANTS,
    Resource,
    cover,
    encounter,
    extension,
    part,
    patient,
    taken,
)

pytestmark = pytest.mark.process


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
