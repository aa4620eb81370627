"""Authentication of applications, people and pods."""

from policy_pack.controls.rules import on, on_join
from policy_pack.facts.human_roles import person
from policy_pack.facts.iam.statements import statements
from policy_pack.stack.checks import About, Findings, between, expect, fault, given, guarded, yes
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    INFERENCE,
    ROLE,
    SECURITY_POLICY,
    VAULT_CONFIG,
    VAULT_JWT,
    VAULT_JWT_ROLE,
    VAULT_LOGIN,
    VAULT_ROLE,
)
from policy_pack.stack.pods import namespace
from policy_pack.stack.values import View

_REQUEST = "k8s:security.istio.io/RequestAuthentication"
_AUTHORIZATION = "k8s:security.istio.io/AuthorizationPolicy"
_ENFORCEMENT = "vault:identity/mfaLoginEnforcement:MfaLoginEnforcement"
_ALGORITHMS = {"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}
_PEOPLE_LOGINS = ("userpass", "ldap", "oidc", "okta", "radius")


@on_join("AUTH-01", INFERENCE)
def models_know_who_asks(service: Resource, about: About) -> Findings:
    """Ask for checked tokens, and a rule that names which application may call the model."""
    home = namespace(service).text()
    tokens = about.graph.where("metadata.namespace", home, _REQUEST)
    rules = about.graph.where("metadata.namespace", home, _AUTHORIZATION)
    gates = [policy for policy in about.graph.of(SECURITY_POLICY) if _serves(policy, service, about)]
    if not (any(_issuers(policy) for policy in tokens) or any(_providers(policy) for policy in gates)):
        yield fault("answers without a checked token (issuer, audience and keys)")
    if not (any(_names(policy) for policy in rules) or any(_authorizes(policy) for policy in gates)):
        yield fault("no rule names the applications that may call it")


@on("AUTH-01", _AUTHORIZATION)
def no_rule_allows_all(policy: Resource) -> Findings:
    """Refuse a rule that allows everything to everybody."""
    allows = policy.at("spec.action").value in (None, "ALLOW")
    if allows and any(rule.value == {} for rule in policy.at("spec.rules").items()):
        yield fault("allows everything to everybody", "spec.rules")


def _serves(policy: Resource, service: Resource, about: About) -> bool:
    """Return whether a gateway's policy is of the service's hospital."""
    return about.label(policy, "hospital") in (about.label(service, "hospital"), "shared")


def _issuers(policy: Resource) -> bool:
    rules = policy.at("spec.jwtRules").items()
    return bool(rules) and all(
        not rule.at(field).absent for rule in rules for field in ("issuer", "audiences", "jwksUri")
    )


def _providers(policy: Resource) -> bool:
    providers = policy.at("spec.jwt.providers").items()
    return bool(providers) and all(
        not provider.at(field).absent for provider in providers for field in ("issuer", "audiences", "remoteJWKS.uri")
    )


def _names(policy: Resource) -> bool:
    sources = [
        name.text()
        for rule in policy.at("spec.rules").items()
        for origin in rule.at("from").items()
        for field in ("principals", "requestPrincipals")
        for name in origin.at("source").key(field).items()
    ]
    return (
        policy.at("spec.action").value in (None, "ALLOW") and bool(sources) and not any("*" in name for name in sources)
    )


def _authorizes(policy: Resource) -> bool:
    rules = policy.at("spec.authorization.rules").items()
    named = all(not rule.at("principal.jwt.claims").absent for rule in rules)
    return policy.at("spec.authorization.defaultAction").text() == "Deny" and bool(rules) and named


@on("AUTH-02", ROLE)
def people_show_two_factors(role: Resource) -> Findings:
    """Ask for a second factor in the trust of every role that people take; single sign-on asks for it itself."""
    trust = role.at("assumeRolePolicy")
    for statement in statements(trust):
        tests = [values for operator, values in statement.tests("aws:MultiFactorAuthPresent") if operator == "Bool"]
        signed_on = statement.covers("sts:AssumeRoleWithSAML") and not statement.covers("sts:AssumeRole")
        if person(statement) and not signed_on and ("true",) not in tests:
            yield fault("people take it without a second factor", trust.path)


@on_join("AUTH-02", VAULT_LOGIN)
def vault_logins_show_two_factors(login: Resource, about: About) -> Findings:
    """Ask for MFA on every way in to Vault that people use."""
    kind = login.at("type").text()
    if kind not in _PEOPLE_LOGINS:
        return
    enforced = {
        item.text()
        for rule in about.graph.of(_ENFORCEMENT)
        for field in ("authMethodTypes", "authMethodAccessors")
        for item in rule.at(field).items()
    }
    if kind not in enforced and login.at("accessor").raw not in enforced:
        yield fault("people log in without a second factor (MfaLoginEnforcement)")


@on("AUTH-03", VAULT_CONFIG)
def pods_are_reviewed_by_their_own_token(config: Resource) -> Findings:
    """Refuse a standing token of Vault's own pod, and an issuer that is named but not checked."""
    yield from expect(
        config.at("disableLocalCaJwt"), yes, "Vault's own pod token reviews logins (disable_local_ca_jwt)"
    )
    if not config.at("issuer").absent and config.at("disableIssValidation").value is True:
        yield fault("names an issuer and does not check it", "disableIssValidation")


@on("AUTH-03", VAULT_ROLE)
def pod_tokens_have_an_audience(role: Resource) -> Findings:
    """Ask for the audience, so that a token made for another server opens nothing here."""
    yield from expect(role.at("audience"), given, "admits tokens for any audience")


@on("AUTH-03", VAULT_JWT)
def token_issuers_are_checked(login: Resource) -> Findings:
    """Ask for the issuer, and for asymmetric algorithms alone."""
    yield from expect(login.at("boundIssuer"), given, "admits tokens of any issuer")
    algorithms = login.at("jwtSupportedAlgs")
    yield from expect(algorithms, given, "does not limit algorithms")
    for algorithm in algorithms.items():
        yield from expect(algorithm, lambda name: name in _ALGORITHMS, "admits an algorithm without a public key")


@on("AUTH-03", VAULT_JWT_ROLE)
def token_audiences_are_checked(role: Resource) -> Findings:
    """Ask for the audience."""
    yield from expect(role.at("boundAudiences"), given, "admits tokens for any audience")


_LIMITS = {"minimumPasswordLength": (14, 128), "passwordReusePrevention": (24, 24), "maxPasswordAge": (1, 90)}
_LETTERS = ("requireSymbols", "requireNumbers", "requireUppercaseCharacters", "requireLowercaseCharacters")


@on("AUTH-04", "aws:iam/accountPasswordPolicy:AccountPasswordPolicy")
def passwords_are_long_and_change(policy: Resource) -> Findings:
    """Ask for 14 characters of every kind, 24 remembered, 90 days."""
    for field, (least, most) in _LIMITS.items():
        yield from expect(policy.at(field), between(least, most), f"{field} is not between {least} and {most}")
    for field in _LETTERS:
        yield from guarded(expect(View(policy.props).at(field), yes, f"{field} is not true"))
