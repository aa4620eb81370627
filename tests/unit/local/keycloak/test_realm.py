"""What a hospital's realm has."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from local.keycloak.realm import RealmSettings, representation
from local.keycloak.realm_parts import DIGEST
from local.keycloak.staff import staff
from tests.support.identity.keycloak_realms import NORTH

STAFF = staff("north", NORTH.units, {})


@pytest.fixture
def realm() -> dict[str, Any]:
    return representation(NORTH, "a key", STAFF)


def executions(realm: dict[str, Any], alias: str) -> Iterator[dict[str, Any]]:
    """Yield the executions of a flow and of those below it."""
    [flow] = [flow for flow in realm["authenticationFlows"] if flow["alias"] == alias]
    for execution in flow["authenticationExecutions"]:
        yield execution
        if execution["authenticatorFlow"]:
            yield from executions(realm, execution["flowAlias"])


def gateway(realm: dict[str, Any]) -> dict[str, Any]:
    """Return the gateway's client, which is the only one in use."""
    [client] = [client for client in realm["clients"] if client["enabled"]]
    return dict(client)


def test_every_sign_in_needs_both_factors(realm: dict[str, Any]) -> None:
    steps = [step for step in executions(realm, realm["browserFlow"]) if not step["authenticatorFlow"]]
    assert {step["authenticator"]: step["requirement"] for step in steps} == {
        "auth-cookie": "ALTERNATIVE",
        "conditional-level-of-authentication": "REQUIRED",
        "auth-username-password-form": "REQUIRED",
        "auth-otp-form": "REQUIRED",
    }
    client = gateway(realm)
    assert client["attributes"]["minimum.acr.value"] == "2"
    assert json.loads(realm["attributes"]["acr.loa.map"]) == {"2": 2}


def test_no_person_registers_a_second_factor_with_the_password_alone(realm: dict[str, Any]) -> None:
    assert {action["alias"]: action["enabled"] for action in realm["requiredActions"]} == {"CONFIGURE_TOTP": False}
    assert not realm["resetPasswordAllowed"]
    assert not realm["registrationAllowed"]


def test_the_client_has_the_code_flow_with_pkce_alone(realm: dict[str, Any]) -> None:
    client = gateway(realm)
    assert client["publicClient"]
    assert "secret" not in client
    assert client["attributes"]["pkce.code.challenge.method"] == "S256"
    assert client["redirectUris"] == ["https://north.worklist.example:8447/oauth2/callback"]
    assert client["standardFlowEnabled"]
    off = ("implicitFlowEnabled", "directAccessGrantsEnabled", "serviceAccountsEnabled", "fullScopeAllowed")
    assert [flag for flag in off if client[flag]] == []


def test_claims_are_those_that_the_worklist_reads(realm: dict[str, Any]) -> None:
    client = gateway(realm)
    assert {mapper["name"] for mapper in client["protocolMappers"]} == {"hospital", "units", "roles", "amr", "audience"}
    assert client["defaultClientScopes"] == ["basic", "acr", "profile"]


def test_sessions_are_short_and_passwords_cannot_be_tried(realm: dict[str, Any]) -> None:
    assert realm["accessTokenLifespan"] <= 300
    assert realm["ssoSessionIdleTimeout"] <= 900
    assert realm["bruteForceProtected"]
    assert realm["failureFactor"] <= 5
    assert "length(14)" in realm["passwordPolicy"]
    assert realm["sslRequired"] == "all"
    assert not realm["otpPolicyCodeReusable"]


def test_every_user_is_in_groups_of_the_realm(realm: dict[str, Any]) -> None:
    paths = {f"/{group['name']}/{inner['name']}" for group in realm["groups"] for inner in group["subGroups"]}
    assert paths == {
        "/roles/care-coordinators",
        "/roles/charge-nurses",
        "/roles/auditors",
        "/units/cardiology",
        "/units/4 West",
    }
    assert {path for user in realm["users"] for path in user["groups"]} == paths


def test_one_coordinator_has_no_second_factor(realm: dict[str, Any]) -> None:
    kinds = {user["username"]: {credential["type"] for credential in user["credentials"]} for user in realm["users"]}
    assert [name for name, types in kinds.items() if types == {"password"}] == ["jamie"]
    assert all(types == {"password", "otp"} for name, types in kinds.items() if name != "jamie")


def test_equal_declarations_have_equal_digests() -> None:
    def digest(settings: RealmSettings, key: str = "a key") -> str:
        return str(representation(settings, key, STAFF)["attributes"][DIGEST])

    changes = [
        replace(NORTH, client="other"),
        replace(NORTH, audience="other"),
        replace(NORTH, acr="3"),
        replace(NORTH, units=(*NORTH.units, "surgery")),
        replace(NORTH, worklist="https://other.example"),
        replace(NORTH, groups={**NORTH.groups, "auditor": "Privacy Office"}),
    ]
    assert digest(NORTH) == digest(replace(NORTH))
    assert len({digest(NORTH), digest(NORTH, "another"), *map(digest, changes)}) == len(changes) + 2
