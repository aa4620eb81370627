"""Third-party clients, unchanged, against care and the EHR that launches it: run by ``make test-care-clients``.

- ``fhirclient`` of PyPI and SMART's JavaScript client ``fhirclient`` of npm complete the launch of a SMART app at the
  EHR of the tests, which launches the worklist in the same way: it is an EHR that both accept.
- ``healthchain`` (PyPI) is the EHR of a discharge: discovery, the hook, its card, feedback.

The run writes ``docs/care-clients.md``: what each client asked, and what it was answered.

The npm package and healthchain (whose dependencies differ from the project's) are installed into a folder of the test.
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from model.synthesis.run import synthesize
from services.care.tables import FEEDBACK
from tests.support.care.care_world import CareWorld, care_world, prefetch
from tests.support.care.discharges import Stay, stays
from tests.support.care.ehr_server import CLIENT, EhrServer
from tests.support.care.ehr_server import running as running_ehr
from tests.support.databases.postgres import PostgresServer
from tests.support.repository import REPOSITORY, when_and_what
from tests.support.serving.http_steps import HttpSteps, named

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
HERE = Path(__file__).parent / "care"
HOOK = "/cds-services/readmission-risk"
PAGE = REPOSITORY / "docs" / "care-clients.md"
SMART_JS, HEALTHCHAIN = "2.6.3", "0.16.1"
CLIENTS = 4
"""The worklist and three others."""
HEAD = """# Third-party clients of care
`make test-care-clients` runs published clients, unchanged, and writes this page: every request that the EHR of the
tests and care answered, without its query and body, and what the client printed. The patient is synthetic.
`make test-ehr` does the launch, and the hook with its write-back, with HAPI FHIR as the EHR and through the gateway.

{run}.
"""


@dataclass
class Transcript:
    """What each client asked and got.

    Parameters
    ----------
    steps
        The answers of both servers.
    stay
        Whose identifiers are replaced by names.
    names
        Other texts that are replaced, and by what.
    sections
        Text of each client.
    """

    steps: HttpSteps
    stay: Stay
    names: dict[str, str]
    sections: dict[str, str] = field(default_factory=dict)

    def add(self, client: str, printed: object) -> None:
        """Add what a client did since the last one."""
        names = self.names | {self.stay.patient["id"]: "{patient}", self.stay.encounter["id"]: "{encounter}"}
        lines = [*self.steps.taken(names), f"client prints {named(json.dumps(printed), names)}"]
        self.sections[client] = "\n".join(lines)


@pytest.fixture(scope="module")
def stay(tmp_path_factory: pytest.TempPathFactory) -> Stay:
    folder = tmp_path_factory.mktemp("population")
    synthesize(patients=6, seed=5, out=str(folder))
    return stays(folder)[0]


@pytest.fixture(scope="module")
def transcript(world: tuple[CareWorld, str], ehr: EhrServer, stay: Stay) -> Iterator[Transcript]:
    made = Transcript(ehr.steps, stay, {world[1]: "{care}"})
    yield made
    if len(made.sections) == CLIENTS:
        sections = "".join(f"\n## {client}\n```\n{text}\n```\n" for client, text in made.sections.items())
        PAGE.write_text(HEAD.format(run=when_and_what()) + sections, encoding="utf-8")


@pytest.fixture(scope="module")
def ehr(stay: Stay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EhrServer]:
    for server in running_ehr(tmp_path_factory.mktemp("ehr")):
        server.put(*stay.known_at(stay.end))
        yield server


@contextmanager
def served(app: ASGIApp, folder: Path, listening: socket.socket) -> Iterator[None]:
    """Serve over TLS with a certificate of the EHR's authority."""
    config = uvicorn.Config(
        app,
        log_level="critical",
        ssl_certfile=str(folder / "server.crt"),
        ssl_keyfile=str(folder / "server.key"),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def world(
    postgres: PostgresServer, ehr: EhrServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[CareWorld, str]]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        address = f"https://127.0.0.1:{listening.getsockname()[1]}"
        with care_world(postgres, tmp_path_factory.mktemp("care"), smart_iss=ehr.base, PUBLIC_URL=address) as made:
            http = httpx.Client(verify=ssl.create_default_context(cafile=str(ehr.ca)))
            running = made.at(made.care.clock, http=http)
            app = running.client.app
            assert isinstance(app, FastAPI)
            with served(ehr.steps.of(app, "care"), ehr.folder, listening):
                yield running, address


def browser(ehr: EhrServer) -> httpx.Client:
    return httpx.Client(verify=ssl.create_default_context(cafile=str(ehr.ca)), timeout=60)


def test_the_worklist_is_launched_by_the_ehr(
    world: tuple[CareWorld, str], ehr: EhrServer, stay: Stay, transcript: Transcript
) -> None:
    _, address = world
    token = ehr.launch(stay.patient["id"], stay.encounter["id"])
    with browser(ehr) as person:
        answer = person.get(f"{address}/launch", params={"iss": ehr.base, "launch": token})
        while answer.is_redirect and "/worklist/launch/" not in answer.headers["location"]:
            answer = person.get(answer.headers["location"])
    assert answer.status_code == 303
    assert urlsplit(answer.headers["location"]).path.startswith("/worklist/launch/")
    transcript.add("The worklist, launched by the EHR", {"location": "/worklist/launch/{ticket}"})


def test_fhirclient_for_python_completes_the_launch(ehr: EhrServer, stay: Stay, transcript: Transcript) -> None:
    token = ehr.launch(stay.patient["id"], stay.encounter["id"])
    script = (
        "import json, sys, requests\n"
        "from fhirclient import client\n"
        "iss, launch = sys.argv[1:]\n"
        f"settings = dict(app_id={CLIENT!r}, api_base=iss, launch_token=launch, scope='launch', "
        "redirect_uri='https://app.example/callback')\n"
        "smart = client.FHIRClient(settings=settings)\n"
        "smart.prepare()\n"
        "back = requests.get(smart.authorize_url, allow_redirects=False).headers['location']\n"
        "smart.handle_callback(back)\n"
        "print(json.dumps({'ready': smart.ready, 'patient': smart.patient_id, 'read': smart.patient.id}))\n"
    )
    found = run([sys.executable, "-c", script, ehr.base, token], REQUESTS_CA_BUNDLE=str(ehr.ca))
    identity = stay.patient["id"]
    assert found == {"ready": True, "patient": identity, "read": identity}
    transcript.add(f"fhirclient {version('fhirclient')} (PyPI)", found)


def test_smart_s_javascript_client_completes_the_launch(
    ehr: EhrServer, stay: Stay, tmp_path: Path, transcript: Transcript
) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js is not installed: apt-get install nodejs npm")
    command = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(tmp_path),
        f"fhirclient@{SMART_JS}",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    token = ehr.launch(stay.patient["id"], stay.encounter["id"])
    arguments = ["node", str(HERE / "smart.mjs"), ehr.base, token, "https://app.example/callback", CLIENT]
    found = run(arguments, NODE_EXTRA_CA_CERTS=str(ehr.ca), PEER_MODULES=str(tmp_path))
    identity = stay.patient["id"]
    assert found == {"patient": identity, "encounter": stay.encounter["id"], "read": identity}
    transcript.add(f"fhirclient {SMART_JS} (npm), SMART's JavaScript client", found)


def test_healthchain_calls_the_hook(
    world: tuple[CareWorld, str], ehr: EhrServer, stay: Stay, tmp_path: Path, transcript: Transcript
) -> None:
    running, address = world
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not on the PATH")
    command = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        sys.executable,
        "--target",
        str(tmp_path),
        f"healthchain=={HEALTHCHAIN}",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    given = {
        "address": address,
        "ca": str(ehr.ca),
        "tokens": {path: running.ehr.token(address + path) for path in (HOOK, f"{HOOK}/feedback")},
        "context": {
            "userId": "Practitioner/dr-1",
            "patientId": stay.patient["id"],
            "encounterId": stay.encounter["id"],
        },
        "prefetch": prefetch(stay.patient, stay.encounter["id"], stay.known_at(stay.end)),
    }
    found = run([sys.executable, str(HERE / "hooks.py")], content=json.dumps(given), PYTHONPATH=str(tmp_path))
    assert found["service"] == "readmission-risk"
    assert str(found["summary"]).startswith("Readmission within 30 days: 27%")
    assert urlsplit(str(found["link"])).path == "/launch"
    assert [row["outcome"] for row in running.rows(FEEDBACK)] == ["accepted"]
    transcript.add(f"healthchain {HEALTHCHAIN} (PyPI), CDS Hooks", found)


def run(command: list[str], content: str | None = None, **environment: str) -> dict[str, object]:
    """Run a client and return what it printed."""
    done = subprocess.run(
        command, input=content, capture_output=True, text=True, env=os.environ | environment, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    sys.stdout.write(f"  {Path(command[0]).name}: {done.stdout.strip()}\n")
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
