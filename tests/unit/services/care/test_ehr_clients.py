import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from model.errors import UserError
from services.care.ehr_clients import read_clients
from tests.support.care.ehr import Ehr, clients

Change = Callable[[dict[str, Any]], object]


def test_the_table_is_read() -> None:
    ehr = Ehr(smart_iss="https://fhir.north.example/r4")
    (client,) = read_clients(clients(ehr))
    assert client.iss == ehr.iss
    assert client.algorithms == ("ES384", "RS384")
    assert [key.kid for key in client.keys.keys] == ["ehr-1"]
    assert client.smart is not None
    assert client.smart.scope == "launch"


def _keys(*keys: dict[str, Any]) -> Change:
    return lambda row: row.update(jwks={"keys": list(keys)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.update(name="North EHR"), "name"),
        (lambda row: row.update(iss=""), "iss"),
        (lambda row: row.update(algorithms=["HS256"]), "algorithms"),
        (lambda row: row.update(algorithms=["none"]), "algorithms"),
        (lambda row: row.update(algorithms=[]), "algorithms"),
        (lambda row: row.update(jku="http://ehr.example/jwks"), "jku"),
        (lambda row: row.update(smart={"iss": "http://fhir.example", "client_id": "x"}), "smart.iss"),
        (lambda row: row.update(password="x"), "password"),
        (_keys(), "jwks is not a JWK set"),
        (_keys({"kty": "EC"}), "jwks is not a JWK set"),
        (_keys(OctKey.generate_key(256).as_dict(private=True)), "jwks is not a JWK set"),
        (_keys(ECKey.generate_key("P-384").as_dict(private=True)), "jwks has a private key"),
        (_keys(RSAKey.generate_key(1024).as_dict(private=False)), "less than 2048 bits"),
    ],
)
def test_a_fault_of_a_row_is_one_sentence(change: Change, message: str) -> None:
    row = Ehr().row
    change(row)
    with pytest.raises(UserError, match=message):
        read_clients(json.dumps([row]))


def test_two_clients_have_different_names_and_issuers() -> None:
    with pytest.raises(UserError, match="two clients have the same"):
        read_clients(clients(Ehr(), Ehr()))


def test_a_hospital_without_an_ehr_has_no_client() -> None:
    assert read_clients("[]") == ()


@pytest.mark.parametrize("text", ["", "[", "{}", '"north"', "null"])
def test_a_text_that_is_no_table_is_named(text: str) -> None:
    with pytest.raises(UserError, match=r"^EHR_CLIENTS is invalid: "):
        read_clients(text)
