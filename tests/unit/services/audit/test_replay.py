"""A score is rebuilt bit for bit from the release and the kept values; a deletion is named."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text

from model.scoring import Scorer
from services.audit import chain
from services.audit.erasure import erase
from services.audit.errors import AuditError
from services.audit.records import ReleaseRef, feature_bytes
from services.audit.replay import open_release, replay
from services.database.schemas import Schema
from tests.support.audit.audit_records import ENCOUNTER, PATIENT, entry, scored
from tests.support.databases.postgres import Database, PostgresServer
from tests.unit.model.scoring.test_scorer import discharges, fitted

pytestmark = pytest.mark.process

RELEASE = ReleaseRef(model="m", version="v1", digest="0" * 64)
OTHER = "v1-" + "d4" * 20


@pytest.fixture
def database(postgres: PostgresServer) -> Database:
    return postgres.database(Schema.AUDIT)


@pytest.fixture
def reader(database: Database) -> Iterator[Connection]:
    with database.engine("audit-reader").connect() as connection:
        yield connection


def rows(scorer: Scorer, count: int) -> list[dict[str, float | str | None]]:
    values, _ = discharges()
    return [
        {name: None if np.isnan(value) else float(value) for name, value in zip(scorer.names, row, strict=True)}
        for row in values[:count]
    ]


def on_record(database: Database, scorer: Scorer, count: int, **fields: Any) -> int:
    """Score discharges in one request, and return the number of its record."""
    columns = rows(scorer, count)
    scores = scorer.score(scorer.matrix({name: [row[name] for row in columns] for name in scorer.names}))
    encounters = [ENCOUNTER, *(f"v1-{number:040x}" for number in range(1, count))]
    made = entry(
        release=RELEASE,
        scores=tuple(
            scored(encounter=encounter, risk=score.risk) for encounter, score in zip(encounters, scores, strict=True)
        ),
        hospital=database.hospital,
        **fields,
    )
    with database.engine("audit-writer").connect() as connection:
        return chain.append(connection, made, [feature_bytes(row) for row in columns]).sequence


@pytest.mark.parametrize("kind", ["linear", "boosting"])
@pytest.mark.parametrize("count", [1, 40])
def test_a_score_is_rebuilt_bit_for_bit(database: Database, reader: Connection, kind: str, count: int) -> None:
    _, scorer = fitted(kind)
    sequence = on_record(database, scorer, count)
    replays = replay(reader, sequence, lambda _: scorer, hospital=database.hospital)
    assert [item.outcome for item in replays] == ["same"] * count
    assert all(item.rebuilt == item.recorded is not None for item in replays)
    assert "rebuilt bit for bit" in replays[0].sentence


def test_another_release_gives_another_score(database: Database, reader: Connection) -> None:
    sequence = on_record(database, fitted("linear")[1], 1)
    [item] = replay(reader, sequence, lambda _: fitted("boosting")[1], hospital=database.hospital)
    assert item.outcome == "differs"
    assert repr(item.recorded) in item.sentence
    assert repr(item.rebuilt) in item.sentence


@pytest.mark.parametrize("about", [{"encounter": ENCOUNTER}, {"patient": PATIENT}])
def test_an_erasure_takes_the_values_and_is_named(
    database: Database, reader: Connection, about: dict[str, str]
) -> None:
    _, scorer = fitted("linear")
    sequence = on_record(database, scorer, 2)
    erasure = entry(database.hospital, caller="user-7", detail="patient-request", **about)
    with database.engine("audit-eraser").connect() as connection:
        record, deleted = erase(connection, erasure)
    assert deleted == (1 if "encounter" in about else 2)
    first, second = replay(reader, sequence, lambda _: scorer, hospital=database.hospital)
    assert first.outcome == "erased"
    assert f"by user-7 (record {record.sequence})" in first.sentence
    assert second.outcome == ("same" if "encounter" in about else "erased")


def test_an_erasure_of_another_patient_takes_nothing(database: Database) -> None:
    on_record(database, fitted("linear")[1], 1)
    with database.engine("audit-eraser").connect() as connection:
        assert erase(connection, entry(database.hospital, patient=OTHER))[1] == 0
        for fields in ({}, {"patient": OTHER, "encounter": ENCOUNTER}):
            with pytest.raises(AuditError, match="an encounter or a patient"):
                erase(connection, entry(database.hospital, **fields))


def test_values_that_vanished_without_an_erasure_are_a_fault(database: Database, reader: Connection) -> None:
    _, scorer = fitted("linear")
    sequence = on_record(database, scorer, 1)
    with database.administrator() as connection:
        connection.execute(text("ALTER TABLE audit.feature_values DISABLE TRIGGER ALL"))
        connection.execute(text("DELETE FROM audit.feature_values"))
    with pytest.raises(AuditError, match=f"record {sequence} are missing, and no record says"):
        replay(reader, sequence, lambda _: scorer, hospital=database.hospital)


def test_what_is_no_score_is_named_so(database: Database, reader: Connection) -> None:
    _, scorer = fitted("linear")
    with database.engine("audit-writer").connect() as connection:
        fallback = scored(status="fallback", risk=None, lace=11)
        chain.append(connection, entry(database.hospital, outcome="fallback", scores=(fallback,)))
        chain.append(connection, entry(database.hospital))
    [item] = replay(reader, 1, lambda _: scorer, hospital=database.hospital)
    assert item.outcome == "not-a-score"
    assert "was fallback" in item.sentence
    with pytest.raises(AuditError, match="Record 2 holds no score"):
        replay(reader, 2, lambda _: scorer, hospital=database.hospital)
    with pytest.raises(AuditError, match="no record 3"):
        replay(reader, 3, lambda _: scorer, hospital=database.hospital)
    with pytest.raises(AuditError, match="another hospital"):
        replay(reader, 1, lambda _: scorer, hospital="elsewhere")


def test_values_that_lack_a_feature_are_named(database: Database, reader: Connection) -> None:
    _, scorer = fitted("linear")
    with database.engine("audit-writer").connect() as connection:
        made = entry(database.hospital, release=RELEASE, scores=(scored(),))
        chain.append(connection, made, [json.dumps({"age": 1}).encode()])
    with pytest.raises(AuditError, match="creatinine, female, ward"):
        replay(reader, 1, lambda _: scorer, hospital=database.hospital)


def test_the_release_must_be_the_one_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scorer, "open", lambda *_, **__: fitted("linear")[1])
    assert open_release("v1/0", RELEASE, None).version == "v1"
    other = ReleaseRef(model="m", version="v2", digest="0" * 64)
    with pytest.raises(AuditError, match="is m v1, not the one on record"):
        open_release("v2/0", other, None)
