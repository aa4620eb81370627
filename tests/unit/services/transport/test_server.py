"""A mutual TLS server on a real socket: who gets in, and with which identity."""

import gc
import http.client
import ssl
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from cryptography.x509.oid import ExtendedKeyUsageOID

from services import probe
from services.transport import ServerSettings, TlsFiles, client, serve
from tests.support.identity.mutual_tls import (
    CALLER,
    OTHER,
    SERVER,
    World,
    echo,
    running,
    status_of,
    status_over_http,
    tls_context,
)
from tests.support.identity.workload_certificates import WorkloadAuthority, files

pytestmark = pytest.mark.process


def test_an_allowed_caller_reaches_the_application_with_its_identity(world: World) -> None:
    with running(world.settings) as url, client(url, SERVER, world.caller_files) as connection:
        answers = [connection.get("/x", headers={"X-Forwarded-For": "10.9.9.9"}) for _ in range(3)]
    assert [answer.json()["peer"] for answer in answers] == [str(CALLER)] * 3
    assert answers[0].json()["client"][0] == "127.0.0.1"
    assert "server" not in answers[0].headers


def test_another_workload_of_the_hospital_is_refused_with_a_problem(world: World) -> None:
    with running(world.settings) as url:
        answer = world.get(url, world.issued("other", str(OTHER)))
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.json()["status"] == 403


@pytest.mark.parametrize(
    "uris",
    [
        ("spiffe://hmlops/south/care",),
        ("spiffe://elsewhere/north/care",),
        (str(CALLER), str(OTHER)),
        (str(CALLER) + "/x",),
    ],
    ids=["other hospital", "other trust domain", "two identities", "longer path"],
)
def test_other_identities_are_refused(world: World, uris: tuple[str, ...]) -> None:
    mine = files(world.folder / "stranger")
    world.authority.issue(mine, *uris)
    with running(world.settings) as url:
        assert status_of(url, tls_context(mine)) == 403


def test_a_caller_that_is_not_allowed_may_be_answered_by_the_service(world: World) -> None:
    async def teapot(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"0"), (b"x-peer", scope["tls_peer"].encode())]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    with running(world.settings, refusal=teapot) as url:
        answer = world.get(url, world.issued("other", str(OTHER)))
    assert (answer.status_code, answer.headers["x-peer"]) == (418, str(OTHER))


@pytest.mark.parametrize("case", ["expired", "other authority", "server only", "no certificate", "TLS 1.2"])
def test_without_a_valid_certificate_there_is_no_connection(world: World, case: str) -> None:
    mine = world.caller_files
    if case == "expired":
        mine = world.issued("expired", str(CALLER), life=timedelta(minutes=-5))
    elif case == "other authority":
        mine = world.issued("forged", str(CALLER), authority=WorkloadAuthority())
    elif case == "server only":
        mine = world.issued("server-only", str(CALLER), usages=(ExtendedKeyUsageOID.SERVER_AUTH,))
    context = tls_context(mine, certificate=case != "no certificate")
    if case == "TLS 1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with running(world.settings) as url, pytest.raises(OSError, match=r"(?i)alert|certificate|reset|closed|protocol"):
        status_of(url, context)


def test_plain_http_is_refused(world: World) -> None:
    with running(world.settings) as url:
        address = url.removeprefix("https://")
        with pytest.raises((OSError, http.client.HTTPException)):
            status_over_http(address)
        with pytest.raises(ValueError, match="is not https"):
            client(f"http://{address}", SERVER, world.caller_files)


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 200), ("/v1/scores", 403)])
def test_the_own_identity_may_ask_for_health_alone(
    world: World, path: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _probe_environment(monkeypatch, world.server_files)
    with running(world.settings) as url:
        assert probe.status(url + path) == status
        assert probe.main([url + path]) == (0 if status == 200 else 1)


def test_the_probe_fails_without_a_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _probe_environment(monkeypatch, world.server_files)
    assert probe.main(["https://127.0.0.1:9/healthz"]) == 1


def test_the_settings_are_read_from_the_environment() -> None:
    environment = {"TLS_CALLERS": "spiffe://hmlops/north/care, spiffe://hmlops/north/trainer", "TLS_PORT": "9443"}
    assert ServerSettings.from_environment(environment) == ServerSettings((CALLER, OTHER), port=9443)
    assert ServerSettings.from_environment({}).callers == ()
    with pytest.raises(ValueError, match="not a workload's identity"):
        ServerSettings.from_environment({"TLS_CALLERS": "care"})


def _probe_environment(monkeypatch: pytest.MonkeyPatch, mine: TlsFiles) -> None:
    monkeypatch.setenv("TLS_CA_FILE", str(mine.authority))
    monkeypatch.setenv("TLS_CERTIFICATE_FILE", str(mine.certificate))
    monkeypatch.setenv("TLS_KEY_FILE", str(mine.key))


def test_what_lives_as_long_as_the_service_is_not_scanned_for_garbage(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen: list[int] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda _: frozen.append(gc.get_freeze_count()))
    before = gc.get_freeze_count()
    try:
        serve(echo, world.settings)
    finally:
        gc.unfreeze()
    assert frozen[0] > before
