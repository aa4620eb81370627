"""Keys of the identity provider: fetched over TLS, published by the owner, and the only ones that open a session."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.care.worklist import sessions
from services.care.worklist.tokens import RefusedTokenError
from services.database import __main__ as commands
from services.database import signing_keys
from services.database.errors import DatabaseError
from services.database.schemas import Schema
from services.database.signing_keys import Provider
from tests.support.databases.postgres import PostgresServer
from tests.support.identity.sign_in import Issuer
from tests.support.identity.tls import Authority


@dataclass
class Provided:
    """An identity provider's address, its certificate's authority, and what it answers by path."""

    address: str
    ca: Path
    answers: dict[str, Any] = field(default_factory=dict)

    def tell(self, jwks: Any, issuer: str | None = None) -> None:
        discovery = {"issuer": issuer or self.address, "jwks_uri": f"{self.address}/keys"}
        self.answers |= {"/.well-known/openid-configuration": discovery, "/keys": jwks}


@contextmanager
def serving(folder: Path) -> Iterator[Provided]:
    authority = Authority()
    ca = folder / "ca.crt"
    ca.write_bytes(authority.certificate)
    authority.issue("provider").write(folder / "tls.crt", folder / "tls.key")
    provided = Provided("", ca)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path in provided.answers
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps(provided.answers.get(self.path)).encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    provided.address = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield provided
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def provided(tmp_path: Path) -> Iterator[Provided]:
    with serving(tmp_path) as made:
        yield made


@pytest.mark.process
def test_the_command_publishes_the_keys_and_a_second_run_replaces_them(
    postgres: PostgresServer, provided: Provided, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.database(Schema.CARE)
    first, second = Issuer(database.hospital), Issuer(database.hospital)
    monkeypatch.setattr(commands, "_administrator", lambda: postgres.administrator)
    settings = {"ISSUER": provided.address, "AUDIENCE": first.audience, "CA": str(provided.ca)}
    for name, value in settings.items():
        monkeypatch.setenv(f"SIGN_IN_{name}", value)
    engine = database.engine("care-service")

    def enters(issuer: Issuer) -> bool:
        token = issuer.token(iss=provided.address, sid=issuer.key.kid)
        try:
            with sessions.transaction(engine, database.hospital, token):
                return True
        except RefusedTokenError:
            return False

    for issuer, other in ((first, second), (second, first)):
        provided.tell(issuer.jwks)
        result = CliRunner().invoke(commands.app, ["sign-in", "--hospital", database.hospital])
        assert result.exit_code == 0, result.output
        assert (enters(issuer), enters(other)) == (True, False)
    engine.dispose()


@pytest.mark.process
def test_without_a_provider_nothing_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGN_IN_ISSUER", raising=False)
    result = CliRunner().invoke(commands.app, ["sign-in", "--hospital", "north"])
    assert (result.exit_code, "nobody can sign in" in result.output) == (0, True)


@pytest.mark.process
def test_a_provider_that_is_not_the_one_asked_for_is_refused(provided: Provided, tmp_path: Path) -> None:
    provided.tell(Issuer("north").jwks)
    assert signing_keys.fetch(provided.address, provided.ca)["keys"]
    other = tmp_path / "other.crt"
    other.write_bytes(Authority().certificate)
    for ca in (other, None, tmp_path / "missing.crt"):
        with pytest.raises(DatabaseError, match="does not give its keys"):
            signing_keys.fetch(provided.address, ca)
    for answers in (
        {"/.well-known/openid-configuration": {"issuer": "https://elsewhere.example", "jwks_uri": "x"}},
        {"/.well-known/openid-configuration": {"issuer": provided.address}},
        {"/.well-known/openid-configuration": [1]},
    ):
        provided.answers = answers
        with pytest.raises(DatabaseError, match="does not give its keys"):
            signing_keys.fetch(provided.address, provided.ca)


RSA = Issuer("north").jwks["keys"][0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kty": "EC"},
        {"use": "enc"},
        {"alg": "RS512"},
        {"e": "Aw"},
        {"n": "AQAB"},
        {"n": "A" * 171},
    ],
)
def test_only_keys_that_verify_rs256_are_taken(wrong: dict[str, str]) -> None:
    assert signing_keys._verifies_rs256(RSA)
    assert not signing_keys._verifies_rs256(RSA | wrong)
    assert not signing_keys._verifies_rs256({name: value for name, value in RSA.items() if name != "kid"})


@pytest.mark.parametrize(
    "environment",
    [{"SIGN_IN_ISSUER": "https://x"}, {"SIGN_IN_ISSUER": "http://x", "SIGN_IN_AUDIENCE": "north-care"}],
)
def test_a_provider_without_audience_or_tls_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(DatabaseError, match="SIGN_IN_ISSUER"):
        Provider.from_environment("north", environment)


def test_the_second_factor_may_have_several_names() -> None:
    environment = {"SIGN_IN_ISSUER": "https://x", "SIGN_IN_AUDIENCE": "north-care", "SIGN_IN_ACR": "2,gold"}
    provider = Provider.from_environment("north", environment)
    assert provider is not None
    assert provider.acr == ("2", "gold")
