"""Operation of the live gateways: what logs and metrics have, and how certificates are renewed and revoked."""

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from kubernetes import client

from local.cluster.openbao import operator
from local.hospitals.discharge import PATH as HOOK
from local.paths import LOOPBACK, REPOSITORY, WORKLIST_PORT, Home
from local.stack import jobs
from local.stack.stack import PACK
from tests.integration.gateway.gateway_callers import DISCOVERY, FEEDBACK, REFUSED, Callers, logged
from tests.integration.support import eventually, forwarded, pulumi
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway")
PLATFORM = "north-platform"
METRICS = 19001
REVOCATIONS = "**-gateway-revoked"


@pytest.fixture(scope="module")
def north(home: Home) -> Callers:
    return Callers(home, "north")


# --- the log ----------------------------------------------------------------------------
def running(core: Any, namespace: str) -> list[Any]:
    """Return the gateway's pods that are not ending."""
    pods = core.list_namespaced_pod(namespace, label_selector="app.kubernetes.io/name=envoy").items
    return [pod for pod in pods if pod.metadata.deletion_timestamp is None]


@pytest.mark.parametrize("hospital", ["north", "south"])
def test_pods_of_one_revision_answer_and_write_to_no_root(home: Home, core: Any, hospital: str) -> None:
    namespace = f"{hospital}-platform"
    with jobs.connect(home) as api:
        apps: Any = client.AppsV1Api(api)

        def settled() -> bool:
            found = apps.read_namespaced_deployment("gateway", namespace)
            status, wanted = found.status, found.spec.replicas
            return bool(wanted == status.replicas == status.updated_replicas == status.ready_replicas)

        eventually(settled, 120)
    for pod in running(core, namespace):
        assert [one.security_context.read_only_root_filesystem for one in pod.spec.containers] == [True, True]


def test_the_log_has_each_request_and_nothing_that_identifies(north: Callers, core: Any) -> None:
    secret = f"mrn-{time.time_ns()}"

    def log() -> str:
        read: Callable[..., str] = core.read_namespaced_pod_log
        containers = [(pod.metadata.name, one.name) for pod in running(core, PLATFORM) for one in pod.spec.containers]
        return "".join(read(pod, PLATFORM, container=name) for pod, name in containers)

    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    north.send("POST", f"{HOOK}?patient={secret}", north.hook_token(HOOK), json={"note": secret})
    north.send("GET", f"/{secret}", secret, headers={"X-Patient": secret})
    north.send("POST", FEEDBACK, north.hook_token(FEEDBACK, sub=secret), json={"note": secret})
    north.browse("GET", f"/worklist/{secret}?name={secret}")
    north.score("", headers={"User-Agent": secret, "X-Request-Id": secret, "X-Application": secret})

    def complete() -> bool:
        lines = [line for line in logged(log()) if line["route"] and line["time"] >= started]
        named = {line["route"].split("/")[2] for line in lines}
        return named >= {"discharge-hook", "feedback", "worklist", "scores"}

    eventually(complete, 60)
    text = log()
    assert secret not in text
    assert not re.search(r"v\d+-[0-9a-f]{13,}|Bearer|eyJ", text)
    lines = logged(text)
    assert lines[-1].keys() >= {"application", "answer", "route", "time"}
    assert not [line for line in lines if "path" in line or "query" in line]


def test_no_metric_names_anybody(north: Callers, core: Any) -> None:
    secret = f"mrn{time.time_ns()}"
    north.send("GET", f"{DISCOVERY}?patient={secret}", north.hook_token(), headers={"X-Patient": secret})
    north.send("GET", f"/{secret}", secret)
    [pod, *_] = running(core, PLATFORM)
    with forwarded(PLATFORM, f"pod/{pod.metadata.name}", METRICS) as address:
        metrics = httpx.get(f"http://{address}/stats/prometheus", timeout=30, trust_env=False).text
    assert "envoy_http_downstream_rq_total" in metrics
    assert secret not in metrics
    assert not re.search(r"v\d+-[0-9a-f]{13,}|north-ehr|north-program", metrics)


# --- certificates ---------------------------------------------------------------------------
def test_the_gateway_proves_itself_for_hours(north: Callers) -> None:
    served = _served(north)
    assert served.not_valid_after_utc - served.not_valid_before_utc <= timedelta(hours=25)
    names = served.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"north.localhost", "north.api.localhost"}
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://hmlops/north/envoy"]


def test_a_renewed_certificate_of_the_gateway_loses_no_request(home: Home, north: Callers) -> None:
    stop = threading.Event()

    def call() -> set[int]:
        context, answers = north.ehr.tls(), set()
        while not stop.is_set():
            answers.add(north.discover(north.hook_token(), context).status_code)
        return answers

    before = _served(north)
    with ThreadPoolExecutor(2) as pool:
        calling = [pool.submit(call) for _ in range(2)]
        try:
            _renew(home)
            eventually(lambda: _served(north).serial_number != before.serial_number, 120)
        finally:
            stop.set()
        # An exception here is a request that was lost.
        answers = set().union(*(one.result(timeout=60) for one in calling))
    assert answers <= {200, 429}
    assert 200 in answers


def _renew(home: Home) -> None:
    """Let cert-manager issue the gateway's certificate again, as its own command line does."""
    condition = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "a test renews it",
        "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    with jobs.connect(home) as api:
        objects: Any = client.CustomObjectsApi(api)
        name = ("cert-manager.io", "v1", PLATFORM, "certificates", "gateway")
        found = objects.get_namespaced_custom_object(*name)
        found["status"]["conditions"] = [*found["status"]["conditions"], condition]
        objects.replace_namespaced_custom_object_status(*name, found)


def _served(callers: Callers) -> x509.Certificate:
    """Return the certificate that people's browsers get."""
    with (
        socket.create_connection((LOOPBACK, WORKLIST_PORT), timeout=10) as connection,
        callers.trusting().wrap_socket(connection, server_hostname=f"{callers.hospital}.localhost") as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")


def test_a_revoked_certificate_is_refused_once_the_lists_are_published(north: Callers, tmp_path: Path) -> None:
    own = north.certified(north.ehr.application.name, tmp_path)
    context = own.tls()

    def accepted(tls: ssl.SSLContext | None = None) -> bool:
        return north.discover(north.hook_token(), tls).status_code == 200

    # The test before used up what the EHR may ask at once.
    eventually(lambda: accepted(context), 90)
    revoked = x509.load_pem_x509_certificate(own.certificate_file.read_bytes())
    vault = operator(north.home)
    vault.write_data("north/pki/revoke", data={"serial_number": _serial(revoked)})
    # What `make revocations` does.
    assert f"--target '{REVOCATIONS}'" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    planned = json.loads(pulumi("preview", "--json", "--target", REVOCATIONS).stdout)["steps"]
    changed = [step["urn"].rpartition("::")[2] for step in planned if step["op"] not in ("same", "read")]
    assert changed == ["north-gateway-gateway-revoked"]
    pulumi("up", "--yes", "--skip-preview", "--target", REVOCATIONS, *PACK)

    def refused() -> bool:
        try:
            return north.discover(north.hook_token(), context).status_code not in (200, 429)
        except REFUSED:
            return True

    eventually(refused, 60)
    # Others still come in.
    eventually(accepted, 90)


def _serial(certificate: x509.Certificate) -> str:
    digits = f"{certificate.serial_number:x}"
    even = digits.rjust(len(digits) + len(digits) % 2, "0")
    return ":".join(even[place : place + 2] for place in range(0, len(even), 2))
