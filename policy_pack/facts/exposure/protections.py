"""Protections that the objects of a gateway put into effect: each function yields the reasons why one is not.

The meaning of the fields is that of Envoy Gateway 1.9 and of the Gateway API 1.6. A value that is not described here
counts as no protection.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from policy_pack.facts.exposure.table import ExposureTable
from policy_pack.stack.external_endpoints import TrustedIssuer
from policy_pack.stack.values import View

Spec = Mapping[str, Any]

_TLS_VERSIONS = ("1.2", "1.3")
# The default is TLS 1.2; `Auto` leaves the choice to Envoy.
_CIPHERS = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    }
)
_CURVES = frozenset({"X25519", "X25519MLKEM768", "P-256", "P-384", "P-521"})
_PER_MINUTE = {"Second": 60.0, "Minute": 1.0, "Hour": 1 / 60, "Day": 1 / 1440}
_HTTPS = "https://"


def part(spec: Spec, *keys: str) -> Any:
    """Return a nested value; None where there is none, and `NotKnownError` is raised where it is not known yet."""
    return View(spec).at(".".join(keys)).value


def client_validation(spec: Spec) -> Iterator[str]:
    """Yield why a ClientTrafficPolicy does not require a valid client certificate."""
    validation = part(spec, "tls", "clientValidation")
    if not validation:
        yield "no client certificate is requested (tls.clientValidation)"
        return
    mode = validation.get("mode")
    if mode is not None and mode != "RequireAndVerify":
        yield f"the client certificate is not required and verified (clientValidation.mode is {mode})"
    if mode is None and validation.get("optional") not in (None, False):
        yield "the client certificate is optional (clientValidation.optional)"
    if validation.get("allowExpiredCertificate") not in (None, False):
        yield "expired client certificates are accepted (clientValidation.allowExpiredCertificate)"
    if not part(validation, "crl", "refs"):
        yield "revoked client certificates are accepted (clientValidation.crl)"
    if not validation.get("caCertificateRefs"):
        yield "client certificates are verified by no certificate authority (clientValidation.caCertificateRefs)"


def tls_settings(spec: Spec) -> Iterator[str]:
    """Yield what a ClientTrafficPolicy allows beyond TLS 1.2 with forward secrecy."""
    tls = part(spec, "tls") or {}
    minimum, maximum = tls.get("minVersion"), tls.get("maxVersion")
    if minimum is not None and minimum not in _TLS_VERSIONS:
        yield f"TLS before 1.2 is allowed (tls.minVersion is {minimum})"
    if maximum is not None and maximum not in (*_TLS_VERSIONS, "Auto"):
        yield f"TLS 1.2 is not allowed (tls.maxVersion is {maximum})"
    weak = [name for name in tls.get("ciphers") or () if name.strip("[]") not in _CIPHERS]
    weak += [name for name in tls.get("ecdhCurves") or () if name not in _CURVES]
    weak += [name for name in tls.get("signatureAlgorithms") or () if "sha1" in name.lower() or "md5" in name.lower()]
    if weak:
        yield f"weak cryptography is allowed ({', '.join(weak)})"


def token_validation(spec: Spec, issuers: Collection[TrustedIssuer] | None = None) -> Iterator[str]:
    """Yield why a SecurityPolicy does not validate issuer, audience and signature of a JWT on every request.

    Where the stack's configuration has the issuers of its gateways' tokens, only those are valid.
    """
    jwt = spec.get("jwt") or {}
    providers = jwt.get("providers") or ()
    if not providers:
        yield "no JWT is validated (jwt.providers)"
    for field in ("optional", "failOpen"):
        if jwt.get(field) not in (None, False):
            yield f"requests without a valid JWT are accepted (jwt.{field})"
    for provider in providers:
        name = provider.get("name") or "?"
        yield from (f"{gap} (JWT provider {name})" for gap in _provider(provider, issuers))


def _provider(provider: Spec, issuers: Collection[TrustedIssuer] | None) -> Iterator[str]:
    issuer, audiences = provider.get("issuer"), list(provider.get("audiences") or ())
    if not issuer:
        yield "the issuer is not validated"
    if not audiences or not all(audiences):
        yield "the audience is not validated"
    if not _has_keys(provider):
        yield "the signing keys do not come from an https URL or from the cluster"
    if issuers is None:
        return
    trusted = _trusted(provider, issuers)
    if trusted is None:
        yield "the issuer is not one of the stack's configuration"
        return
    if not all(_is_audience(audience, trusted) for audience in audiences):
        yield "the audience is not one of the stack's configuration"
    remote = part(provider, "remoteJWKS", "uri")
    if (remote if remote is not None else _inline_keys(provider)) != trusted.keys:
        yield "the signing keys are not those of the stack's configuration"


def _trusted(provider: Spec, issuers: Collection[TrustedIssuer]) -> TrustedIssuer | None:
    return next((one for one in issuers if one.issuer == provider.get("issuer")), None)


def _is_audience(audience: str, trusted: TrustedIssuer) -> bool:
    return any(
        audience == own or (own.endswith("/") and audience.startswith(own) and ".." not in audience)
        for own in trusted.audiences
    )


def _inline_keys(provider: Spec) -> Any:
    """Return the keys that a provider contains; those of a ConfigMap are not evaluated."""
    try:
        return json.loads(part(provider, "localJWKS", "inline") or "null")
    except ValueError:
        return None


def sign_in(spec: Spec, issuers: Collection[TrustedIssuer] | None = None) -> Iterator[str]:
    """Yield why a SecurityPolicy does not send people without a session to their identity provider."""
    oidc = spec.get("oidc")
    if not oidc:
        yield "no one is asked to sign in (oidc)"
        return
    issuer, redirect = part(spec, "oidc", "provider", "issuer"), str(oidc.get("redirectURL") or "")
    if oidc.get("passThroughAuthHeader"):
        yield "a request with a token in its header needs no session (oidc.passThroughAuthHeader)"
    if not redirect.startswith(_HTTPS):
        yield "the address after the sign-in is not https (oidc.redirectURL)"
    if issuers is None:
        return
    own = next((one for one in issuers if one.sign_in and one.issuer == issuer), None)
    if own is None:
        yield "the identity provider is not the one of the stack's configuration (oidc.provider.issuer)"
        return
    for field, url in own.sign_in_urls.items():
        # Without the field, Envoy Gateway asks the issuer.
        if part(spec, "oidc", "provider", field) not in (None, url):
            yield f"people are sent to another address than the stack's configuration has (oidc.provider.{field})"


def _has_keys(provider: Spec) -> bool:
    remote = part(provider, "remoteJWKS", "uri")
    if remote is not None:
        return str(remote).startswith(_HTTPS)
    local = provider.get("localJWKS") or {}
    return bool(local.get("inline") or part(local, "valueRef", "name"))


def authorization(
    spec: Spec, issuers: Collection[TrustedIssuer] | None = None, models: Collection[str] = ("",)
) -> Iterator[str]:
    """Yield why a SecurityPolicy allows requests that no claim of a token names, or those of other applications.

    Parameters
    ----------
    spec
        The policy.
    issuers
        Issuers of the stack's configuration; None where it has none.
    models
        Further models that the requests ask, by name; empty for the first model and for what asks none.
    """
    rules = spec.get("authorization")
    if rules is None:
        yield "every request with a token is allowed (authorization)"
        return
    if (rules.get("defaultAction") or "Deny") != "Deny":
        yield "requests that no rule names are allowed (authorization.defaultAction)"
    providers = {provider.get("name"): provider for provider in part(spec, "jwt", "providers") or ()}
    for number, rule in enumerate(rules.get("rules") or ()):
        if rule.get("action") == "Deny":
            continue
        principal = part(rule, "principal", "jwt") or {}
        claims = principal.get("claims") or ()
        if principal.get("provider") not in providers or not any(_names_values(claim) for claim in claims):
            yield f"a rule allows requests by something other than a claim of the token (authorization.rules[{number}])"
        elif issuers is not None:
            trusted = _trusted(providers[principal["provider"]], issuers)
            for model in models:
                if not _is_allowed(claims, trusted, model):
                    whose = f"those of the model {model}" if model else "the hospital's"
                    yield f"a rule allows other applications than {whose} (authorization.rules[{number}])"


def _is_allowed(claims: Collection[Spec], trusted: TrustedIssuer | None, model: str) -> bool:
    """Return whether claims allow only what the stack's configuration does; an issuer without applications has none."""
    needed = trusted.claims_for(model) if trusted is not None else None
    if needed is None:
        return False
    values = {claim.get("name"): set(claim.get("values") or ()) for claim in claims}
    return all(values.get(name) and values[name] <= set(allowed) for name, allowed in needed.items())


def _names_values(claim: Spec) -> bool:
    values = claim.get("values") or ()
    return bool(claim.get("name")) and bool(values) and all(values)


def rate_limit(spec: Spec, table: ExposureTable, *, global_service: bool) -> Iterator[str]:
    """Yield why a BackendTrafficPolicy does not limit every request; a global limit needs a rate limit service."""
    limits = spec.get("rateLimit") or {}
    scope = limits.get("type")
    scopes = {"Local": "local", "Global": "global"}
    used = [field for name, field in scopes.items() if scope in (None, name)]
    local = "local" in used and any(_limits(rule, table) for rule in part(limits, "local", "rules") or ())
    in_all = "global" in used and any(_limits(rule, table) for rule in part(limits, "global", "rules") or ())
    if local or (in_all and global_service):
        return
    if in_all:
        yield "a global rate limit needs a rate limit service in the values of Envoy Gateway (rateLimit.global)"
    else:
        yield f"no rule limits every request to at most {table.max_requests_per_minute} a minute (rateLimit)"


def _limits(rule: Spec, table: ExposureTable) -> bool:
    limit = rule.get("limit") or {}
    requests, unit = limit.get("requests") or 0, _PER_MINUTE.get(limit.get("unit") or "")
    if rule.get("clientSelectors") or rule.get("shadowMode") or rule.get("cost") or limit.get("fromMetadata"):
        return False
    return unit is not None and 0 < requests * unit <= table.max_requests_per_minute


def own_headers(spec: Spec, table: ExposureTable) -> Iterator[str]:
    """Yield why a ClientTrafficPolicy lets clients set what services take from the gateway."""
    removed = {str(name).lower() for name in part(spec, "headers", "earlyRequestHeaders", "remove") or ()}
    left = sorted(table.trusted_headers - removed)
    if left:
        yield f"clients can set {', '.join(left)} (headers.earlyRequestHeaders.remove)"
    # Without the field, Envoy Gateway unescapes the slashes and redirects.
    if part(spec, "path", "escapedSlashesAction") != "RejectRequest":
        yield "escaped slashes are not refused (path.escapedSlashesAction)"
    if part(spec, "headers", "requestID") != "Generate":
        yield "clients can choose the id of a request (headers.requestID)"


def token_headers(spec: Spec, table: ExposureTable) -> Iterator[str]:
    """Yield why services do not learn from the verified token who asks."""
    own = table.token_header
    for provider in part(spec, "jwt", "providers") or ():
        found = [(one.get("header"), one.get("claim")) for one in provider.get("claimToHeaders") or ()]
        if not found or not all(header == own.header and claim in own.claims for header, claim in found):
            claims = " or ".join(own.claims)
            yield f"{own.header} is not taken from {claims} alone (JWT provider {provider.get('name') or '?'})"
