"""The identity lookup that an ingestion fills: real PostgreSQL, real OpenBao."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from model.curated.run import ingest
from model.deid.keys import VaultKeyring
from model.errors import UserError
from model.identity_store.identity_values import search_text
from model.identity_store.lookup import EHR, LookupRecorder, encrypted, lookup_recorder, write
from model.identity_store.lookup_tables import ENCRYPTED, IDENTITY, RUN, STAY
from model.identity_store.transit_cipher import TransitCipher
from model.io.database import DatabaseServer, connect
from services.database.schemas import Schema
from tests.support.databases.postgres import Database, PostgresServer
from tests.support.vault.bao_server import HOSPITAL, Bao, bao

pytestmark = pytest.mark.process
MOUNT = f"{HOSPITAL}/transit"
NAMES = ("Quackenbush", "Oyelaran", "Lindqvist")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    with bao(tmp_path_factory.mktemp("bao")) as running:
        yield running


@pytest.fixture
def database(postgres: PostgresServer) -> Database:
    return postgres.database(Schema.CARE)


def bundle(number: int) -> dict[str, Any]:
    patient = {
        "resourceType": "Patient",
        "id": f"patient-{number}",
        "name": [{"use": "official", "family": NAMES[number], "given": ["Ann"]}],
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": f"MRN8841226{number}"}],
        "birthDate": "1951-07-04",
        "gender": "female",
        "telecom": [{"system": "phone", "value": f"617-555-019{number}"}],
    }
    encounter = {
        "resourceType": "Encounter",
        "id": f"encounter-{number}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/patient-{number}"},
        "period": {"start": "2026-05-01T10:00:00Z", "end": "2026-05-04T10:00:00Z"},
        "location": [{"location": {"display": "Cardiology-4W"}}],
    }
    entries = [{"resource": patient}, {"resource": encounter}]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def write_bundles(folder: Path, *numbers: int) -> Path:
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for number in numbers:
        (folder / f"{number}.json").write_text(json.dumps(bundle(number)), encoding="utf-8")
    return folder


def connected(database: Database, file: Path) -> sa.Connection:
    return connect(file, database.name, database.server.address)


def run(server: Bao, database: Database, tmp_path: Path, *numbers: int) -> None:
    """Ingest some patients as the ingestion Job does."""
    vault = server.vault("identity-writer")
    file = database.login_file("identity-writer")
    recorder = LookupRecorder(HOSPITAL, lambda: connected(database, file), TransitCipher(vault, MOUNT))
    ingest(
        str(write_bundles(tmp_path / "fhir", *numbers)),
        hospital=HOSPITAL,
        out=str(tmp_path / "curated"),
        ring=VaultKeyring(vault, MOUNT),
        identities=recorder,
    )


def rows(database: Database, table: sa.Table) -> list[dict[str, Any]]:
    with database.engine("care-service").connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def test_an_ingestion_fills_the_lookup_and_care_reads_it(server: Bao, database: Database, tmp_path: Path) -> None:
    run(server, database, tmp_path, 0, 1)
    cipher = TransitCipher(server.vault("care"), MOUNT)
    (wanted,) = cipher.indexes(search_text("record-number", "mrn88412261"))
    (found,) = [row for row in rows(database, IDENTITY) if wanted in row["search"]]
    values = cipher.decrypt([found[name] for name in ENCRYPTED[IDENTITY]])
    assert values == ["patient-1", "MRN88412261", "Oyelaran, Ann", "1951-07-04", "617-555-0191"]
    (stay,) = [row for row in rows(database, STAY) if row["patient"] == found["patient"]]
    assert cipher.decrypt([stay[name] for name in ENCRYPTED[STAY]]) == [
        "encounter-1",
        "Cardiology-4W",
        "2026-05-01T10:00:00+00:00",
        "2026-05-04T10:00:00+00:00",
    ]
    assert stay["open"] is False
    assert stay["unit_index"] == cipher.index([search_text("unit", "Cardiology-4W")])[0]
    with connected(database, database.login_file("care-service")) as connection:
        assert connection.scalar(sa.select(RUN.c.hospital)) == HOSPITAL


def test_no_value_is_readable_in_the_database(server: Bao, database: Database, tmp_path: Path) -> None:
    run(server, database, tmp_path, 0, 1, 2)
    content = json.dumps([rows(database, IDENTITY), rows(database, STAY)], default=str)
    clear = [*NAMES, "MRN8841226", "patient-", "encounter-", "1951-07-04", "617-555", "Cardiology", "2026-05-0"]
    assert [text for text in clear if text.lower() in content.lower()] == []
    for table, columns in ENCRYPTED.items():
        for row in rows(database, table):
            assert all(row[name].startswith("vault:v1:") for name in columns)


def test_who_is_no_longer_in_the_source_is_removed(server: Bao, database: Database, tmp_path: Path) -> None:
    run(server, database, tmp_path, 0, 1)
    run(server, database, tmp_path, 1, 2)
    cipher = TransitCipher(server.vault("care"), MOUNT)
    names = cipher.decrypt([row["name"] for row in rows(database, IDENTITY)])
    assert sorted(names) == ["Lindqvist, Ann", "Oyelaran, Ann"]
    assert len(rows(database, STAY)) == 2


def test_the_same_input_is_not_written_again(server: Bao, database: Database, tmp_path: Path) -> None:
    run(server, database, tmp_path, 0)
    before = rows(database, IDENTITY)
    run(server, database, tmp_path, 0)
    assert rows(database, IDENTITY) == before


def test_rows_of_a_hook_stay_until_ingestion_should_know_the_stay(
    server: Bao, database: Database, tmp_path: Path
) -> None:
    run(server, database, tmp_path, 0)
    with connected(database, database.login_file("care-service")) as connection, connection.begin():
        found = [dict(row) for row in connection.execute(sa.select(STAY)).mappings()]
        kept = [{name: row[name] for name in row if name not in ("source", "run", "written_at")} for row in found]
        write(connection, {STAY: [row | {"encounter": "v1-new"} for row in kept]}, source=EHR, run="hook")
        write(connection, {STAY: [row | {"encounter": "v1-old"} for row in kept]}, source=EHR, run="hook")
    with database.administrator() as administrator:
        administrator.execute(
            sa.update(STAY)
            .where(STAY.c.encounter == "v1-old")
            .values(written_at=sa.func.now() - sa.text("interval '9 days'"))
        )
    run(server, database, tmp_path, 1)
    assert [row["encounter"] for row in rows(database, STAY) if row["source"] == EHR] == ["v1-new"]


def test_a_run_that_fails_leaves_the_rows_of_the_run_before(
    server: Bao, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(server, database, tmp_path, 0)
    before = rows(database, IDENTITY), rows(database, STAY)

    def broken(connection: sa.Connection, found: Any, **origin: str) -> None:
        write(connection, found, source=origin["source"], run=origin["run"])
        raise UserError("the database went away")

    monkeypatch.setattr("model.identity_store.lookup.write", broken)
    with pytest.raises(UserError, match="went away"):
        run(server, database, tmp_path, 1)
    assert (rows(database, IDENTITY), rows(database, STAY)) == before


def test_without_vault_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    with pytest.raises(UserError, match="needs Vault"):
        lookup_recorder(tmp_path / "care.json", HOSPITAL)


def test_a_file_that_is_no_login_is_named(tmp_path: Path) -> None:
    (tmp_path / "care.json").write_text("{}")
    with pytest.raises(UserError, match="is not a login"):
        connect(tmp_path / "care.json", "north-care", DatabaseServer(host="h", port=1, ca="ca.crt"))


def test_without_a_database_server_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADDR", "ROLE"):
        monkeypatch.setenv(f"VAULT_{name}", "https://127.0.0.1:1")
    monkeypatch.setenv("DATABASE_PORT", "none")
    with pytest.raises(UserError, match="DATABASE_CA, DATABASE_HOST, DATABASE_PORT"):
        lookup_recorder(tmp_path / "care.json", HOSPITAL)


def test_nothing_is_encrypted_for_nobody(server: Bao) -> None:
    assert encrypted([], [], TransitCipher(server.vault("care"), MOUNT)) == {IDENTITY: [], STAY: []}
