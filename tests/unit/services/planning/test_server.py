"""``python -m services.planning serve`` in a process of its own, over mutual TLS."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from model.artifact.trust import TRUSTED_KEYS
from services.planning.delivery.releases import Releases
from services.transport import SpiffeId, TlsFiles, client
from tests.support.databases.postgres import server_environment
from tests.support.identity.workload_certificates import WorkloadAuthority, files
from tests.support.repository import REPOSITORY
from tests.support.serving.model_servers import free_port
from tests.support.serving.planning_world import USE, PlanningWorld

pytestmark = pytest.mark.process

POLICIES = "5f" * 32


@dataclass(frozen=True)
class Pod:
    """The service, and certificates of its callers."""

    url: str
    log: Path
    callers: dict[str, TlsFiles]
    identity: SpiffeId
    metrics: str

    def client(self, caller: str) -> httpx.Client:
        return client(self.url, self.identity, self.callers[caller], timeout=30)


def releases(hospital: PlanningWorld, url: str) -> str:
    active = hospital.assigned(url)
    return Releases(active=active).model_dump_json(exclude_none=True)


def environment(hospital: PlanningWorld, own: TlsFiles, port: int, metrics: int) -> dict[str, str]:
    settings = hospital.settings
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
        "HOSPITAL": settings.hospital,
        "RELEASES": releases(hospital, "https://127.0.0.1:1"),
        "ONLINE_FEATURES": settings.online_features,
        **server_environment(settings.database_server),
        "PLANNING_DATABASE_FILE": str(settings.planning_database),
        "AUDIT_DATABASE_FILE": str(settings.audit_database),
        "DATABASE_PATIENCE_SECONDS": "0",
        "DEPLOYED_BY": "deployer",
        "POLICIES_DIGEST": POLICIES,
        TRUSTED_KEYS: hospital.key,
        "TLS_CALLERS": f"spiffe://hmlops/{settings.hospital}/care",
        "TLS_PORT": str(port),
        "METRICS_PORT": str(metrics),
        "TLS_CERTIFICATE_FILE": str(own.certificate),
        "TLS_KEY_FILE": str(own.key),
        "TLS_CA_FILE": str(own.authority),
    }


@contextmanager
def pod(hospital: PlanningWorld, folder: Path) -> Iterator[Pod]:
    authority, name = WorkloadAuthority(), hospital.settings.hospital
    certificates = {}
    for account in ("planner", "care", "trainer"):
        certificates[account] = files(folder / account)
        authority.issue(certificates[account], f"spiffe://hmlops/{name}/{account}")
    port, metrics, log = free_port(), free_port(), folder / "log"
    command = [sys.executable, "-m", "services.planning", "serve"]
    env = environment(hospital, certificates["planner"], port, metrics)
    with log.open("wb") as out, subprocess.Popen(command, env=env, cwd=folder, stdout=out, stderr=out) as run:
        shown = f"http://127.0.0.1:{metrics}/metrics"
        made = Pod(f"https://127.0.0.1:{port}", log, certificates, SpiffeId(name, "planner"), shown)
        try:
            transient = retry_if_exception_type(httpx.TransportError)
            ready = Retrying(retry=transient, wait=wait_fixed(0.1), stop=stop_after_delay(120), reraise=True)
            with made.client("planner") as probe:
                ready(probe.get, "/readyz")
            yield made
        finally:
            run.terminate()
            run.wait(60)


def test_the_service_over_mutual_tls(hospital: PlanningWorld, tmp_path: Path) -> None:
    before, name = hospital.last(), hospital.settings.hospital
    body = USE | {"encounters": [hospital.encounter(0)]}
    with pod(hospital, tmp_path) as made:
        with made.client("care") as care:
            answer = care.post("/v1/scores", json=body)
        with made.client("trainer") as trainer:
            refused = trainer.post("/v1/scores", json=body)
        metrics = httpx.get(made.metrics).text.splitlines()
    assert answer.status_code == 200
    # No model server answers in this test.
    assert answer.json()["scores"][0]["fallback_reason"] == "model-unavailable"
    assert (refused.status_code, refused.json()["title"]) == (403, "Caller not allowed")
    release = f'model="readmission-risk",release="v1@{hospital.place.name}",role="active"'
    assert f'planning_release_calls_total{{fault="unavailable",{release}}} 1.0' in metrics
    assert f"planning_release_answers_total{{{release}}} 0.0" in metrics
    start, answered, attempt = (record.entry for record in hospital.records(before))
    assert (start.action, start.caller, start.release and start.release.version) == ("start", "deployer", "v1")
    parts = {part.component: part.digest for part in start.configuration}
    assert parts.keys() == {"settings", "workflows", "feedback", "thresholds", "policies"}
    assert parts["policies"] == POLICIES
    assert (answered.caller, answered.status) == (f"spiffe://hmlops/{name}/care", 200)
    assert (attempt.caller, attempt.status, attempt.outcome) == (f"spiffe://hmlops/{name}/trainer", 403, "refused")
    log = made.log.read_text()
    assert "Traceback" not in log
    assert hospital.encounter(0)["encounter"] not in log


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("HOSPITAL", "", "HOSPITAL: missing or not valid"),
        ("TLS_CALLERS", "care", "TLS_CALLERS, TLS_PORT or RELEASES"),
        ("RELEASES", "http", "TLS_CALLERS, TLS_PORT or RELEASES"),
        ("RELEASES", "{", "RELEASES: missing or not valid"),
        ("TLS_KEY_FILE", "/absent", "certificate of this workload"),
        ("AUDIT_DATABASE_FILE", "/absent", "audit database"),
    ],
)
def test_a_pod_that_cannot_serve_says_why(
    hospital: PlanningWorld, tmp_path: Path, variable: str, value: str, message: str
) -> None:
    own = files(tmp_path / "planner")
    WorkloadAuthority().issue(own, f"spiffe://hmlops/{hospital.settings.hospital}/planner")
    done = subprocess.run(
        [sys.executable, "-m", "services.planning", "serve"],
        env=environment(hospital, own, free_port(), free_port())
        | {variable: value if value != "http" else releases(hospital, "http://127.0.0.1:1")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert message in done.stderr.splitlines()[-1]
