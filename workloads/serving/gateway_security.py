"""SecurityPolicies of a hospital's routes: how the EHR, programs and people prove themselves, and what they may do."""

import json
from collections.abc import Mapping

from infra.settings import Ehr, Gateway, Hospital
from workloads.platform.gateway_class import APPLICATION_HEADER
from workloads.serving.routes import Proof, Route

# An OIDC client must have a Secret; the client is public, so the value in this one is no credential.
CLIENT_SECRET = "sign-in-client"
CLIENT_CLAIM, HOSPITAL_CLAIM, SECOND_FACTOR_CLAIM = "client_id", "hospital", "acr"
SIGN_OUT, REDIRECT = "/signout", "/oauth2/callback"
# Without a session, a form or a script is answered 401 instead of a redirect, which would lose what it sent.
_NO_REDIRECT = [
    {"name": ":method", "type": "Exact", "value": "POST"},
    {"name": "sec-fetch-mode", "type": "RegularExpression", "value": "cors|no-cors|same-origin|websocket"},
]

Spec = dict[str, object]


def clients(hospital: Hospital, route: Route) -> tuple[str, ...]:
    """Return the OAuth clients that may use a route: the hospital's, or those of the further model that it asks."""
    return hospital.applications if route.clients is None else route.clients


def security(gateway: Gateway, hospital: Hospital, route: Route) -> Spec:
    """Return the spec of the SecurityPolicy of a route, without its target."""
    match route.proof:
        case Proof.EHR_JWT:
            return _of_ehr(gateway, hospital, route)
        case Proof.OAUTH:
            return _of_clients(gateway, hospital, route)
        case Proof.SIGN_IN:
            return _of_people(gateway, hospital)


def _allow(name: str, provider: str, claims: Mapping[str, list[str]], **more: object) -> Spec:
    principal = {
        "provider": provider,
        "claims": [{"name": claim, "values": values} for claim, values in claims.items()],
    }
    scopes = more.pop("scopes", None)
    jwt = principal | ({"scopes": scopes} if scopes else {})
    return {"name": name, "action": "Allow", "principal": {"jwt": jwt}, **more}


def _certificate_of(application: str) -> str:
    """Return the condition that the client's certificate is that of the application that the token names."""
    return f"connection.subject_peer_certificate == 'CN={application}'"


def _policy(provider: Spec, rules: list[Spec]) -> Spec:
    return {"jwt": {"providers": [provider]}, "authorization": {"defaultAction": "Deny", "rules": rules}}


def _of_ehr(gateway: Gateway, hospital: Hospital, route: Route) -> Spec:
    """Return the policy of the EHR's routes: its issuer and key, the called URL as audience, and its certificate."""
    ehr = hospital.ehr
    if ehr is None:
        raise ValueError(f"hospital {hospital.name} has no ehr")
    url = gateway.machine_url(hospital.name)
    audiences = [f"{url}{path}" for paths in route.paths.values() for path in paths]
    provider: Spec = {
        "name": "ehr",
        "issuer": ehr.issuer,
        "audiences": audiences,
        "localJWKS": {"type": "Inline", "inline": _key_set(ehr)},
        "claimToHeaders": [{"claim": "iss", "header": APPLICATION_HEADER}],
    }
    rule = _allow(ehr.application, "ehr", {"iss": [ehr.issuer]}, cel=_certificate_of(ehr.application))
    return _policy(provider, [rule])


def _key_set(ehr: Ehr) -> str:
    return json.dumps(ehr.jwks(), sort_keys=True)


def _of_clients(gateway: Gateway, hospital: Hospital, route: Route) -> Spec:
    """Return the policy of OAuth clients: each by its client ID, with the route's scope and its own certificate."""
    provider: Spec = {
        "name": "hospital",
        "issuer": gateway.issuer,
        "audiences": [gateway.audience],
        "remoteJWKS": {"uri": gateway.jwks_uri},
        "claimToHeaders": [{"claim": CLIENT_CLAIM, "header": APPLICATION_HEADER}],
    }
    rules = [
        _allow(client, "hospital", {CLIENT_CLAIM: [client]}, scopes=[route.scope], cel=_certificate_of(client))
        for client in clients(hospital, route)
    ]
    return _policy(provider, rules)


def _of_people(gateway: Gateway, hospital: Hospital) -> Spec:
    """Return the policy of people: sign-in, and an access token of this hospital with a second factor."""
    sign_in = hospital.sign_in
    if sign_in is None:
        raise ValueError(f"hospital {hospital.name} has no signIn")
    oidc = {
        "provider": {
            "issuer": sign_in.issuer,
            "authorizationEndpoint": sign_in.authorization_uri,
            "tokenEndpoint": sign_in.token_uri,
        },
        "clientID": sign_in.client,
        "clientSecret": {"group": "", "kind": "Secret", "name": CLIENT_SECRET},
        "scopes": ["openid"],
        "redirectURL": f"{gateway.browser_url(hospital.name)}{REDIRECT}",
        "logoutPath": SIGN_OUT,
        "forwardAccessToken": True,
        "refreshToken": True,
        "cookieConfig": {"sameSite": "Lax"},
        "denyRedirect": {"headers": _NO_REDIRECT},
    }
    provider: Spec = {
        "name": "people",
        "issuer": sign_in.issuer,
        "audiences": [sign_in.audience],
        "remoteJWKS": {"uri": sign_in.jwks_uri},
        "claimToHeaders": [{"claim": "azp", "header": APPLICATION_HEADER}],
    }
    claims = {HOSPITAL_CLAIM: [hospital.name], SECOND_FACTOR_CLAIM: list(sign_in.second_factor)}
    return {"oidc": oidc, **_policy(provider, [_allow("people", "people", claims)])}
