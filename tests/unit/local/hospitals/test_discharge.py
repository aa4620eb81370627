"""A discharge of the demonstration: what the EHR sends, and what it says of each answer."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from local.errors import UserError
from local.hospitals import discharge, ehr_client
from local.hospitals.discharge import Card, Discharge, NotReadyError, call, first_card
from local.hospitals.ehr_client import EhrClient
from local.hospitals.patient_record import Stay, choose, prefetch
from local.paths import Home
from local.screen import show_discharge
from model.synthesis.run import synthesize
from services.care.tables import CARD
from tests.support.care.care_world import ADDRESS, HOOK, care_world
from tests.support.care.ehr import Ehr
from tests.support.databases.postgres import PostgresServer
from tests.support.gateway.tls_gateway import TlsGateway, tls_gateway
from tests.support.stack.file_stack import file_stack

STAY = Stay("p1", "e1", True, "2026-11-20")
CARD_OF_TEST: dict[str, Any] = {
    "summary": "Readmission within 30 days: 27% (high)",
    "detail": "**Main reasons**\n\n- Charlson comorbidity index: 4 [points]",
    "indicator": "warning",
    "source": {"label": "Readmission risk service"},
    "links": [{"label": "Open the discharge worklist", "url": "https://x", "type": "smart"}],
}


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsGateway]:
    with tls_gateway(tmp_path) as found:
        found.body = json.dumps({"cards": [CARD_OF_TEST]})
        monkeypatch.setattr(EhrClient, "tls", lambda _: found.tls())
        yield found


@pytest.fixture
def ehr(tmp_path: Path) -> EhrClient:
    return EhrClient(Home(tmp_path / "home"), "north")


def test_the_hook_reaches_the_gateway_by_its_name(gateway: TlsGateway, ehr: EhrClient) -> None:
    [card] = call(ehr, STAY, {"prefetch": {"patient": {"id": "p1"}}}, gateway.address)
    assert card == CARD_OF_TEST
    [(path, host, body)] = gateway.seen
    assert (path, host) == ("/cds-services/readmission-risk", gateway.address.removeprefix("https://"))
    assert body["hook"] == "encounter-discharge"
    assert body["context"] == {"userId": discharge.CLINICIAN, "patientId": "p1", "encounterId": "e1"}
    assert body["prefetch"] == {"patient": {"id": "p1"}}
    call(ehr, STAY, discharge.FHIR_SERVER, gateway.address)
    assert gateway.seen[-1][2].keys() == {"hook", "hookInstance", "context", "fhirServer"}


PROBLEM = json.dumps({"title": "Token refused", "detail": "The token has expired; send a new one."})


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, PROBLEM, "north refused the hook with 401: Token refused: The token has expired; send a new one."),
        (401, "Jwt is expired", "north refused the hook with 401: Jwt is expired"),
        (503, json.dumps({"title": "No record", "detail": 3}), "north refused the hook with 503: No record: 3"),
        (503, "", "north refused the hook with 503: Service Unavailable"),
        (502, "<html>\n" + "x" * 5000, "north refused the hook with 502: <html> xxx"),
        (500, "[1]", r"north refused the hook with 500: \[1\]"),
        (200, "no JSON", "answered the hook without cards"),
        (200, "[]", "answered the hook without cards"),
    ],
)
def test_a_refusal_is_one_sentence(gateway: TlsGateway, ehr: EhrClient, status: int, body: str, said: str) -> None:
    gateway.status, gateway.body = status, body
    with pytest.raises(UserError, match=said) as refused:
        call(ehr, STAY, {}, gateway.address)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(("status", "body"), [(503, ""), (400, json.dumps({"title": "Unknown FHIR server"}))])
def test_care_that_starts_or_does_not_know_the_server_yet_is_asked_again(
    gateway: TlsGateway, ehr: EhrClient, status: int, body: str
) -> None:
    gateway.status, gateway.body = status, body
    with pytest.raises(NotReadyError):
        call(ehr, STAY, discharge.FHIR_SERVER, gateway.address)


def test_a_gateway_that_is_away_or_of_another_authority_is_one_sentence(
    gateway: TlsGateway, ehr: EhrClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = r"gateway of north does not answer at .*: run `make status`"
    monkeypatch.setattr(EhrClient, "tls", lambda _: ssl.create_default_context())
    with pytest.raises(UserError, match=away):
        call(ehr, STAY, {}, gateway.address)
    with pytest.raises(UserError, match=away):
        call(ehr, STAY, {}, "https://localhost:9")
    assert gateway.seen == []


def test_another_hospital_or_another_ehr_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    stack = file_stack(home, tmp_path, [{"name": "north"}, {"name": "gone", "leaving": "closed"}])
    monkeypatch.setattr(discharge, "Stack", lambda _: stack)
    for name in ("", "gone", "nowhere"):
        with pytest.raises(UserError, match=r"There is no hospital .*: set HOSPITAL= to north\."):
            discharge.discharge(home, name)
    with pytest.raises(UserError, match="demonstration EHR is not that of north's entry"):
        discharge.discharge(home, "north")
    ehr_client.declare(home, stack)
    with pytest.raises(UserError, match="The stack declares no gateway, by which an EHR reaches north"):
        discharge.discharge(home, "north")


def test_the_first_card_waits_for_services_that_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [NotReadyError("starting"), Discharge("north", "p1", "e1", (CARD_OF_TEST,), "")]

    def answer(*_: Any) -> Any:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(discharge, "discharge", answer)
    monkeypatch.setattr(discharge, "_WAIT_SECONDS", 0)
    home = Home(tmp_path)
    assert first_card(home, "north", 60) == Card(CARD_OF_TEST)
    ranked = Discharge("north", "p1", "e1", ({"summary": "No model score, ranked by LACE 4 of 19"},), "")
    answers[:] = [ranked, ranked, Discharge("north", "p1", "e1", (CARD_OF_TEST,), "")]
    assert first_card(home, "north", 60) == Card(CARD_OF_TEST)
    answers[:] = [ranked]
    assert first_card(home, "north", 0) == Card(ranked.cards[0])
    unavailable = "Readmission risk not available: the planning service does not answer"
    answers[:] = [Discharge("north", "p1", "e1", ({"summary": unavailable},), ""), ranked]
    assert first_card(home, "north", 0).failure == unavailable
    answers[:] = [NotReadyError("starting")]
    assert first_card(home, "north", 0) == Card({}, "starting")
    answers[:] = [UserError("refused")]
    assert first_card(home, "north", 60) == Card({}, "refused")
    answers[:] = [Discharge("north", "p1", "e1", (), "")]
    assert first_card(home, "north", 60) == Card({}, "north answered the hook without a card.")


def test_a_card_is_shown_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    show_discharge(Discharge("north", "p1", "e1", (CARD_OF_TEST,), "https://north.localhost:8447"))
    shown = capsys.readouterr().out
    for text in ("27% (high)", "Charlson comorbidity index: 4 [points]", "Open the discharge worklist", "patient p1"):
        assert text in shown


@pytest.mark.process
def test_care_answers_what_the_demonstration_sends(tmp_path: Path, postgres: PostgresServer) -> None:
    home = Home(tmp_path / "home")
    synthesize(patients=12, seed=5, out=str(tmp_path / "fhir"))
    files = sorted((tmp_path / "fhir").iterdir())
    stay = choose(files)
    client = EhrClient(home, "north")
    kid = client.entry()["keys"][0]["kid"]
    key = ECKey.import_key((home.root / "ehr-clients" / "north" / "signing.pem").read_text(), {"kid": kid})
    with care_world(postgres, tmp_path, ehr=Ehr(iss=client.issuer, key=key)) as world:
        body = discharge.request(stay, {"prefetch": prefetch(files, stay)})
        answer = world.post(HOOK.removeprefix(ADDRESS), body, token=client.token(HOOK))
        assert answer.status_code == 200, answer.text
        [card] = answer.json()["cards"]
        assert card["summary"].startswith("Readmission within 30 days: 27% (high)")
        assert "Data: the record of this moment" in card["detail"]
        assert len(world.rows(CARD)) == 1
