"""Realm of hospitals' programs: OAuth clients that prove themselves by signed JWTs (RFC 7523), and have no secret."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.keycloak.realm_parts import Representation, audience_mapper, base, unused_clients, with_digest

REALM = "programs"
ALGORITHM = "ES384"
"""Of the JWTs by which programs prove themselves."""
SCOPES = ("readmission.scores", "notes.extract")
"""Scopes that a program may ask for; it gets those alone that it asks for."""
ACCESS_TOKEN_SECONDS = 300
ASSERTION_SECONDS = 60
"""Age from which the JWT by which a program proves itself is refused."""
_CLIENT_CLAIM = "client_id"


@dataclass(frozen=True)
class Program:
    """OAuth client of a hospital.

    Parameters
    ----------
    name
        Client ID, and common name of its client certificate.
    keys
        Public keys of its JWTs, as JSON Web Keys with ``kid``; an application of several hospitals has several.
    """

    name: str
    keys: tuple[Mapping[str, str], ...]


def representation(audience: str, key: str, programs: Sequence[Program]) -> Representation:
    """Return the realm, with its digest.

    Parameters
    ----------
    audience
        Claim ``aud`` of access tokens.
    key
        Private key that signs them, as PEM.
    programs
        The clients.
    """
    realm = {
        **base(REALM, "programs of hospitals", key),
        "accessTokenLifespan": ACCESS_TOKEN_SECONDS,
        "clientScopes": [_scope(name) for name in SCOPES],
        "defaultDefaultClientScopes": [],
        "defaultOptionalClientScopes": [],
        "clients": [*(_client(one, audience) for one in programs), *unused_clients()],
    }
    return with_digest(realm)


def _scope(name: str) -> Representation:
    attributes = {"include.in.token.scope": "true", "display.on.consent.screen": "false"}
    return {"name": name, "protocol": "openid-connect", "attributes": attributes}


def _client(program: Program, audience: str) -> Representation:
    """Return a client with the client credentials grant alone."""
    return {
        "clientId": program.name,
        "protocol": "openid-connect",
        "enabled": True,
        "publicClient": False,
        "clientAuthenticatorType": "client-jwt",
        "redirectUris": [],
        "webOrigins": [],
        "standardFlowEnabled": False,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": True,
        "fullScopeAllowed": False,
        "defaultClientScopes": [],
        "optionalClientScopes": list(SCOPES),
        "attributes": {
            "use.jwks.string": "true",
            "jwks.string": json.dumps({"keys": [{**key, "use": "sig"} for key in program.keys]}, sort_keys=True),
            "token.endpoint.auth.signing.alg": ALGORITHM,
            "token.endpoint.auth.signing.max.exp": str(ASSERTION_SECONDS),
            "access.token.signed.response.alg": "RS256",
            "client_credentials.use_refresh_token": "false",
        },
        "protocolMappers": [audience_mapper(audience), _subject(), _client_id(program.name)],
    }


def _subject() -> Representation:
    config = {"access.token.claim": "true", "introspection.token.claim": "true"}
    return {"name": "sub", "protocol": "openid-connect", "protocolMapper": "oidc-sub-mapper", "config": config}


def _client_id(name: str) -> Representation:
    """Return the mapper of the claim by which the gateway knows a program."""
    claim = {"claim.name": _CLIENT_CLAIM, "claim.value": name, "jsonType.label": "String"}
    tokens = {"access.token.claim": "true", "id.token.claim": "false", "userinfo.token.claim": "false"}
    return {
        "name": _CLIENT_CLAIM,
        "protocol": "openid-connect",
        "protocolMapper": "oidc-hardcoded-claim-mapper",
        "config": {**claim, **tokens},
    }
