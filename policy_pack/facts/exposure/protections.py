"""Protections that the objects of a gateway put into effect: each function yields the reasons why one is not.

The meaning of the fields is that of Envoy Gateway 1.9 and of the Gateway API 1.6. A value that is not described here
counts as no protection.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from policy_pack.facts.exposure.table import ExposureTable
from policy_pack.stack.external_endpoints import TokenSettings
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
_STANDARD_STREAMS = ("/dev/stdout", "/dev/stderr")
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


def token_validation(spec: Spec, tokens: TokenSettings | None = None) -> Iterator[str]:
    """Yield why a SecurityPolicy does not validate issuer, audience and signature of a JWT on every request.

    Where the stack's configuration has the tokens of its gateways, only those are valid.
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
        yield from (f"{gap} (JWT provider {name})" for gap in _provider(provider, tokens))


def _provider(provider: Spec, tokens: TokenSettings | None) -> Iterator[str]:
    issuer, audiences = provider.get("issuer"), list(provider.get("audiences") or ())
    if not issuer:
        yield "the issuer is not validated"
    if not audiences or not all(audiences):
        yield "the audience is not validated"
    if not _has_keys(provider):
        yield "the signing keys do not come from an https URL or from the cluster"
    if tokens is None:
        return
    if issuer != tokens.issuer:
        yield "the issuer is not the one of the stack's configuration"
    if audiences != [tokens.audience]:
        yield "the audience is not the one of the stack's configuration"
    if part(provider, "remoteJWKS", "uri") != tokens.keys:
        yield "the signing keys are not those of the stack's configuration"


def _has_keys(provider: Spec) -> bool:
    remote = part(provider, "remoteJWKS", "uri")
    if remote is not None:
        return str(remote).startswith(_HTTPS)
    local = provider.get("localJWKS") or {}
    return bool(local.get("inline") or part(local, "valueRef", "name"))


def authorization(spec: Spec, applications: Collection[str] | None = None) -> Iterator[str]:
    """Yield why a SecurityPolicy allows requests that no claim of a token names, or those of other applications."""
    rules = spec.get("authorization")
    if rules is None:
        yield "every request with a token is allowed (authorization)"
        return
    if (rules.get("defaultAction") or "Deny") != "Deny":
        yield "requests that no rule names are allowed (authorization.defaultAction)"
    providers = {provider.get("name") for provider in part(spec, "jwt", "providers") or ()}
    for number, rule in enumerate(rules.get("rules") or ()):
        if rule.get("action") == "Deny":
            continue
        principal = part(rule, "principal", "jwt") or {}
        claims = principal.get("claims") or ()
        if principal.get("provider") not in providers or not any(_names_values(claim) for claim in claims):
            yield f"a rule allows requests by something other than a claim of the token (authorization.rules[{number}])"
        elif applications is not None and not any(
            set(claim.get("values") or ()) <= set(applications) for claim in claims
        ):
            yield f"a rule allows other applications than the hospital's (authorization.rules[{number}])"


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


def access_log(spec: Spec, table: ExposureTable) -> Iterator[str]:
    """Yield why an EnvoyProxy does not record every request."""
    log = part(spec, "telemetry", "accessLog") or {}
    if log.get("disable"):
        yield "the access log is disabled (telemetry.accessLog.disable)"
        return
    settings = log.get("settings") or ()
    complete = [setting for setting in settings if _records_all(setting)]
    if not complete:
        yield "no access log of every request goes to the standard output (telemetry.accessLog.settings)"
        return
    texts = [_logged(View(setting.get("format")).whole() or {}) for setting in complete]
    missing = [word for word in table.record_contains if not any(word in text for text in texts)]
    if missing:
        yield f"the access log does not contain {', '.join(missing)} (telemetry.accessLog.settings)"


def _logged(log_format: Spec) -> str:
    """Return the format of a log, in the field that its type names."""
    field = {"JSON": "json", "Text": "text"}.get(log_format.get("type") or "", "")
    return str(log_format.get(field) or "")


def _records_all(setting: Spec) -> bool:
    sinks = [part(sink, "file", "path") for sink in setting.get("sinks") or () if sink.get("type") == "File"]
    everything = not setting.get("matches") and setting.get("type") in (None, "Route")
    return everything and any(path in _STANDARD_STREAMS for path in sinks)
