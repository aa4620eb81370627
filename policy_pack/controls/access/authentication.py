"""Authentication of people and pods; entry_points authenticates the applications that request predictions."""

from policy_pack.controls.rules import join_check, resource_check
from policy_pack.facts.iam.conditions import requires_mfa
from policy_pack.facts.iam.documents import statements
from policy_pack.facts.iam.trust import allows_people, is_single_sign_on
from policy_pack.stack.checks import Findings, StackContext, between, expect, guarded, is_set, is_true, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    ROLE,
    VAULT_AUTH_METHOD,
    VAULT_JWT_AUTH,
    VAULT_JWT_ROLE,
    VAULT_KUBERNETES_CONFIG,
    VAULT_KUBERNETES_ROLE,
)
from policy_pack.stack.values import View

_ENFORCEMENT = "vault:identity/mfaLoginEnforcement:MfaLoginEnforcement"
_ALGORITHMS = {"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}
_PEOPLE_AUTH_METHODS = ("userpass", "ldap", "oidc", "okta", "radius")


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
