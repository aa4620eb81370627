"""The demonstration EHR: keys of this machine, an entry that the stack accepts, and tokens for one call each."""

import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import hvac
import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from infra.settings.ehr import Ehr
from local.cluster import openbao
from local.errors import UserError
from local.hospitals import application
from local.hospitals.ehr_client import EhrClient, declare, is_demonstration
from local.paths import Home
from local.secret_file import write_secret
from local.stack.stack import Stack
from tests.support.identity.tls import Authority
from tests.support.stack.file_stack import file_stack

ENTRIES: list[dict[str, Any]] = [
    {"name": "gone", "leaving": "closed"},
    {"name": "north"},
    {"name": "own", "ehr": {"application": "epic", "issuer": "https://epic.example", "keys": [{"kty": "RSA"}]}},
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    write_secret(openbao.token_file(found), b"token")
    return found


@pytest.fixture
def stack(home: Home, tmp_path: Path) -> Stack:
    return file_stack(home, tmp_path, ENTRIES)


def test_its_entry_is_one_that_the_stack_accepts(home: Home) -> None:
    entry = Ehr.model_validate(EhrClient(home, "north").entry())
    assert entry.application == "north-ehr"
    assert [key.alg for key in entry.keys] == ["ES384"]
    assert EhrClient(home, "north").entry() != EhrClient(home, "south").entry()


def test_its_private_key_is_its_owner_s_and_stays(home: Home, stack: Stack) -> None:
    declare(home, stack)
    [file] = [path for path in (home.root / "ehr-clients").rglob("*") if path.is_file()]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "PRIVATE" in file.read_text()
    before = stack.overlay.read_text()
    assert file.read_text().splitlines()[1] not in before
    declare(home, stack)
    assert stack.overlay.read_text() == before


def test_an_entry_without_an_ehr_gets_the_demonstration_s(home: Home, stack: Stack) -> None:
    declare(home, stack)
    gone, north, own = stack.hospitals()
    assert (gone, own) == (ENTRIES[0], ENTRIES[2])
    assert north["ehr"] == EhrClient(home, "north").entry()
    assert [is_demonstration(home, entry) for entry in (north, own)] == [True, False]


def test_a_new_key_replaces_the_one_in_the_overlay(home: Home, stack: Stack) -> None:
    declare(home, stack)
    for file in (home.root / "ehr-clients").rglob("*.pem"):
        file.unlink()
    former = stack.hospitals()[1]["ehr"]
    declare(home, stack)
    assert stack.hospitals()[1]["ehr"] == EhrClient(home, "north").entry() != former


def test_a_token_is_signed_for_one_call(home: Home) -> None:
    ehr = EhrClient(home, "north")
    public: Any = Ehr.model_validate(ehr.entry()).jwks()
    keys = KeySet.import_key_set(public)
    first, second = (jwt.decode(ehr.token("https://care/x"), keys, algorithms=["ES384"]) for _ in range(2))
    assert first.claims["aud"] == "https://care/x"
    assert first.claims["iss"] == ehr.issuer
    assert 0 < first.claims["exp"] - first.claims["iat"] <= 300
    assert first.claims["jti"] != second.claims["jti"]


class Vault:
    """Vault's PKI of a hospital as the EHR uses it."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.issued = 0
        self.fault: Exception | None = None

    def __call__(self, **_: Any) -> "Vault":
        return self

    def read(self, path: str) -> Any:
        if self.fault:
            raise self.fault
        assert path in ("north/pki/cert/ca", "north/workload-pki/cert/ca")
        return {"data": {"certificate": self.authority.certificate.decode()}}

    def write_data(self, path: str, *, data: dict[str, str]) -> Any:
        assert (path, data) == ("north/pki/issue/program", {"common_name": "north-ehr"})
        self.issued += 1
        pair = self.authority.issue("north-ehr")
        return {"data": {"certificate": pair.certificate.decode(), "private_key": pair.key.decode()}}


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Vault:
    found = Vault(Authority())
    monkeypatch.setattr(hvac, "Client", found)
    monkeypatch.setattr(application, "RENEWED_BEFORE", timedelta(hours=1))
    return found


def test_its_certificate_is_issued_once(home: Home, vault: Vault) -> None:
    ehr = EhrClient(home, "north")
    for _ in range(2):
        ehr.tls()
    assert vault.issued == 1
    assert stat.S_IMODE((home.root / "ehr-clients" / "north" / "client.pem").stat().st_mode) == 0o600


def expire(_: Home, __: Vault, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(application, "RENEWED_BEFORE", timedelta(days=2))


def replace_authority(_: Home, vault: Vault, __: pytest.MonkeyPatch) -> None:
    vault.authority = Authority()


def damage(home: Home, _: Vault, __: pytest.MonkeyPatch) -> None:
    (home.root / "ehr-clients" / "north" / "client.pem").write_text("x")


@pytest.mark.parametrize("happens", [expire, replace_authority, damage])
def test_a_certificate_that_is_no_longer_good_is_issued_again(
    home: Home, vault: Vault, monkeypatch: pytest.MonkeyPatch, happens: Callable[..., None]
) -> None:
    ehr = EhrClient(home, "north")
    ehr.tls()
    happens(home, vault, monkeypatch)
    ehr.tls()
    assert vault.issued == 2


def test_a_vault_that_does_not_answer_is_one_sentence(home: Home, vault: Vault) -> None:
    vault.fault = requests.ConnectionError()
    with pytest.raises(UserError, match=r"no client certificate for north-ehr of north .*: run `make status`"):
        EhrClient(home, "north").tls()
