"""Secrets in pods: from an annotation to a file in memory, for the own ServiceAccount alone."""

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import hvac
import pytest
from kubernetes import client

from local.cluster import openbao
from local.paths import BAO_URL, Home
from tests.integration.cluster.pod_templates import pod_template
from tests.integration.network.test_isolation import token
from tests.integration.support import eventually

PREFIX = "vault.hashicorp.com/"
HOSPITAL, ACCOUNT, NAMESPACE = "north", "planner", "north-serving"
LABEL = "app.kubernetes.io/name"
LOGIN = "auth/kubernetes/login"
SHOW = """
import json, os, stat
from pathlib import Path
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
folder = Path("/vault/secrets")
files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
found = {
    "files": sorted(files),
    "modes": sorted({oct(stat.S_IMODE((folder / name).stat().st_mode)) for name in files}),
    "filesystem": [mount[2] for mount in mounts if mount[1] == str(folder)],
    "secret in the environment": any("PRIVATE KEY" in value for value in os.environ.values()),
}
if {"tls.crt", "tls.key", "tls.ca"} <= files.keys():
    certificate = x509.load_pem_x509_certificate(files["tls.crt"])
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(files["tls.ca"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    key = load_pem_private_key(files["tls.key"], None)
    found["names"] = [name.value for name in names]
    found["pair"] = key.public_key() == certificate.public_key()
    found["hours"] = (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() / 3600
print(json.dumps(found))
"""

SERVE = """
import json, socket, threading
from services import probe
from services.transport import ServerSettings, SpiffeId, TlsFiles, client, server
own = SpiffeId("north", "planner")
async def app(scope, receive, send):
    if scope["type"] == "http":
        body = scope["tls_peer"].encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
listening = socket.create_server(("127.0.0.1", 0))
url = f"https://127.0.0.1:{listening.getsockname()[1]}"
running = server(app, ServerSettings((own,), TlsFiles()))
thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
thread.start()
with client(url, own) as connection:
    answer = connection.get("/x")
found = {"peer": answer.text, "status": answer.status_code, "probe": probe.status(f"{url}/readyz")}
running.should_exit = True
thread.join()
print(json.dumps(found))
"""


class Agents:
    """Pods of the stack's template of planning, which run a few lines of the test's."""

    def __init__(self, home: Home, api: client.ApiClient) -> None:
        self._core: Any = client.CoreV1Api(api)
        self.template: Any = pod_template(api, HOSPITAL, ACCOUNT)
        self._audit = openbao.audit_logs(home)[0]
        self._namespaces: list[str] = []
        self._pods: list[tuple[str, str]] = []

    def start(
        self, code: str, change: Callable[[Any], None] = lambda _: None, namespace: str = NAMESPACE
    ) -> tuple[str, str]:
        template = copy.deepcopy(self.template)
        template.spec.containers[0].args = ["-c", code]
        change(template)
        name = f"secrets-{uuid.uuid4().hex[:8]}"
        metadata = client.V1ObjectMeta(
            name=name, labels=template.metadata.labels, annotations=template.metadata.annotations
        )
        self._core.create_namespaced_pod(namespace, client.V1Pod(metadata=metadata, spec=template.spec))
        self._pods.append((name, namespace))
        return name, namespace

    def read(self, name: str, namespace: str) -> Any:
        return self._core.read_namespaced_pod(name, namespace)

    def result(self, name: str, namespace: str) -> dict[str, Any]:
        eventually(lambda: self.read(name, namespace).status.phase in ("Succeeded", "Failed"), 180)
        log = self.log(name, namespace, self.template.spec.containers[0].name)
        found: dict[str, Any] = json.loads(log.splitlines()[-1])
        return found

    def log(self, name: str, namespace: str, container: str) -> str:
        try:
            return str(self._core.read_namespaced_pod_log(name, namespace, container=container))
        except client.exceptions.ApiException as error:
            if error.status == 400:  # the container has not started yet
                return ""
            raise

    def outside(self) -> str:
        """Return a new namespace with the labels of a zone, and a ServiceAccount of the same name."""
        labels = self._core.read_namespace(NAMESPACE).metadata.labels
        own = {key: value for key, value in labels.items() if key != "kubernetes.io/metadata.name"}
        name = f"forged-{uuid.uuid4().hex[:8]}"
        self._core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name, labels=own)))
        self._namespaces.append(name)
        account = client.V1ObjectMeta(name=self.template.spec.service_account_name)
        self._core.create_namespaced_service_account(name, client.V1ServiceAccount(metadata=account))
        eventually(lambda: bool(self._core.list_namespaced_config_map(name).items))
        return name

    def refusals(self, path: str) -> int:
        """Return how many requests of a path Vault has recorded as refused."""
        entries = (json.loads(line) for line in self._audit.read_text().splitlines())
        return sum(1 for one in entries if one["request"].get("path") == path and _is_refused(one))

    def stop(self, name: str, namespace: str) -> None:
        self._core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
        self._pods.remove((name, namespace))
        eventually(lambda: not any(pod.metadata.name == name for pod in self._pods_of(namespace)))

    def _pods_of(self, namespace: str) -> list[Any]:
        found: list[Any] = self._core.list_namespaced_pod(namespace).items
        return found

    def close(self) -> None:
        for name, namespace in list(self._pods):
            self.stop(name, namespace)
        for namespace in self._namespaces:
            self._core.delete_namespace(namespace)


def _is_refused(entry: dict[str, Any]) -> bool:
    answer = (entry.get("response") or {}).get("data") or {}
    return entry["type"] == "response" and ("error" in entry or "error" in answer)


@pytest.fixture(scope="module")
def agents(home: Home, api: client.ApiClient) -> Iterator[Agents]:
    found = Agents(home, api)
    yield found
    found.close()


@pytest.fixture
def vault(home: Home) -> Iterator[hvac.Client]:
    found = hvac.Client(url=BAO_URL, verify=str(home.pki / "ca.crt"))
    found.token = ""
    yield found
    found.adapter.close()


def without(*parts: str) -> Callable[[Any], None]:
    """Return a change that removes annotations."""

    def change(template: Any) -> None:
        for part in parts:
            template.metadata.annotations.pop(f"{PREFIX}{part}")

    return change


def test_a_service_s_secrets_are_in_memory_and_its_agent_is_a_sidecar(agents: Agents) -> None:
    name, namespace = agents.start(SHOW)
    assert agents.result(name, namespace) == {
        "files": ["database-audit.json", "database-planning.json", "tls.ca", "tls.crt", "tls.key"],
        "modes": ["0o400"],
        "filesystem": ["tmpfs"],
        "secret in the environment": False,
        "names": ["spiffe://hmlops/north/planner"],
        "pair": True,
        "hours": pytest.approx(8, abs=0.1),
    }
    pod = agents.read(name, namespace)
    assert [container.name for container in pod.spec.init_containers] == ["vault-agent-init", "vault-agent"]
    assert pod.metadata.annotations[f"{PREFIX}agent-inject-status"] == "injected"


def test_a_job_s_agent_ends_before_it(api: client.ApiClient) -> None:
    core: Any = client.CoreV1Api(api)
    pods = core.list_namespaced_pod("north-data", label_selector=f"{LABEL}=features").items
    done = [pod for pod in pods if pod.status.phase == "Succeeded"]
    assert done
    assert {one.name for pod in done for one in pod.spec.init_containers} == {"vault-agent-init"}


def test_services_prove_who_they_are_with_the_certificates_of_vault(agents: Agents) -> None:
    found = agents.result(*agents.start(SERVE))
    assert found == {"peer": "spiffe://hmlops/north/planner", "status": 200, "probe": 200}


def test_removing_the_annotations_of_a_file_removes_the_file(agents: Agents) -> None:
    change = without(*(f"agent-inject-{part}-tls.key" for part in ("secret", "template", "perms")))
    found = agents.result(*agents.start(SHOW, change))
    assert "tls.key" not in found["files"]


def test_without_the_annotation_there_is_no_agent(agents: Agents) -> None:
    code = "import json, os; print(json.dumps({'there': os.path.exists('/vault/secrets')}))"
    name, namespace = agents.start(code, without("agent-inject"))
    assert agents.result(name, namespace) == {"there": False}
    assert not agents.read(name, namespace).spec.init_containers


def test_a_service_has_a_sidecar_that_ends_after_it(agents: Agents) -> None:
    name, namespace = agents.start(SHOW)
    assert agents.result(name, namespace)["pair"] is True
    pod = agents.read(name, namespace)
    sidecars = [container.name for container in pod.spec.init_containers if container.restart_policy == "Always"]
    assert sidecars == ["vault-agent"]
    assert pod.status.phase == "Succeeded"


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("role", "north-ingestor"),
        ("role", "south-planner"),
        ("agent-inject-template-tls.key", '{{ with secret "north/kv/data/fhir" }}{{ .Data }}{{ end }}'),
        ("agent-inject-secret-fhir", "north/kv/data/fhir"),
        ("agent-run-as-user", "0"),
    ],
)
def test_admission_refuses_annotations_of_another_workload(agents: Agents, annotation: str, value: str) -> None:
    def change(template: Any) -> None:
        template.metadata.annotations[f"{PREFIX}{annotation}"] = value

    with pytest.raises(client.exceptions.ApiException) as error:
        agents.start(SHOW, change)
    assert "asks for a secret of Vault" in str(error.value.body)


def test_a_pod_of_another_namespace_gets_nothing_and_the_attempt_is_recorded(agents: Agents) -> None:
    before = agents.refusals(LOGIN)
    name, namespace = agents.start(SHOW, namespace=agents.outside())
    eventually(lambda: "not authorized" in agents.log(name, namespace, "vault-agent-init"))
    assert agents.refusals(LOGIN) > before
    assert agents.read(name, namespace).status.phase == "Pending"
    agents.stop(name, namespace)


@pytest.mark.parametrize(("hospital", "workload"), [("north", "trainer"), ("north", "ingestor"), ("south", "planner")])
def test_a_login_of_another_service_account_or_hospital_is_refused_and_recorded(
    agents: Agents, api: client.ApiClient, vault: hvac.Client, hospital: str, workload: str
) -> None:
    before = agents.refusals(LOGIN)
    with pytest.raises((hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest)):
        vault.auth.kubernetes.login("north-planner", token(api, hospital, workload, None))
    assert agents.refusals(LOGIN) > before


def test_a_workload_gets_no_certificate_of_another(agents: Agents, api: client.ApiClient, vault: hvac.Client) -> None:
    vault.auth.kubernetes.login("north-planner", token(api, "north", "planner", None))
    path = "north/workload-pki/issue/planner"
    assert vault.write(path, uri_sans="spiffe://hmlops/north/planner")["data"]["certificate"]
    before = agents.refusals(path)
    for names in (
        {"uri_sans": "spiffe://hmlops/south/planner"},
        {"common_name": "north.example"},
        {"ip_sans": "10.0.0.1"},
    ):
        with pytest.raises(hvac.exceptions.InvalidRequest):
            vault.write(path, **names)
    assert agents.refusals(path) == before + 3
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.write("south/workload-pki/issue/planner", uri_sans="spiffe://hmlops/south/planner")
