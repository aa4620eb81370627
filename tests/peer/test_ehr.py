"""Care with HAPI FHIR as the EHR: it reads the record, writes scores back once, and is launched by it.

The server is the one of ``make up EHR=1``; it is killed while a score is to be written to it.
"""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from local.ehr import build
from local.ehr.launch import App
from local.errors import UserError
from local.hospitals import patient_record
from local.hospitals.patient_record import Stay
from model.fhir_server.credentials import Credentials
from model.synthesis.run import synthesize
from services.care.delivery.outbox import RISK_ASSESSMENT, Courier
from services.care.delivery.write_back import FhirWriter
from services.care.tables import OUTBOX
from tests.peer.fhir_server import Ehr, free_port, running
from tests.support.care.care_world import ADDRESS, CareWorld, care_world, hook
from tests.support.care.ehr import Ehr as EhrClient
from tests.support.databases.postgres import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
CLIENT = "north-worklist"
PATIENTS = 6


class Server:
    """The server, which a test stops and starts again with its data."""

    def __init__(self, built: Path, folder: Path) -> None:
        self.port = free_port()
        self.base = f"https://127.0.0.1:{self.port}/fhir"
        self.app = App(CLIENT, f"{ADDRESS}/callback", folder / "launches")
        self._built, self._folder = built, folder
        self._stack = ExitStack()
        self.ehr = self.start()

    def start(self) -> Ehr:
        database = f"jdbc:h2:file:{self._folder / 'records'}"
        server = running(self._built, self._folder, port=self.port, database=database, app=self.app)
        self.ehr = self._stack.enter_context(server)
        return self.ehr

    def stop(self) -> None:
        self._stack.close()

    def browser(self) -> httpx.Client:
        """Return a browser that does not follow redirects."""
        return httpx.Client(verify=ssl.create_default_context(cafile=str(self.ehr.ca)))


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("population")
    synthesize(patients=PATIENTS, seed=5, out=str(folder))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def stay(population: list[Path]) -> Stay:
    return patient_record.choose(population)


@pytest.fixture(scope="module")
def server(population: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        built = build.build(lambda _: None)
    except UserError as missing:
        pytest.skip(str(missing))
    started = Server(built, tmp_path_factory.mktemp("ehr"))
    try:
        for path in population:
            started.ehr.put_bundle(path)
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CareWorld]:
    ca = server.ehr.ca
    client = EhrClient(fhir=server.base, smart_iss=server.base)
    folder = tmp_path_factory.mktemp("care")
    with care_world(postgres, folder, ehr=client, FHIR_SERVER=server.base, FHIR_CA=str(ca)) as made:
        writer = FhirWriter(server.base, Credentials(ca=ca.read_text()), "Readmission risk service of north")
        yield made.at(lambda: datetime.now(UTC), receivers={RISK_ASSESSMENT: writer.write})


def discharged(world: CareWorld, server: Server, stay: Stay, **sent: Any) -> dict[str, Any]:
    answer = world.call(hook(stay.patient, stay.encounter, fhirServer=server.base, **sent))
    assert answer.status_code == 200, answer.text
    [card] = answer.json()["cards"]
    return dict(card)


def written(server: Server, stay: Stay) -> list[dict[str, Any]]:
    """Return the RiskAssessments of the stay's patient; each has one Provenance."""
    # HAPI answers a search again from its results of the last minute.
    newest = {"Cache-Control": "no-cache"}
    found = server.ehr.client.get("/RiskAssessment", params={"patient": stay.patient}, headers=newest).json()
    assessments = [entry["resource"] for entry in found.get("entry", ())]
    for one in assessments:
        target = {"target": f"RiskAssessment/{one['id']}"}
        of_it = server.ehr.client.get("/Provenance", params=target, headers=newest).json()
        assert len(of_it["entry"]) == 1
    assert server.ehr.count("Provenance") == server.ehr.count("RiskAssessment")
    return assessments


def test_the_record_is_read_from_the_server_and_the_score_is_written_back(
    world: CareWorld, server: Server, stay: Stay
) -> None:
    card = discharged(world, server, stay)
    assert "Data: the record of this moment" in card["detail"]
    courier = world.courier
    assert (courier.deliver_due(), courier.deliver_due()) == (1, 0)
    [assessment] = written(server, stay)
    assert assessment["encounter"] == {"reference": f"Encounter/{stay.encounter}"}
    assert assessment["prediction"][0]["qualitativeRisk"]["text"] == "high"


def test_a_score_of_a_moment_without_the_server_arrives_once(
    world: CareWorld, server: Server, stay: Stay, population: list[Path]
) -> None:
    before = len(written(server, stay))
    record = patient_record.prefetch(population, stay)
    server.stop()
    discharged(world, server, stay, prefetch=record)
    assert world.courier.deliver_due() == 0
    server.start()
    [waiting] = [row for row in world.rows(OUTBOX) if row["delivered_at"] is None]
    later = Courier(world.care.engine, world.care.cipher, world.care.receivers, lambda: waiting["next_attempt_at"])
    assert (later.deliver_due(), later.deliver_due()) == (1, 0)
    assert len(written(server, stay)) == before + 1
    # The same message again, as after a lost answer: the server creates nothing.
    world.care.receivers[RISK_ASSESSMENT](waiting["message"], world.care.cipher.decrypt([waiting["content"]])[0])
    assert len(written(server, stay)) == before + 1


def test_the_server_launches_the_worklist_once_for_a_token(world: CareWorld, server: Server, stay: Stay) -> None:
    token = server.app.launch(stay.patient, stay.encounter)
    begun = world.client.get("/launch", params={"iss": server.base, "launch": token}, follow_redirects=False)
    with server.browser() as person:
        back = person.get(begun.headers["location"]).headers["location"]
        assert parse_qs(urlsplit(person.get(begun.headers["location"]).headers["location"]).query)["error"] == [
            "access_denied"
        ]
    world.client.base_url = httpx.URL(ADDRESS)
    parts = urlsplit(back)
    ended = world.client.get(
        f"{parts.path}?{parts.query}",
        headers={"Cookie": begun.headers["set-cookie"].split(";")[0]},
        follow_redirects=False,
    )
    assert ended.headers["location"].startswith(f"{ADDRESS}/worklist/launch/")
    assert list(server.app.launches.iterdir()) == []


VERIFIER = "v" * 43
CHALLENGE = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"


def asked(server: Server, stay: Stay, **changed: str) -> dict[str, str]:
    """Return the parameters of an authorization request, some of them changed."""
    usual = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": server.app.redirect_uri,
        "scope": "launch",
        "state": "s",
        "aud": server.base,
        "launch": server.app.launch(stay.patient, stay.encounter),
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return usual | changed


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_browser_is_sent_to_the_registered_app_alone(server: Server, stay: Stay, name: str) -> None:
    with server.browser() as person:
        answer = person.get(f"{server.base[:-5]}/smart/authorize", params=asked(server, stay, **{name: "https://x"}))
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("response_type", "token"),
        ("aud", "https://other.example/fhir"),
        ("state", ""),
        ("launch", "unknown"),
        ("launch", "../records.mv.db"),
        ("code_challenge", ""),
        ("code_challenge_method", "plain"),
    ],
)
def test_a_request_that_is_not_whole_gets_no_code(server: Server, stay: Stay, name: str, value: str) -> None:
    with server.browser() as person:
        answer = person.get(f"{server.base[:-5]}/smart/authorize", params=asked(server, stay, **{name: value}))
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert answer.status_code == 302
    assert query["error"] == ["access_denied" if name == "launch" else "invalid_request"]
    assert "code" not in query


@pytest.mark.parametrize("name", ["code", "grant_type", "client_id", "redirect_uri", "code_verifier"])
def test_a_code_is_good_once_for_its_app_and_its_verifier(server: Server, stay: Stay, name: str) -> None:
    with server.browser() as person:
        token, authorize = (f"{server.base[:-5]}/smart/{path}" for path in ("token", "authorize"))
        back = person.get(authorize, params=asked(server, stay)).headers["location"]
        form = {
            "grant_type": "authorization_code",
            "code": parse_qs(urlsplit(back).query)["code"][0],
            "redirect_uri": server.app.redirect_uri,
            "client_id": CLIENT,
            "code_verifier": VERIFIER,
        }
        wrong = person.post(token, data=form | {name: "wrong"})
        assert (wrong.status_code, wrong.json()) == (400, {"error": "invalid_grant"})
        right = person.post(token, data=form)
        if name != "code":
            # A wrong attempt ends the code.
            assert right.status_code == 400
            return
        assert (right.json()["patient"], right.json()["encounter"]) == (stay.patient, stay.encounter)
        assert right.headers["cache-control"] == "no-store"
        assert person.post(token, data=form).status_code == 400
        assert person.get(f"{token}?{urlencode(form)}").status_code == 405
