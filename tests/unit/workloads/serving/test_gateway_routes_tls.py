"""TLS of a hospital's gateway: client certificates, revocation, rotation and hosts."""

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import tenacity

from tests.support.gateway.gateway_callers import EHR, HOOK, REFUSED, bearer
from tests.support.gateway.gateway_pki import HospitalAuthority, write
from tests.support.gateway.gateway_settings import HOSPITAL
from tests.support.gateway.gateway_world import World

pytestmark = pytest.mark.process


def test_without_a_client_certificate_no_request_is_read(gateway: World) -> None:
    with gateway.client(gateway.gateway.machine_host(HOSPITAL)) as client, pytest.raises(REFUSED):
        client.post(HOOK, json={}, headers=bearer(gateway.hook_token()))


def test_a_revoked_certificate_is_refused(gateway: World, tmp_path: Path) -> None:
    files = write(gateway.revoked, tmp_path, "revoked")
    with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client, pytest.raises(REFUSED):
        client.post(HOOK, json={}, headers=bearer(gateway.hook_token()))


def test_certificates_that_are_expired_or_of_another_hospital_are_refused(gateway: World, tmp_path: Path) -> None:
    expired = write(gateway.authority.issue(EHR, expired=True), tmp_path, "expired")
    foreign = write(HospitalAuthority("hospital south").issue(EHR), tmp_path, "foreign")
    for files in (expired, foreign):
        with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client, pytest.raises(REFUSED):
            client.post(HOOK, json={}, headers=bearer(gateway.hook_token()))


def test_a_workload_s_certificate_is_none_of_an_application(gateway: World, tmp_path: Path) -> None:
    files = write(gateway.workloads_authority.issue(EHR), tmp_path, "workload")
    with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client, pytest.raises(REFUSED):
        client.post(HOOK, json={}, headers=bearer(gateway.hook_token()))


def test_the_host_for_people_does_not_lead_to_the_routes_of_programs(gateway: World) -> None:
    with gateway.browser() as client:
        headers = bearer(gateway.hook_token())
        assert client.post(HOOK, json={}, headers=headers).status_code == 404
        # The host for programs in the header of a connection that was made for the host for people.
        headers |= {"Host": gateway.gateway.machine_host(HOSPITAL)}
        assert client.post(HOOK, json={}, headers=headers).status_code in (403, 404, 421)


def test_plain_http_is_not_answered(gateway: World) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(f"GET {HOOK} HTTP/1.1\r\nHost: {gateway.gateway.machine_host(HOSPITAL)}\r\n\r\n".encode())
        try:
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
    assert b"HTTP" not in answer


@pytest.mark.parametrize("host", ["south.api.risk.healthcare-mlops.example", "unknown.example"])
def test_another_host_has_no_certificate_here(gateway: World, host: str) -> None:
    context = ssl.create_default_context(cafile=str(gateway.folder / "ca.crt"))
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(connection, server_hostname=host)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_before_1_2_is_refused(gateway: World) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(connection, server_hostname=gateway.gateway.browser_host(HOSPITAL))


def test_a_new_certificate_is_served_without_a_lost_request(gateway: World) -> None:
    before = gateway.serial_number()
    answers: list[int] = []
    stop = threading.Event()

    def call() -> None:
        with gateway.machines() as client:
            while not stop.is_set():
                answers.append(client.post(HOOK, json={}, headers=bearer(gateway.hook_token())).status_code)

    with ThreadPoolExecutor(1) as background:
        calling = background.submit(call)
        try:
            serial = gateway.rotate()
            for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.2)):
                with attempt:
                    assert gateway.serial_number() == serial
        finally:
            stop.set()
        # An exception here is a request that was lost.
        calling.result(timeout=60)
    assert serial != before
    assert set(answers) <= {200, 429}
    assert 200 in answers


def test_a_certificate_that_is_revoked_later_is_refused_then(gateway: World, tmp_path: Path) -> None:
    pair = gateway.authority.issue(EHR)
    files = write(pair, tmp_path, "later")

    def answered() -> bool:
        with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client:
            try:
                return client.post("/unknown").status_code == 404
            except REFUSED:
                return False

    assert answered()
    gateway.revoke(pair)
    for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.2)):
        with attempt:
            assert not answered()
    # Others still come in.
    with gateway.machines() as client:
        assert client.post("/unknown").status_code == 404


def test_a_connection_does_not_outlive_a_revoked_certificate_for_long(gateway: World, tmp_path: Path) -> None:
    pair = gateway.authority.issue(EHR)
    files = write(pair, tmp_path, "open")
    waiting = tenacity.Retrying(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.2))

    def closes(client: httpx.Client) -> bool:
        answer = client.post(HOOK, json={}, headers=bearer(gateway.hook_token()))
        assert answer.status_code in (200, 429)
        return bool(answer.headers.get("connection") == "close")

    def is_refused(client: httpx.Client) -> bool:
        try:
            closes(client)
        except REFUSED:
            return True
        return False

    with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client:
        assert not closes(client)
        with gateway.short_connections("1s"):
            for attempt in waiting:
                with attempt:
                    assert closes(client)
            gateway.revoke(pair)
            for attempt in waiting.copy():
                with attempt:
                    assert is_refused(client)
