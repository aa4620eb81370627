"""Parts that all realms have: digest, keys, events, no self-service, and no client that Keycloak adds."""

import hashlib
import json
from typing import Any

DIGEST = "hmlops.digest"
"""Attribute of a realm: digest of the representation that it was created from."""
EVENTS_SECONDS = 90 * 24 * 3600
# Keycloak creates them in each realm; `admin-cli` would exchange a password for a token.
_UNUSED_CLIENTS = ("admin-cli", "security-admin-console")
_KEYS = "org.keycloak.keys.KeyProvider"

Representation = dict[str, Any]


def with_digest(realm: Representation) -> Representation:
    """Return a realm with its digest, by which it is found unchanged."""
    digest = hashlib.sha256(json.dumps(realm, sort_keys=True).encode()).hexdigest()
    return {**realm, "attributes": {**realm.get("attributes", {}), DIGEST: digest}}


def base(name: str, title: str, key: str) -> Representation:
    """Return what all realms have.

    Parameters
    ----------
    name, title
        Name of the realm, and what people read of it.
    key
        Private key that signs its tokens, as PEM.
    """
    return {
        "realm": name,
        "displayName": title,
        "enabled": True,
        "sslRequired": "all",
        "eventsEnabled": True,
        "eventsExpiration": EVENTS_SECONDS,
        "adminEventsEnabled": True,
        "components": {_KEYS: _keys(key)},
        **_without_self_service(),
    }


def unused_clients() -> list[Representation]:
    """Return the clients that Keycloak adds to each realm, switched off."""
    flows = ("standardFlowEnabled", "implicitFlowEnabled", "directAccessGrantsEnabled", "serviceAccountsEnabled")
    return [
        {"clientId": client, "protocol": "openid-connect", "enabled": False, **dict.fromkeys(flows, False)}
        for client in _UNUSED_CLIENTS
    ]


def audience_mapper(audience: str) -> Representation:
    """Return the mapper that sets the claim ``aud`` of access tokens."""
    config = {"included.custom.audience": audience, "access.token.claim": "true", "id.token.claim": "false"}
    return {
        "name": "audience",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": config,
    }


def _without_self_service() -> Representation:
    """Return that people neither register, nor reset a password, nor choose a second factor by themselves.

    A person without a second factor could otherwise register one with the password alone.
    """
    off = ("registrationAllowed", "resetPasswordAllowed", "rememberMe", "editUsernameAllowed", "verifyEmail")
    setup = {"alias": "CONFIGURE_TOTP", "providerId": "CONFIGURE_TOTP", "name": "Configure OTP"}
    return {
        **dict.fromkeys(off, False),
        "requiredActions": [{**setup, "enabled": False, "defaultAction": False, "priority": 10, "config": {}}],
    }


def _keys(key: str) -> list[Representation]:
    """Return the providers of the keys: of tokens, of the server's own cookies, and of what it encrypts for itself."""
    own = {"HS512": "hmac-generated", "AES": "aes-generated"}
    imported = {"privateKey": [key], "algorithm": ["RS256"], "priority": ["100"]}
    return [
        {"name": "tokens", "providerId": "rsa", "subComponents": {}, "config": imported},
        *(
            {
                "name": provider,
                "providerId": provider,
                "subComponents": {},
                "config": {"priority": ["100"], **({"algorithm": [algorithm]} if algorithm == "HS512" else {})},
            }
            for algorithm, provider in own.items()
        ),
    ]
