"""The identity lookup: found by blind index, decrypted by Vault, and on the record of the request that asked."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from model.deid.subject import Subject, secret_input
from model.identity_store.identity_values import patient_values, stay_values
from model.identity_store.lookup import EHR, encrypted, write
from model.identity_store.lookup_tables import IDENTITY, STAY
from services.audit.http import audit, recorded
from services.care.accesses import AccessedIdentities, NotOnRecordError
from services.care.identity import IdentityLookup
from services.care.worklist.ports import Access, IdentitiesUnavailableError
from tests.support.care.care_world import CareWorld, care_world
from tests.support.databases.postgres import PostgresServer
from tests.support.model.model_world import RING

pytestmark = pytest.mark.process
ACCESS = Access(subject="2f0c", role="coordinator", purpose="TREAT")
DAY = date(2026, 5, 4)
UNKNOWN = "v1-" + "0" * 12


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CareWorld]:
    with care_world(postgres, tmp_path_factory.mktemp("care")) as made:
        patients, stays = [], []
        for number, name in enumerate(("Quackenbush", "Oyelaran")):
            subject = _subject(number)
            patient = {
                "resourceType": "Patient",
                "id": f"p{number}",
                "name": [{"family": name, "given": ["Ann"]}],
                "identifier": [{"value": f"MRN-{number}"}],
                "birthDate": "1951-07-04" if number else "1951",
            }
            ended = {"start": "2026-05-01T10:00:00Z"} | ({"end": "2026-05-04T10:00:00Z"} if number else {})
            encounter = {"resourceType": "Encounter", "id": f"e{number}", "status": "in-progress", "period": ended}
            patients.append(patient_values(patient, subject))
            stays.append(stay_values(encounter, f"p{number}", subject, UTC))
        with made.care.transaction() as connection:
            write(connection, encrypted(patients, stays, made.care.cipher), source=EHR, run="test")
        yield made


def _subject(number: int) -> Subject:
    return Subject(RING.secrets([secret_input("north", f"p{number}")])[0])


def encounter(number: int) -> str:
    return _subject(number).pseudonym("Encounter", f"e{number}")


def asked(world: CareWorld, ask: Any) -> Any:
    """Return what a request gets that asks the lookup."""
    found: list[Any] = []
    router = APIRouter()

    @router.get("/asks")
    def asks() -> str:
        found.append(ask(IdentityLookup(world.care.engine, world.care.cipher)))
        return "ok"

    app = FastAPI()
    app.include_router(router)
    app.add_middleware(AccessedIdentities)
    recorded(app, world.care.recorder)
    assert TestClient(app).get("/asks").status_code == 200
    return found[0]


def test_identities_are_revealed_and_on_record(world: CareWorld) -> None:
    names = [encounter(0), encounter(1), UNKNOWN]
    found = asked(world, lambda lookup: lookup.reveal(names, ACCESS))
    assert set(found) == {encounter(0), encounter(1)}
    assert (found[encounter(1)].name, found[encounter(1)].record_number) == ("Oyelaran, Ann", "MRN-1")
    assert (found[encounter(1)].birth_date, found[encounter(0)].birth_date) == (date(1951, 7, 4), None)
    entry = world.records()[-1].entry
    assert (entry.caller, entry.caller_role, entry.purpose) == ("2f0c", "coordinator", "TREAT")


def test_the_record_names_every_encounter_that_was_revealed(world: CareWorld) -> None:
    def twice(lookup: IdentityLookup) -> None:
        lookup.reveal([encounter(0)], ACCESS)
        lookup.reveal([encounter(1), encounter(0)], ACCESS)

    asked(world, twice)
    assert world.records()[-1].entry.encounters == (encounter(0), encounter(1))


@pytest.mark.parametrize(
    ("kind", "text", "numbers"),
    [
        ("record-number", "mrn-1", [1]),
        ("name", "OYELARAN", [1]),
        ("name", "ann", [0, 1]),
        ("patient-id", "p0", [0]),
        ("birth-date", "1951-07-04", [1]),
        ("name", "MRN-1", []),
        ("record-number", "", []),
    ],
)
def test_a_person_is_found_by_a_value_of_its_kind(world: CareWorld, kind: str, text: str, numbers: list[int]) -> None:
    found = asked(world, lambda lookup: lookup.search(kind, text, ACCESS))
    assert set(found) == {encounter(number) for number in numbers}
    assert set(world.records()[-1].entry.encounters) == set(found)


def test_the_true_values_of_a_stay_are_revealed(world: CareWorld) -> None:
    found = asked(world, lambda lookup: lookup.stay(encounter(1), ACCESS))
    assert (found.encounter_id, found.unit, found.open) == ("e1", None, False)
    assert found.ended_at == datetime(2026, 5, 4, 10, tzinfo=UTC)
    assert asked(world, lambda lookup: lookup.stay(UNKNOWN, ACCESS)) is None


def test_stays_of_today_are_those_that_go_on_or_ended_today(world: CareWorld) -> None:
    lookup = IdentityLookup(world.care.engine, world.care.cipher)
    assert lookup.current() == (encounter(0),)
    assert set(lookup.current([DAY])) == {encounter(0), encounter(1)}
    assert lookup.current([DAY + timedelta(days=1)]) == (encounter(0),)


def test_outside_of_a_request_nothing_is_revealed(world: CareWorld) -> None:
    lookup = IdentityLookup(world.care.engine, world.care.cipher)
    for ask in (lambda: lookup.reveal([encounter(0)], ACCESS), lambda: lookup.find("MRN-1", ACCESS)):
        with pytest.raises(NotOnRecordError):
            ask()


def test_after_the_record_was_written_nothing_is_revealed(world: CareWorld) -> None:
    app = FastAPI()

    @app.get("/asks")
    def asks(request: Request) -> str:
        audit(request).append()
        with pytest.raises(NotOnRecordError):
            IdentityLookup(world.care.engine, world.care.cipher).reveal([encounter(0)], ACCESS)
        return "refused"

    app.add_middleware(AccessedIdentities)
    recorded(app, world.care.recorder)
    assert TestClient(app).get("/asks").json() == "refused"


def test_a_request_reveals_no_more_than_its_record_can_name(world: CareWorld) -> None:
    def too_many(lookup: IdentityLookup) -> None:
        with pytest.raises(NotOnRecordError):
            lookup.reveal([f"v1-{number:012x}" for number in range(1001)], ACCESS)

    asked(world, too_many)


def test_an_identity_of_a_lost_key_hides_no_other(world: CareWorld) -> None:
    of_first = sa.select(STAY.c.patient).where(STAY.c.encounter == encounter(0)).scalar_subquery()
    with world.care.transaction() as connection:
        kept = connection.scalar(sa.select(IDENTITY.c.name).where(IDENTITY.c.patient == of_first))
        connection.execute(sa.update(IDENTITY).where(IDENTITY.c.patient == of_first).values(name="vault:v9:AAAA"))
    try:
        shown = asked(world, lambda lookup: lookup.reveal([encounter(0), encounter(1)], ACCESS))
    finally:
        with world.care.transaction() as connection:
            connection.execute(sa.update(IDENTITY).where(IDENTITY.c.patient == of_first).values(name=kept))
    assert shown.keys() == {encounter(1)}


def test_when_the_lookup_does_not_answer_it_says_so(world: CareWorld) -> None:
    away = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing", connect_args={"connect_timeout": 1})

    def unavailable(_lookup: IdentityLookup) -> None:
        with pytest.raises(IdentitiesUnavailableError):
            IdentityLookup(away, world.care.cipher).reveal([encounter(0)], ACCESS)

    asked(world, unavailable)
    world.bao.root.sys.seal()
    try:
        with pytest.raises(IdentitiesUnavailableError):
            IdentityLookup(world.care.engine, world.care.cipher).current([DAY])
    finally:
        world.bao.root.sys.submit_unseal_key(world.bao.unseal_key)
