"""Realm of a hospital, in Keycloak's representation: sign-in client, claims, groups, second factor and sessions."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local.keycloak.realm_parts import Representation, audience_mapper, base, unused_clients, with_digest
from local.keycloak.staff import Person

CALLBACK = "/oauth2/callback"
ACCESS_TOKEN_SECONDS = 300
IDLE_SECONDS = 15 * 60
SESSION_SECONDS = 8 * 3600
ATTEMPTS = 5
"""Failed sign-ins until an account is locked for a while."""
LOCKED_SECONDS = 15 * 60
_FLOW, _FORMS, _LEVEL = "password and one-time password", "forms", "second factor"
_ROLE_GROUPS, _UNIT_GROUPS = "roles", "units"
_PASSWORD_POLICY = "length(14) and notUsername(undefined) and notEmail(undefined) and passwordHistory(5)"


@dataclass(frozen=True)
class RealmSettings:
    """Sign-in settings of a hospital's entry.

    Parameters
    ----------
    hospital
        Name of the hospital, and of its realm.
    client, audience
        Client ID of the gateway, and claim ``aud`` of access tokens.
    acr
        Claim ``acr`` of a session, which always has a second factor.
    groups
        Group of each role.
    units
        Names of the units.
    worklist
        Address of the worklist, without a path.
    """

    hospital: str
    client: str
    audience: str
    acr: str
    groups: Mapping[str, str]
    units: tuple[str, ...]
    worklist: str


def representation(settings: RealmSettings, key: str, staff: Iterable[Person]) -> Representation:
    """Return the realm of a hospital, with its digest.

    Parameters
    ----------
    settings
        The hospital's settings.
    key
        Private key that signs its tokens, as PEM.
    staff
        Its users.
    """
    realm = {
        **base(settings.hospital, f"{settings.hospital}: readmission worklist", key),
        **_sessions(),
        **_protection(settings),
        **_flows(),
        "clients": [_client(settings), *unused_clients()],
        "roles": {"client": {settings.client: [{"name": role} for role in settings.groups]}},
        "groups": _groups(settings),
        "users": [_user(person, settings) for person in staff],
    }
    return with_digest(realm)


def _sessions() -> Representation:
    return {
        "accessTokenLifespan": ACCESS_TOKEN_SECONDS,
        "accessCodeLifespan": 60,
        "accessCodeLifespanLogin": 600,
        "accessCodeLifespanUserAction": 300,
        "ssoSessionIdleTimeout": IDLE_SECONDS,
        "ssoSessionMaxLifespan": SESSION_SECONDS,
        "clientSessionIdleTimeout": IDLE_SECONDS,
        "clientSessionMaxLifespan": SESSION_SECONDS,
    }


def _protection(settings: RealmSettings) -> Representation:
    return {
        "passwordPolicy": _PASSWORD_POLICY,
        "bruteForceProtected": True,
        "permanentLockout": False,
        "failureFactor": ATTEMPTS,
        "waitIncrementSeconds": LOCKED_SECONDS,
        "maxFailureWaitSeconds": LOCKED_SECONDS,
        "maxDeltaTimeSeconds": LOCKED_SECONDS,
        "otpPolicyType": "totp",
        "otpPolicyAlgorithm": "HmacSHA1",
        "otpPolicyDigits": 6,
        "otpPolicyPeriod": 30,
        "otpPolicyLookAheadWindow": 1,
        "otpPolicyCodeReusable": False,
        "attributes": {"acr.loa.map": json.dumps({settings.acr: 2})},
    }


def _flows() -> Representation:
    """Return the sign-in flow: both factors are one level, so that no request gets a session with one of them."""

    def step(authenticator: str, requirement: str, priority: int, config: str | None = None) -> Representation:
        return {
            "authenticator": authenticator,
            "authenticatorFlow": False,
            "requirement": requirement,
            "priority": priority,
            "userSetupAllowed": False,
            **({"authenticatorConfig": config} if config else {}),
        }

    def part(alias: str, requirement: str, priority: int) -> Representation:
        return {
            "flowAlias": alias,
            "authenticatorFlow": True,
            "requirement": requirement,
            "priority": priority,
            "userSetupAllowed": False,
        }

    def flow(alias: str, *steps: Representation, top: bool = False) -> Representation:
        return {
            "alias": alias,
            "providerId": "basic-flow",
            "topLevel": top,
            "builtIn": False,
            "authenticationExecutions": list(steps),
        }

    return {
        "browserFlow": _FLOW,
        "authenticationFlows": [
            flow(_FLOW, step("auth-cookie", "ALTERNATIVE", 10), part(_FORMS, "ALTERNATIVE", 20), top=True),
            flow(_FORMS, part(_LEVEL, "CONDITIONAL", 10)),
            flow(
                _LEVEL,
                step("conditional-level-of-authentication", "REQUIRED", 10, "level"),
                step("auth-username-password-form", "REQUIRED", 20, "password"),
                step("auth-otp-form", "REQUIRED", 30, "one-time password"),
            ),
        ],
        "authenticatorConfig": [
            {"alias": "level", "config": {"loa-condition-level": "2", "loa-max-age": str(SESSION_SECONDS)}},
            _method("password", "pwd"),
            _method("one-time password", "otp"),
        ],
    }


def _method(alias: str, value: str) -> Representation:
    """Return the configuration of an authenticator that adds a value to the claim ``amr`` (RFC 8176)."""
    reference = {"default.reference.value": value, "default.reference.maxAge": str(SESSION_SECONDS)}
    return {"alias": alias, "config": reference}


def _client(settings: RealmSettings) -> Representation:
    """Return the gateway's client: public, so that the cluster keeps no secret of it; PKCE binds codes to browsers."""
    return {
        "clientId": settings.client,
        "name": "Worklist",
        "protocol": "openid-connect",
        "enabled": True,
        "publicClient": True,
        "redirectUris": [f"{settings.worklist}{CALLBACK}"],
        "webOrigins": [],
        "standardFlowEnabled": True,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
        "fullScopeAllowed": False,
        "defaultClientScopes": ["basic", "acr", "profile"],
        "optionalClientScopes": [],
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "minimum.acr.value": settings.acr,
            "default.acr.values": settings.acr,
            "post.logout.redirect.uris": f"{settings.worklist}/*",
            "access.token.signed.response.alg": "RS256",
            "id.token.signed.response.alg": "RS256",
        },
        "protocolMappers": _claims(settings),
    }


def _claims(settings: RealmSettings) -> list[Representation]:
    """Return the mappers of the claims that the worklist reads."""
    text = {"jsonType.label": "String"}
    lists = {"multivalued": "true", **text}
    # A unit's group has the attribute, which becomes that of its members.
    units = {"user.attribute": "units", "aggregate.attrs": "true", **lists}
    roles = {"usermodel.clientRoleMapping.clientId": settings.client, **lists}
    return [
        _mapper("hospital", "oidc-hardcoded-claim-mapper", {"claim.value": settings.hospital, **text}),
        _mapper("units", "oidc-usermodel-attribute-mapper", units),
        _mapper("roles", "oidc-usermodel-client-role-mapper", roles),
        _mapper("amr", "oidc-amr-mapper", {}),
        audience_mapper(settings.audience),
    ]


def _mapper(claim: str, kind: str, config: Mapping[str, str]) -> Representation:
    tokens = {"access.token.claim": "true", "id.token.claim": "true", "userinfo.token.claim": "false"}
    return {
        "name": claim,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": {"claim.name": claim, **tokens, **config},
    }


def _groups(settings: RealmSettings) -> list[Representation]:
    roles = [
        {"name": group, "clientRoles": {settings.client: [role]}} for role, group in sorted(settings.groups.items())
    ]
    units = [{"name": unit, "attributes": {"units": [unit]}} for unit in settings.units]
    return [{"name": _ROLE_GROUPS, "subGroups": roles}, {"name": _UNIT_GROUPS, "subGroups": units}]


def _user(person: Person, settings: RealmSettings) -> Representation:
    first, _, last = person.name.partition(" ")
    return {
        "id": person.id,
        "username": person.username,
        "enabled": True,
        "email": person.email,
        "emailVerified": True,
        "firstName": first,
        "lastName": last,
        "groups": [
            f"/{_ROLE_GROUPS}/{settings.groups[person.role]}",
            *(f"/{_UNIT_GROUPS}/{unit}" for unit in person.units),
        ],
        "credentials": [
            {"type": "password", "value": person.password, "temporary": False},
            *([_one_time_password(person.seed)] if person.seed else []),
        ],
    }


def _one_time_password(seed: str) -> Representation:
    policy = {
        "subType": "totp",
        "algorithm": "HmacSHA1",
        "digits": 6,
        "period": 30,
        "counter": 0,
        "secretEncoding": "BASE32",
    }
    return {
        "type": "otp",
        "userLabel": "demonstration",
        "secretData": json.dumps({"value": seed}),
        "credentialData": json.dumps(policy),
    }
