"""The FHIR server of one hospital: built once, switched on by name, filled without repeating itself."""

import gzip
import hashlib
import json
import stat
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from local.cluster import charts
from local.cluster import parts as listing
from local.ehr import build
from local.ehr import state as ehr_state
from local.ehr.fill import fill, put_bundle
from local.errors import UserError
from local.hospitals import ehr_client, ehr_source, population
from local.hospitals.ehr_client import EhrClient
from local.paths import EHR_PORT, EHR_URL, KEYCLOAK_PORT, NODE_IP, Home
from local.stack.stack import Stack
from local.tools import maven
from local.tools.catalogue import GO_TOOLS
from model.synthesis.run import synthesize
from tests.support.stack import mocked_stack
from tests.support.stack.file_stack import file_stack


def silent(_: str) -> None:
    pass


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.pki.mkdir(parents=True)
    return found


ENTRIES = [
    {"name": "gone", "leaving": "closed", "fhir": {"path": "build/fhir/gone"}},
    {"name": "north", "fhir": {"path": "build/fhir/north"}, "release": "v1@abc"},
    {"name": "south", "fhir": {"path": "build/fhir/south"}},
]


@pytest.fixture
def stack(home: Home, tmp_path: Path) -> Stack:
    return file_stack(home, tmp_path, ENTRIES)


def test_one_entry_names_the_server_and_later_its_folder_again(home: Home, stack: Stack) -> None:
    ehr_source.declare(stack, on=False)
    assert stack.hospitals() == ENTRIES
    for _ in range(2):
        ehr_source.declare(stack, on=True)
        gone, north, south = stack.hospitals()
        assert (gone["fhir"], south["fhir"]) == (ENTRIES[0]["fhir"], ENTRIES[2]["fhir"])
        assert north["fhir"] == {"url": EHR_URL, "auth": "none", "writeBack": "true"}
        assert north["ehr"]["launch"] == {"issuer": EHR_URL, "client": "north-worklist"}
        assert [ehr_source.is_launched(entry) for entry in stack.hospitals()] == [False, True, False]
        # What the demonstration's EHR declares of itself as a client of the gateway stays beside it.
        ehr_client.declare(home, stack)
        assert (north["network"], north["release"]) == (f"{NODE_IP}/32", "v1@abc")
        assert [ehr_source.is_source(entry) for entry in stack.hospitals()] == [False, True, False]
    overlay = stack.overlay.read_text()
    ehr_source.declare(stack, on=True)
    assert stack.overlay.read_text() == overlay
    ehr_source.declare(stack, on=False)
    assert [{k: v for k, v in entry.items() if k != "ehr"} for entry in stack.hospitals()] == ENTRIES
    assert stack.hospitals()[1]["ehr"] == EhrClient(home, "north").entry()


def test_a_hospital_with_an_ehr_of_its_own_is_launched_by_that_one(home: Home, tmp_path: Path) -> None:
    own = {"application": "epic", "issuer": "https://epic.example", "keys": [{"kty": "RSA"}]}
    stack = file_stack(home, tmp_path, [{"name": "north", "fhir": {"path": "x"}, "ehr": own}])
    ehr_source.declare(stack, on=True)
    [north] = stack.hospitals()
    assert (north["ehr"], ehr_source.is_source(north)) == (own, True)
    ehr_source.declare(stack, on=False)
    assert stack.hospitals() == stack.declared()


def test_a_launch_is_a_token_in_its_address_and_a_file_for_its_owner(
    home: Home, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ehr_source, "Stack", lambda _: stack)
    with pytest.raises(UserError, match="no EHR that launches the worklist of north: run `make up EHR=1`"):
        ehr_source.launch_address(home, "north")
    synthesize(patients=6, seed=5, out=str(tmp_path / "north-6-abc"))
    monkeypatch.setattr(population, "synthesized", lambda *_: tmp_path / "north-6-abc")
    ehr_source.switch_on(home, stack, silent)
    ehr_source.declare(stack, on=True)
    address = urlsplit(ehr_source.launch_address(home, "north"))
    assert (address.netloc, address.path) == ("north.localhost:8447", "/launch")
    query = parse_qs(address.query)
    assert query["iss"] == [EHR_URL]
    [file] = (ehr_state.database(home) / "launches").iterdir()
    assert file.name == hashlib.sha256(query["launch"][0].encode()).hexdigest()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert query["launch"][0] not in file.read_text()
    assert json.loads(file.read_text()).keys() == {"patient", "encounter", "until"}


def test_its_job_reads_the_server_which_it_and_care_alone_may_reach(stack: Stack, tmp_path: Path) -> None:
    ehr_source.declare(stack, on=True)
    fields = {name: stack.hospitals()[1][name] for name in ("fhir", "network")}

    def with_server(written: dict[str, Any]) -> None:
        written["hospitals"][0] |= fields

    made = mocked_stack.declare(mocked_stack.settings("dev", tmp_path, with_server))
    [job] = [job for job in made.of("CronJob") if job.name == "north-ingest"]
    [container] = job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][3] == EHR_URL
    assert container["args"][container["args"].index("--auth") + 1] == "none"
    rules = {
        policy.name: rule["to"]
        for policy in made.of("NetworkPolicy")
        for rule in policy.inputs["spec"].get("egress") or []
        if {"port": EHR_PORT, "protocol": "TCP"} in rule.get("ports", [])
    }
    server = [{"ipBlock": {"cidr": f"{NODE_IP}/32"}}]
    assert rules == {"north-ingestor-to-fhir": server, "north-care-to-fhir": server}


def test_it_is_switched_on_by_name_for_one_population(
    home: Home, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def synthesized(_: Home, entry: dict[str, Any], tell: object) -> Path:
        asked.append(entry["name"])
        return tmp_path / f"{entry['name']}-{len(asked)}"

    monkeypatch.setattr(population, "synthesized", synthesized)
    assert ehr_state.population(home) is None
    ehr_source.switch_on(home, stack, silent)
    assert ehr_state.population(home) == "north-1"
    former = ehr_state.database(home)
    former.mkdir()
    ehr_source.switch_on(home, stack, silent)
    assert (asked, former.exists()) == (["north", "north"], False)
    ehr_state.database(home).mkdir()
    ehr_source.switch_off(home)
    assert ehr_state.population(home) is None
    assert (home.root / "ehr" / "north-2").exists()


def test_a_stack_without_a_hospital_has_no_server(home: Home, stack: Stack) -> None:
    stack.config.write_text(yaml.safe_dump({"config": {"healthcare-mlops:hospitals": ENTRIES[:1]}}))
    with pytest.raises(UserError, match="EHR=1 needs a hospital"):
        ehr_source.switch_on(home, stack, silent)


def test_the_server_is_a_part_only_where_it_is_switched_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven, "java", lambda _: "/usr/bin/java")
    tools = {tool.name: home.root for tool in GO_TOOLS}
    for suffix in ("crt", "key"):
        for name in ("ehr", "keycloak", "aws", "openbao", "netpol", "kserve", "kserve-webhook", "metrics-server"):
            (home.pki / f"{name}.{suffix}").touch()
        (home.pki / f"metrics-server-serving.{suffix}").touch()
    for name in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml"):
        home.config.mkdir(exist_ok=True)
        (home.config / name).touch()
    usual = listing.parts(home, tools)
    assert "ehr" not in usual
    assert usual["keycloak"].ports == ((NODE_IP, KEYCLOAK_PORT),)
    (home.root / "ehr").mkdir()
    (home.root / "ehr" / "population").write_text("north-1500-abc")
    found = listing.parts(home, tools)
    assert list(found) == [*usual, "ehr"]
    assert found["ehr"].ports == ((NODE_IP, EHR_PORT),)
    assert "north-1500-abc" in found["ehr"].program.command[-1]
    # A rehearsal of production: its hospitals have their own identity providers.
    (home.pki / "charts.crt").touch()
    charts.marker(home).touch()
    assert listing.parts(home, tools).keys() - usual.keys() == {"ehr", "charts"}
    assert "keycloak" not in listing.parts(home, tools)


class Server:
    """A FHIR server that keeps what it is sent by the address under which it is put."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.held: dict[str, Any] = {}

    def client(self) -> httpx.Client:
        return httpx.Client(base_url="https://ehr.example/fhir", transport=httpx.MockTransport(self._take))

    def _take(self, request: httpx.Request) -> httpx.Response:
        for entry in json.loads(request.content)["entry"]:
            assert entry["request"]["method"] == "PUT"
            self.held[entry["request"]["url"]] = entry["resource"]
        return httpx.Response(self.status, json={})


def bundles(folder: Path, count: int) -> list[Path]:
    found = []
    for number in range(count):
        patient = {"resourceType": "Patient", "id": f"p{number}"}
        stay = {"resourceType": "Encounter", "id": f"e{number}", "subject": {"reference": f"urn:uuid:p{number}"}}
        entries = [
            {"fullUrl": f"urn:uuid:{one['id']}", "resource": one, "request": {"method": "POST", "url": "x"}}
            for one in (patient, stay)
        ]
        content = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()
        path = folder / f"{number}.json{'.gz' if number % 2 else ''}"
        path.write_bytes(gzip.compress(content) if number % 2 else content)
        found.append(path)
    return found


def test_filling_again_adds_nothing(tmp_path: Path) -> None:
    server = Server()
    paths = bundles(tmp_path, 5)
    with server.client() as client:
        assert [fill(client, paths), fill(client, paths[2:])] == [10, 6]
    assert set(server.held) == {f"{kind}{number}" for kind in ("Patient/p", "Encounter/e") for number in range(5)}


def test_a_server_that_takes_no_bundle_is_one_sentence(tmp_path: Path) -> None:
    [path] = bundles(tmp_path, 1)
    with Server(422).client() as client, pytest.raises(UserError, match="answered 422 to a bundle"):
        put_bundle(client, path)

    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("", request=request)

    with (
        httpx.Client(base_url="https://ehr.example", transport=httpx.MockTransport(broken)) as client,
        pytest.raises(UserError, match="closed the connection while data was loaded"),
    ):
        put_bundle(client, path)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands that is all of PATH, and a cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HMLOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("local.tools.build.MINIMUM_FREE_GIB", 0)
    return folder


def script(path: Path, content: str) -> None:
    path.write_text(f"#!/bin/bash\n{content}\n")
    path.chmod(0o755)


def test_what_is_missing_is_named_with_how_to_install_it(commands: Path) -> None:
    with pytest.raises(UserError, match="needs Java 17, which is not installed: `apt-get install openjdk-17"):
        build.build(silent)
    script(commands / "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    with pytest.raises(UserError, match=r"needs Java 17, and .* is older"):
        build.build(silent)
    script(commands / "java", "echo 'openjdk version \"21\" 2023-09-19' >&2")
    with pytest.raises(UserError, match="built by Maven, which is not installed"):
        build.build(silent)
    script(commands / "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")
    with pytest.raises(UserError, match=r"The FHIR server was not built by Maven \(Could not transfer artifact\)"):
        build.build(silent)
    assert not list(build.folder().parent.glob(".partial-*"))


def test_it_is_built_once_and_again_when_an_artifact_is_gone(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = tmp_path / "a.jar"
    runs: list[list[str]] = []

    def run(command: list[str], *, cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        runs.append(command)
        (cwd / "target" / "classes").mkdir(parents=True)
        (cwd / "classpath").write_text(str(artifact))
        artifact.touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    script(commands / "mvn", "")
    monkeypatch.setattr(maven, "java", lambda _: "java")
    monkeypatch.setattr(subprocess, "run", run)
    built = build.build(silent)
    assert build.build(silent) == built
    assert len(runs) == 1
    assert (built / "arguments").read_text() == f"-cp\n{built}/target/classes:{artifact}\n"
    artifact.unlink()
    assert build.build(silent) == built
    assert len(runs) == 2
