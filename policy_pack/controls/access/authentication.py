"""Authentication of applications, people and pods."""

from policy_pack.controls.rules import join_check, resource_check
from policy_pack.facts.iam.conditions import requires_mfa
from policy_pack.facts.iam.documents import statements
from policy_pack.facts.iam.trust import allows_people, is_single_sign_on
from policy_pack.stack.checks import Findings, StackContext, between, expect, guarded, is_set, is_true, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    INFERENCE_SERVICE,
    ROLE,
    SECURITY_POLICY,
    VAULT_AUTH_METHOD,
    VAULT_JWT_AUTH,
    VAULT_JWT_ROLE,
    VAULT_KUBERNETES_CONFIG,
    VAULT_KUBERNETES_ROLE,
)
from policy_pack.stack.pods import namespace
from policy_pack.stack.values import View

_REQUEST = "k8s:security.istio.io/RequestAuthentication"
_AUTHORIZATION = "k8s:security.istio.io/AuthorizationPolicy"
_ENFORCEMENT = "vault:identity/mfaLoginEnforcement:MfaLoginEnforcement"
_ALGORITHMS = {"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}
_PEOPLE_AUTH_METHODS = ("userpass", "ldap", "oidc", "okta", "radius")


@join_check("AUTH-01", INFERENCE_SERVICE)
def models_authenticate_clients(service: Resource, context: StackContext) -> Findings:
    """Require JWT validation, and an authorization rule that names the client applications of the model."""
    namespace_name = namespace(service).text()
    tokens = context.graph.where("metadata.namespace", namespace_name, _REQUEST)
    rules = context.graph.where("metadata.namespace", namespace_name, _AUTHORIZATION)
    policies = [policy for policy in context.graph.of(SECURITY_POLICY) if _is_of_hospital(policy, service, context)]
    if not (any(_issuers(policy) for policy in tokens) or any(_providers(policy) for policy in policies)):
        yield violation("accepts requests without a validated JWT (issuer, audience and JWKS)")
    if not (any(_names_clients(policy) for policy in rules) or any(_authorizes(policy) for policy in policies)):
        yield violation("has no authorization rule that names its client applications")


@resource_check("AUTH-01", _AUTHORIZATION)
def no_policy_allows_every_request(policy: Resource) -> Findings:
    """Refuse an AuthorizationPolicy that allows every request."""
    allows = policy.at("spec.action").value in (None, "ALLOW")
    if allows and any(rule.value == {} for rule in policy.at("spec.rules").items()):
        yield violation("allows every request", "spec.rules")


def _is_of_hospital(policy: Resource, service: Resource, context: StackContext) -> bool:
    """Return whether a SecurityPolicy belongs to the service's hospital."""
    return context.label(policy, "hospital") in (context.label(service, "hospital"), "shared")


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


def _names_clients(policy: Resource) -> bool:
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
    names_claims = all(not rule.at("principal.jwt.claims").absent for rule in rules)
    return policy.at("spec.authorization.defaultAction").text() == "Deny" and bool(rules) and names_claims


@resource_check("AUTH-02", ROLE)
def people_use_mfa(role: Resource) -> Findings:
    """Require MFA in the trust policies of roles that people assume; with SAML, the identity provider requires it."""
    trust = role.at("assumeRolePolicy")
    for statement in statements(trust):
        if allows_people(statement) and not is_single_sign_on(statement) and not requires_mfa(statement):
            yield violation("people can assume it without MFA", trust.path)


@join_check("AUTH-02", VAULT_AUTH_METHOD)
def vault_logins_use_mfa(login: Resource, context: StackContext) -> Findings:
    """Require MFA for every auth method of Vault that people use."""
    method = login.at("type").text()
    if method not in _PEOPLE_AUTH_METHODS:
        return
    enforced = {
        item.text()
        for rule in context.graph.of(_ENFORCEMENT)
        for field in ("authMethodTypes", "authMethodAccessors")
        for item in rule.at(field).items()
    }
    if method not in enforced and login.at("accessor").raw not in enforced:
        yield violation("people can log in without MFA (MfaLoginEnforcement)")


@resource_check("AUTH-03", VAULT_KUBERNETES_CONFIG)
def tokens_are_reviewed_and_validated(config: Resource) -> Findings:
    """Refuse the token of Vault's own pod as reviewer, and an issuer that is set but not validated."""
    yield from expect(
        config.at("disableLocalCaJwt"),
        is_true,
        "reviews tokens with the token of Vault's own pod (disable_local_ca_jwt is not true)",
    )
    if not config.at("issuer").absent and config.at("disableIssValidation").value is True:
        yield violation("does not validate its issuer", "disableIssValidation")


@resource_check("AUTH-03", VAULT_KUBERNETES_ROLE)
def pod_tokens_have_an_audience(role: Resource) -> Findings:
    """Require an audience, so that a token for another server is not accepted."""
    yield from expect(role.at("audience"), is_set, "accepts tokens for any audience")


@resource_check("AUTH-03", VAULT_JWT_AUTH)
def token_issuers_are_checked(login: Resource) -> Findings:
    """Require an issuer, and asymmetric signing algorithms only."""
    yield from expect(login.at("boundIssuer"), is_set, "accepts tokens of any issuer")
    algorithms = login.at("jwtSupportedAlgs")
    yield from expect(algorithms, is_set, "does not limit the signing algorithms")
    for algorithm in algorithms.items():
        yield from expect(
            algorithm, lambda name: name in _ALGORITHMS, "accepts a signing algorithm that is not asymmetric"
        )


@resource_check("AUTH-03", VAULT_JWT_ROLE)
def token_audiences_are_checked(role: Resource) -> Findings:
    """Require an audience."""
    yield from expect(role.at("boundAudiences"), is_set, "accepts tokens for any audience")


_LIMITS = {"minimumPasswordLength": (14, 128), "passwordReusePrevention": (24, 24), "maxPasswordAge": (1, 90)}
_CHARACTER_KINDS = ("requireSymbols", "requireNumbers", "requireUppercaseCharacters", "requireLowercaseCharacters")


@resource_check("AUTH-04", "aws:iam/accountPasswordPolicy:AccountPasswordPolicy")
def password_policy_is_strong(policy: Resource) -> Findings:
    """Require 14 characters of every kind, a history of 24 passwords and a maximum age of 90 days."""
    for field, (minimum, maximum) in _LIMITS.items():
        yield from expect(
            policy.at(field), between(minimum, maximum), f"{field} is not between {minimum} and {maximum}"
        )
    for field in _CHARACTER_KINDS:
        yield from guarded(expect(View(policy.props).at(field), is_true, f"{field} is not true"))
