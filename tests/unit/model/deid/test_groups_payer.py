"""The payer of a stay: read from Coverage, in force at the end of the stay, and nothing else of it."""

import json
import random
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from model.curated import curated_tables
from model.deid.groups import groups
from tests.support.model.group_records import ACT_CODE, ALIKE, VARIANTS, Resource, cover, encounter, patient, taken

pytestmark = pytest.mark.process


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
