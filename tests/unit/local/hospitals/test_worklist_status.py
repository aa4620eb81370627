"""The status of a worklist: the gateway answers a browser, or what is wrong."""

from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest
import requests

from local.cluster import openbao
from local.hospitals import worklist_status
from local.paths import Home
from local.secret_file import write_secret
from tests.support.gateway.tls_gateway import TlsGateway, tls_gateway
from tests.support.identity.tls import Authority


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    write_secret(openbao.token_file(found), b"token")
    return found


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsGateway]:
    with tls_gateway(tmp_path, certificates=False) as found:
        monkeypatch.setattr(hvac, "Client", lambda **_: None)
        monkeypatch.setattr(worklist_status, "server_authority", lambda *_: found.authority.certificate.decode())
        monkeypatch.setattr(worklist_status, "worklist_url", lambda _: found.address)
        yield found


@pytest.mark.parametrize("status", [302, 401])
def test_who_is_asked_to_sign_in_is_answered(home: Home, gateway: TlsGateway, status: int) -> None:
    gateway.status = status
    found = worklist_status.finding(home, "north")
    assert (found.subject, found.problem) == (f"worklist {gateway.address}", "")
    assert [path for path, _, _ in gateway.seen] == ["/worklist"]


@pytest.mark.parametrize("status", [200, 404, 503])
def test_another_answer_is_a_problem(home: Home, gateway: TlsGateway, status: int) -> None:
    gateway.status = status
    found = worklist_status.finding(home, "north")
    assert found.problem == f"answers {status} instead of asking for sign-in"
    assert found.advice


def test_a_gateway_of_another_authority_or_no_vault_is_a_problem(
    home: Home, gateway: TlsGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worklist_status, "server_authority", lambda *_: Authority().certificate.decode())
    assert worklist_status.finding(home, "north").problem == "does not answer (ConnectError)"

    def away(*_: object) -> str:
        raise requests.ConnectionError

    monkeypatch.setattr(worklist_status, "server_authority", away)
    assert "cannot be read from Vault" in worklist_status.finding(home, "north").problem
