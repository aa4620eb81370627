"""Who we are for a real server: signed assertions, secrets, certificates, and tokens that end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from model.errors import UserError
from model.fhir_server import Landed, land
from model.fhir_server.credentials import Auth, Credentials, SecretMethod, credentials
from model.io.vault import AbsentError
from tests.support.identity.tls import self_signed
from tests.support.model.fhir_server import FhirServer
from tests.support.model.fhir_server_faults import busy, changed, cut
from tests.support.model.fhir_server_resources import SECRET_NAME, TYPES, landed, resource
from tests.support.model.fhir_server_tokens import SCOPES

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-384")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    made = FhirServer(tmp_path_factory.mktemp("strict"), demands_certificate=True)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def server(running: FhirServer) -> FhirServer:
    running.reset()
    running.public_keys["north-ehr", "rsa"] = RSAKey.import_key(RSA.as_dict(private=False))
    running.public_keys["north-ehr", EC.thumbprint()] = ECKey.import_key(EC.as_dict(private=False))
    running.secrets["north-ehr"] = "hunter2"
    running.polls = []
    running.fill(4)
    return running


def smart(server: FhirServer, **changes: Any) -> Credentials:
    given = {"auth": Auth.SMART, "client": "north-ehr", "key": RSA.as_dict(private=True), "ca": server.ca}
    return Credentials(**(given | changes))


def run(server: FhirServer, place: Path, shown: Credentials) -> Landed:
    return land(server.base, str(place), credentials=shown, clock=server.time.clock())


WAYS: dict[str, dict[str, Any]] = {
    "RS384 with a JWK": {},
    "RS384 with PEM": {"key": RSA.as_pem(private=True).decode(), "kid": "rsa"},
    "ES384 with PEM, named by its thumbprint": {"key": EC.as_pem(private=True).decode()},
    "ES384 with a JWK": {"key": EC.as_dict(private=True)},
    "ES384 with a JWK in text": {"key": json.dumps(EC.as_dict(private=True))},
    "secret in the header": {"auth": Auth.SECRET, "key": None, "secret": "hunter2"},
    "secret in the body": {"auth": Auth.SECRET, "key": None, "secret": "hunter2", "method": SecretMethod.POST},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gets_a_token(server: FhirServer, tmp_path: Path, way: str) -> None:
    run(server, tmp_path, smart(server, **WAYS[way]))
    assert sum(landed(tmp_path).values()) == 20
    [(_, scope)] = server.tokens.values()
    assert scope == " ".join(f"system/{kind}.rs" for kind in TYPES)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not [secret for secret in (b"hunter2", b"token-", b"PRIVATE", b"north-ehr") if secret in kept]


def test_an_older_server_is_asked_in_its_own_words(server: FhirServer, tmp_path: Path) -> None:
    del server.discovery["capabilities"]
    server.granted = " ".join(f"system/{kind}.read" for kind in TYPES)
    run(server, tmp_path, smart(server))
    assert "system/Patient.read" in next(iter(server.tokens.values()))[1]


def test_a_server_without_discovery_needs_the_token_url_written_down(server: FhirServer, tmp_path: Path) -> None:
    server.discovery = {}
    with pytest.raises(UserError, match="does not publish a token endpoint; add token_url"):
        run(server, tmp_path, smart(server))
    given = {"token_url": f"{server.base}/token", "scope": "system/Patient.rs"}
    server.granted = "system/Patient.rs"
    run(server, tmp_path, smart(server, **given))
    assert sum(seen.path.endswith("smart-configuration") for seen in server.seen) == 1


def test_a_token_is_renewed_before_it_ends(server: FhirServer, tmp_path: Path) -> None:
    server.token_life = 100
    server.fault("Condition-1.ndjson", busy(503, "85"))
    run(server, tmp_path, smart(server))
    assert len(server.tokens) == 2
    # Five files and the steps around them with two tokens, and none was refused.
    assert {seen.token for seen in server.seen if seen.token} == set(server.tokens)
    assert sum(landed(tmp_path).values()) == 20


def test_a_token_that_ends_in_the_middle_of_a_download_is_renewed_once(server: FhirServer, tmp_path: Path) -> None:
    def revoke(body: bytes) -> bytes:
        server.tokens = dict.fromkeys(server.tokens, (0.0, ""))
        return body

    server.fault("Condition-1.ndjson", lambda answer: cut()(changed(revoke)(answer)))
    run(server, tmp_path, smart(server))
    assert len(server.tokens) == 2
    assert sum(landed(tmp_path).values()) == 20
    tokens = [seen.token for seen in server.seen if seen.path.endswith("/Condition-1.ndjson")]
    assert tokens == ["token-0-north-ehr", "token-0-north-ehr", "token-1-north-ehr"]


def test_a_token_that_is_refused_twice_is_one_sentence(server: FhirServer, tmp_path: Path) -> None:
    server.token_life = -1
    with pytest.raises(UserError, match=r"answered 401 to its CapabilityStatement; check the client's registration"):
        run(server, tmp_path, smart(server))
    assert len(server.tokens) == 2


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown client": ({"client": "south"}, r"answered 401 \(invalid_client\); check the client id"),
    "another key": ({"key": RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=True)}, "invalid_client"),
    "a key that is not registered": ({"kid": "other"}, "invalid_client"),
    "wrong scope": ({"scope": "system/*.cruds"}, r"answered 400 \(invalid_scope\); ask the hospital to grant"),
    "wrong secret": ({"auth": Auth.SECRET, "secret": "hunter3"}, "invalid_client"),
    "plain token endpoint": (
        {"token_url": "http://127.0.0.1/token", "scope": "x"},
        "is not https; credentials are not sent there",
    ),
    "a public key": ({"key": RSA.as_dict(private=False)}, "key of the credentials cannot sign"),
    "a small curve": ({"key": ECKey.generate_key("P-256").as_dict(private=True)}, "cannot sign"),
    "no key at all": ({"key": "nonsense"}, "cannot sign"),
    "no JWK at all": ({"key": "{nonsense"}, "cannot sign"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_one_sentence_without_secrets(server: FhirServer, tmp_path: Path, case: str) -> None:
    changes, said = REFUSALS[case]
    with pytest.raises(UserError, match=said) as fault:
        run(server, tmp_path, smart(server, **changes))
    assert not [word for word in (SECRET_NAME, "hunter", "north-ehr", "nonsense") if word in str(fault.value)]


@pytest.mark.parametrize(
    ("granted", "lost"),
    [
        ("system/Patient.rs system/Encounter.rs system/Condition.rs", ["MedicationRequest", "Observation"]),
        (SCOPES.replace("Patient.rs", "Patient.cud"), ["Patient"]),
        ("patient/*.rs", sorted(TYPES)),
    ],
)
def test_a_token_for_less_than_we_need_is_refused(
    server: FhirServer, tmp_path: Path, granted: str, lost: list[str]
) -> None:
    server.narrowed = granted
    missing = ", ".join(f"system/{kind}.rs" for kind in lost)
    with pytest.raises(UserError, match=f"did not grant the scope {missing}; ask"):
        run(server, tmp_path, smart(server))


@pytest.mark.parametrize("granted", ["system/*.rs", "system/*.*", "system/*.read openid", "system/*.cruds", SCOPES])
def test_a_token_in_other_words_is_enough(server: FhirServer, tmp_path: Path, granted: str) -> None:
    server.narrowed = granted
    assert run(server, tmp_path, smart(server)).files == 10


def test_a_server_that_takes_other_signatures_is_told_apart(server: FhirServer, tmp_path: Path) -> None:
    server.discovery["token_endpoint_auth_signing_alg_values_supported"] = ["ES384"]
    with pytest.raises(UserError, match="does not accept RS384 signatures"):
        run(server, tmp_path, smart(server))


def test_a_token_endpoint_that_talks_nonsense_is_one_sentence(server: FhirServer, tmp_path: Path) -> None:
    server.fault("token", changed(lambda _: b"[]"))
    with pytest.raises(UserError, match="answered 200; check the client's registration"):
        run(server, tmp_path, smart(server))
    server.fault("token", changed(lambda _: b'{"access_token": "x", "token_type": "mac"}'))
    with pytest.raises(UserError, match="not a bearer token"):
        run(server, tmp_path, smart(server))


def test_missing_leave_for_a_type_is_one_sentence(server: FhirServer, tmp_path: Path) -> None:
    server.fault("$export", busy(403))
    with pytest.raises(UserError, match=r"answered 403 \(throttled\) to the start of an export; ask .* the scope"):
        run(server, tmp_path, smart(server))


def test_an_authority_that_we_do_not_know_is_refused(server: FhirServer, tmp_path: Path) -> None:
    said = r"presents a certificate that is not trusted \(.*\); give its authority with --ca"
    with pytest.raises(UserError, match=said):
        run(server, tmp_path, smart(server, ca=None))
    with pytest.raises(UserError, match=said):
        run(server, tmp_path, smart(server, ca=self_signed("other").certificate.decode()))
    assert server.seen == []
    assert server.time.pauses == []


@pytest.mark.parametrize("auth", [Auth.MUTUAL_TLS, Auth.SMART])
def test_a_client_certificate_is_shown_where_it_is_demanded(strict: FhirServer, tmp_path: Path, auth: Auth) -> None:
    strict.reset()
    strict.needs_token = auth is Auth.SMART
    strict.public_keys["north-ehr", "rsa"] = RSAKey.import_key(RSA.as_dict(private=False))
    strict.resources["Patient"] = [resource("Patient", 1)]
    pair = {"certificate": strict.client.certificate.decode(), "certificate_key": strict.client.key.decode()}
    with pytest.raises(UserError, match=r"(refused the TLS handshake; add the|possibly because a) client certificate"):
        run(strict, tmp_path, smart(strict))
    assert strict.seen == []
    run(strict, tmp_path, smart(strict, auth=auth, **pair))
    assert sum(landed(tmp_path).values()) == 1


def test_a_certificate_and_a_key_that_do_not_fit_are_one_sentence(strict: FhirServer, tmp_path: Path) -> None:
    pair = {"certificate": strict.client.certificate.decode(), "certificate_key": self_signed("x").key.decode()}
    with pytest.raises(UserError, match="do not match; give a PEM pair"):
        run(strict, tmp_path, smart(strict, **pair))
    with pytest.raises(UserError, match="--ca is not a PEM certificate"):
        run(strict, tmp_path, smart(strict, ca="nonsense"))


class FakeVault:
    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held
        self.read: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.read.append(path)
        return {"data": self.held, "metadata": {"version": 3}}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError(path)


class EmptyVault(FakeVault):
    def get(self, path: str) -> dict[str, Any]:
        raise AbsentError(f"Vault has nothing at {path}")


def written(place: Path, values: object, mode: int = 0o600) -> Path:
    place.write_text(json.dumps(values))
    place.chmod(mode)
    return place


def test_credentials_come_from_vault(server: FhirServer, tmp_path: Path) -> None:
    vault = FakeVault({"key": RSA.as_pem(private=True).decode(), "kid": "rsa", "ca": server.ca})
    shown = credentials("north", auth="smart-backend-services", client="north-ehr", vault=vault)
    assert vault.read == ["north/kv/data/fhir"]
    run(server, tmp_path, shown)
    assert sum(landed(tmp_path).values()) == 20


def test_a_server_without_credentials_may_have_its_authority_in_vault() -> None:
    assert credentials("north", auth="none", vault=FakeVault({"ca": "PEM"})) == Credentials(ca="PEM")
    assert credentials("north", auth="none", vault=EmptyVault({})) == Credentials()
    with pytest.raises(AbsentError, match="nothing at north/kv/data/fhir"):
        credentials("north", auth="mutual-tls", vault=EmptyVault({}))


def test_credentials_come_from_a_private_file(server: FhirServer, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(server.ca)
    file = written(tmp_path / "c.json", {"auth": "client-secret", "client": "north-ehr", "secret": "hunter2"})
    shown = credentials("north", file=file, ca=tmp_path / "ca.pem")
    assert "hunter2" not in repr(shown)
    run(server, tmp_path / "landing", shown)


@pytest.mark.parametrize(
    ("values", "mode", "said"),
    [
        ({"auth": "none"}, 0o640, r"can be read by others; run chmod 600"),
        ([1], 0o600, "is not a JSON object"),
        ({"auth": "telepathy", "secret": "hunter2"}, 0o600, "cannot be used: see auth; its fields are auth, client"),
        ({"auth": "none", "hunter2": "x"}, 0o600, r"cannot be used: see .*; its fields are"),
        ({"auth": "client-secret", "client": "x"}, 0o600, "lacks secret, which client-secret needs"),
        ({"auth": "smart-backend-services"}, 0o600, "lacks client and key, which smart-backend-services needs"),
        ({"auth": "mutual-tls", "certificate": "x"}, 0o600, "lacks certificate_key"),
        ({"auth": "none", "client": "x"}, 0o600, "The client of .* differs from --client"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, values: object, mode: int, said: str) -> None:
    file = written(tmp_path / "c.json", values, mode)
    with pytest.raises(UserError, match=said):
        credentials("north", file=file, client="y" if "--client" in said else None)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Cannot read the credentials file"):
        credentials("north", file=tmp_path / "none.json")
    with pytest.raises(UserError, match="give a PEM file with --ca"):
        credentials("north", auth="none", ca=tmp_path / "none.pem")
