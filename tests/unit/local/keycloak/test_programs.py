"""What the realm of hospitals' programs has."""

import json
from dataclasses import replace

from local.keycloak.programs import REALM, SCOPES, Program, representation
from local.keycloak.realm_parts import DIGEST
from workloads.serving.routes import table

KEY = {"kty": "EC", "kid": "k1", "alg": "ES384", "crv": "P-384", "x": "x", "y": "y"}
PROGRAM = Program("north-program", (KEY,))


def test_its_scopes_are_those_of_routes() -> None:
    assert set(SCOPES) < {route.scope for route in table().routes.values()}


def test_a_program_proves_itself_by_its_key_alone() -> None:
    realm = representation("readmission-risk", "a key", [PROGRAM])
    [client] = [client for client in realm["clients"] if client["enabled"]]
    assert (realm["realm"], client["clientId"]) == (REALM, "north-program")
    assert client["clientAuthenticatorType"] == "client-jwt"
    assert "secret" not in client
    assert json.loads(client["attributes"]["jwks.string"]) == {"keys": [{**KEY, "use": "sig"}]}
    assert client["serviceAccountsEnabled"]
    off = ("publicClient", "standardFlowEnabled", "implicitFlowEnabled", "directAccessGrantsEnabled")
    assert [flag for flag in (*off, "fullScopeAllowed") if client[flag]] == []
    assert (client["redirectUris"], client["webOrigins"]) == ([], [])


def test_it_gets_no_scope_that_it_did_not_ask_for() -> None:
    realm = representation("readmission-risk", "a key", [PROGRAM])
    [client] = [client for client in realm["clients"] if client["enabled"]]
    assert (client["defaultClientScopes"], tuple(client["optionalClientScopes"])) == ([], SCOPES)
    assert realm["defaultDefaultClientScopes"] == []


def test_claims_are_those_that_the_gateway_reads() -> None:
    realm = representation("readmission-risk", "a key", [PROGRAM])
    [client] = [client for client in realm["clients"] if client["enabled"]]
    mappers = {one["name"]: one["config"] for one in client["protocolMappers"]}
    assert mappers["audience"]["included.custom.audience"] == "readmission-risk"
    assert mappers["client_id"]["claim.value"] == "north-program"
    assert realm["sslRequired"] == "all"
    assert realm["accessTokenLifespan"] <= 300


def test_equal_declarations_have_equal_digests() -> None:
    def digest(program: Program, audience: str = "a", key: str = "a key") -> str:
        return str(representation(audience, key, [program])["attributes"][DIGEST])

    changed = replace(PROGRAM, keys=({**KEY, "x": "z"},))
    assert digest(PROGRAM) == digest(replace(PROGRAM))
    assert len({digest(PROGRAM), digest(changed), digest(PROGRAM, "b"), digest(PROGRAM, "a", "another")}) == 4
