"""Care in its pod: its port by mutual TLS, a hook's token, a worklist session, what is on record and in the logs."""

import base64
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import hvac
import pytest
from joserfc.jwk import ECKey
from kubernetes import client

from local.hospitals import sign_in
from local.keycloak import staff
from local.paths import BAO_URL, KEYCLOAK_URL, Home
from local.stack.stack import Stack
from services.transport import SpiffeId, TlsFiles
from services.transport import client as mutual_tls
from tests.integration.care.clinic import Clinic
from tests.integration.support import eventually
from tests.support.care.ehr import Ehr
from tests.support.identity.keycloak_server import Browser, next_code
from tests.support.stack.service_accounts import CLINIC, ZONES
from workloads.serving.gateway_routes import AUTHORITY, TLS_SECRET

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway, so it has no care")
HOSPITAL, NAMESPACE, SERVICE = "north", "north-phi", "care"
CARE = SpiffeId(HOSPITAL, "care")
HOOK = "/cds-services/readmission-risk"
FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@pytest.fixture(scope="module")
def north(home: Home) -> Clinic:
    return Clinic(home, HOSPITAL)


@pytest.fixture(scope="module")
def vault(home: Home, api: client.ApiClient) -> Iterator["Vault"]:
    with closing(hvac.Client(url=BAO_URL, verify=str(home.pki / "ca.crt")).adapter) as adapter:
        yield Vault(api, adapter)


@contextmanager
def forwarded() -> Iterator[str]:
    """Give an address of care's port, forwarded past NetworkPolicies until a connection is reset."""
    command = ["kubectl", "port-forward", "-n", NAMESPACE, f"service/{SERVICE}", ":443", "--address", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = FORWARDED.search(process.stdout.readline())
            assert found
            yield f"https://127.0.0.1:{found[1]}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def address(home: Home) -> Iterator[str]:
    with forwarded() as found:
        yield found


@dataclass(frozen=True)
class Vault:
    """Vault, as the workloads of the hospital log in to it."""

    api: client.ApiClient
    adapter: Any

    def of(self, account: str) -> hvac.Client:
        """Return a client that is logged in as a ServiceAccount."""
        found = hvac.Client(adapter=lambda **_: self.adapter)
        login = found.auth.kubernetes.login(f"{HOSPITAL}-{account}", self._token(account))
        self.adapter.token = login["auth"]["client_token"]
        return found

    def _token(self, account: str) -> str:
        core: Any = client.CoreV1Api(self.api)
        request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
        namespace = f"{HOSPITAL}-{ZONES[account]}"
        return str(core.create_namespaced_service_account_token(account, namespace, request).status.token)

    def certificate(self, account: str, folder: Path) -> TlsFiles:
        """Issue the certificate of a ServiceAccount, as its agent does."""
        names = {"uri_sans": f"spiffe://hmlops/{HOSPITAL}/{account}"}
        issued = self.of(account).write_data(f"{HOSPITAL}/workload-pki/issue/{account}", data=names)["data"]
        return written(folder, issued["certificate"], issued["private_key"], issued["issuing_ca"])


def written(folder: Path, certificate: str, key: str, authority: str) -> TlsFiles:
    """Write a certificate to files."""
    files = TlsFiles(folder / "tls.crt", folder / "tls.key", folder / "tls.ca")
    files.certificate.write_text(certificate)
    files.key.touch(mode=0o600)
    files.key.write_text(key)
    files.authority.write_text(authority)
    return files


@pytest.fixture(scope="module")
def gateway(api: client.ApiClient, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Give a client with the certificate of the gateway, which is in the one Secret that holds a key."""
    core: Any = client.CoreV1Api(api)
    secret = core.read_namespaced_secret(TLS_SECRET, f"{HOSPITAL}-platform").data
    authority = core.read_namespaced_config_map(AUTHORITY, NAMESPACE).data["ca.crt"]
    chain, key = (base64.b64decode(secret[name]).decode() for name in ("tls.crt", "tls.key"))
    with mutual_tls(address, CARE, written(tmp_path_factory.mktemp("envoy"), chain, key, authority)) as found:
        yield found


@pytest.fixture(scope="module")
def access_token(home: Home) -> str:
    """Sign in at Keycloak with both factors, as a coordinator."""
    [settings] = [one for one in sign_in.realms(Stack(home).working()) if one.hospital == HOSPITAL]
    browser, person = Browser(KEYCLOAK_URL, settings, home.pki / "ca.crt"), staff.read(home)[HOSPITAL, "casey"]
    page = browser.fill(browser.password(person), otp=person.code())
    if browser.code(page) is None:
        page = browser.fill(page, otp=next_code(person))  # this period's code was used before
    found: str = browser.redeem(browser.code(page)).json()["access_token"]
    return found


def test_care_is_ready_in_every_hospital(home: Home, api: client.ApiClient) -> None:
    apps: Any = client.AppsV1Api(api)
    for entry in Stack(home).working():
        deployment = apps.read_namespaced_deployment("care", f"{entry['name']}-phi")
        assert deployment.status.ready_replicas == deployment.spec.replicas


def test_the_gateway_is_answered_and_no_other_workload(
    vault: Vault, north: Clinic, address: str, gateway: httpx.Client, tmp_path: Path
) -> None:
    answer = gateway.get("/cds-services")
    assert answer.status_code == 200
    assert [one["hook"] for one in answer.json()["services"]] == ["encounter-discharge"]
    with mutual_tls(address, CARE, vault.certificate("planner", tmp_path)) as planner:
        refused = planner.get("/cds-services")
    assert refused.status_code == 403
    entry = north.record(int(refused.headers["audit-record"]))
    assert (entry["caller"], entry["outcome"]) == (f"spiffe://hmlops/{HOSPITAL}/planner", "refused")


@pytest.mark.usefixtures("home")
def test_nobody_without_a_certificate_is_answered() -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        forwarded() as address,
        httpx.Client(verify=context, trust_env=False) as stranger,
        pytest.raises(httpx.TransportError) as refused,
    ):
        stranger.get(f"{address}/cds-services")
    assert not isinstance(refused.value, httpx.ConnectError) or "SSL" in str(refused.value)


def test_a_hook_without_a_token_of_the_ehr_is_refused_and_on_record(north: Clinic, gateway: httpx.Client) -> None:
    stranger = Ehr(iss="https://ehr.elsewhere.example", key=ECKey.generate_key("P-384", {"kid": "other"}))
    headers = {"Authorization": f"Bearer {stranger.token(f'https://elsewhere.example{HOOK}')}"}
    for sent in ({}, {"Authorization": "Bearer x"}, headers):
        answer = gateway.post(HOOK, json={"hook": "encounter-discharge"}, headers=sent)
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("application/problem+json")
        entry = north.record(int(answer.headers["audit-record"]))
        assert (entry["service"], entry["route"], entry["status"]) == ("care", f"POST {HOOK}", 401)
        assert (entry["outcome"], entry["caller_role"]) == ("refused", "ehr")


def test_a_coordinator_works_with_a_token_of_the_hospital_s_provider(
    home: Home, north: Clinic, gateway: httpx.Client, access_token: str
) -> None:
    assert gateway.get("/worklist").status_code == 401
    answer = gateway.get("/worklist", headers={"Authorization": f"Bearer {access_token}"})
    assert answer.status_code == 200
    assert "Casey Coordinator" in answer.text
    entry = north.record(int(answer.headers["audit-record"]))
    assert (entry["caller_role"], entry["purpose"], entry["outcome"]) == ("coordinator", "TREAT", "answered")
    assert entry["caller"] == staff.read(home)[HOSPITAL, "casey"].id
    changed = access_token[:-8] + ("A" if access_token[-8] != "A" else "B") + access_token[-7:]
    assert gateway.get("/worklist", headers={"Authorization": f"Bearer {changed}"}).status_code == 401


def test_ingestion_filled_the_identity_lookup_with_ciphertexts(north: Clinic) -> None:
    query = "SELECT name, record_number, birth_date FROM care.identity LIMIT 50"
    found = north.rows("care", query)
    assert found
    values = [value for row in found for value in row.values() if value is not None]
    assert all(value.startswith("vault:v") for value in values)
    [run] = north.rows("care", "SELECT hospital, input_digest FROM care.identity_run")
    assert run["hospital"] == HOSPITAL


def test_care_alone_decrypts_identities(north: Clinic, vault: Vault) -> None:
    [row] = north.rows("care", "SELECT name FROM care.identity WHERE name IS NOT NULL LIMIT 1")
    path, sealed = f"{HOSPITAL}/transit/decrypt/identity-lookup", {"ciphertext": row["name"]}
    assert vault.of("care").write_data(path, data=sealed)["data"]["plaintext"]
    for account in ("ingestor", "reidentifier", "planner"):
        with pytest.raises(hvac.exceptions.Forbidden):
            vault.of(account).write_data(path, data=sealed)


def test_today_s_stays_were_asked_for_after_the_ingestion(north: Clinic) -> None:
    def scored() -> bool:
        query = "SELECT count(*) AS found FROM care.scored_run s JOIN care.identity_run r USING (input_digest)"
        return bool(north.rows("care", query)[0]["found"])

    eventually(scored, 120)


def test_the_log_names_nobody(api: client.ApiClient, gateway: httpx.Client) -> None:
    core: Any = client.CoreV1Api(api)
    secret = f"Quackenbush-{time.time_ns()}"
    assert gateway.get(f"/worklist/entries/{secret}?name={secret}").status_code in (401, 404)
    assert gateway.get(f"/{secret}").status_code == 404
    pods = core.list_namespaced_pod(NAMESPACE, label_selector="app.kubernetes.io/name=care").items
    assert pods
    for pod in pods:
        log = core.read_namespaced_pod_log(pod.metadata.name, NAMESPACE, container="care")
        assert secret not in log
        assert not re.search(r"v\d+-[0-9a-f]{13,}|Bearer|eyJ", log)
