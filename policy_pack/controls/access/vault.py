"""Tokens of Vault, the break-glass role, and the length of sessions."""

from policy_pack.controls.rules import join_check, resource_check, stack_check
from policy_pack.facts.iam.conditions import requires_mfa
from policy_pack.facts.iam.documents import statements
from policy_pack.facts.iam.trust import is_assumed_by_people
from policy_pack.facts.postgres.logins import ROLE as DATABASE_ROLE
from policy_pack.facts.vault.policies import unreadable
from policy_pack.stack.checks import Findings, StackContext, between, expect, guarded, not_yet_known, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    ROLE,
    VAULT_AUTH_METHOD,
    VAULT_JWT_ROLE,
    VAULT_KUBERNETES_ROLE,
    VAULT_POLICY,
)
from policy_pack.stack.values import NotKnownError

_MAX_SECONDS, _INTERACTIVE_SECONDS = 3600, 900
_INTERACTIVE_METHODS = ("userpass", "ldap", "oidc", "jwt", "okta", "radius")
QUOTA = "vault:index/quotaRateLimit:QuotaRateLimit"


@resource_check("AC-12", VAULT_KUBERNETES_ROLE)
def vault_tokens_expire(role: Resource) -> Findings:
    """Require a token TTL."""
    yield from expect(role.at("tokenTtl"), between(1, _MAX_SECONDS), "token_ttl is not between 1 s and 1 h")


@resource_check("AC-12", VAULT_POLICY)
def vault_policies_can_be_read(policy: Resource) -> Findings:
    """Refuse the text of a policy that is not understood as a whole, so that nobody knows what it grants."""
    text = policy.at("policy")
    reason = unreadable(text)
    if reason:
        message = f"its text is no policy that the pack understands ({reason}); write path blocks with capabilities"
        yield violation(message, text.path)


# --- break glass -------------------------------------------------------------------------------------
@stack_check("AC-15")
def there_is_one_break_glass_role(context: StackContext) -> Findings:
    """Require exactly one break-glass role, with a short session, MFA and an alarm."""
    if not context.graph.uses("aws"):
        return
    roles, unknown_findings = [], []
    for role in context.graph.of(ROLE):
        try:
            if context.label(role, "break-glass") == "true":
                roles.append(role)
        except NotKnownError as unknown:
            unknown_findings.append(not_yet_known(unknown.path, role))
    yield from unknown_findings
    if len(roles) > 1 or not (roles or unknown_findings):
        yield violation(f"declares {len(roles)} break-glass roles (tag break-glass: true) instead of one")
    for role in roles:
        yield from guarded(_break_glass(role, context), resource=role)


def _break_glass(role: Resource, context: StackContext) -> Findings:
    yield from expect(
        role.at("maxSessionDuration"),
        lambda value: value is None or value <= _MAX_SECONDS,
        "its maximum session duration is over 1 h",
    )
    trust = role.at("assumeRolePolicy")
    for statement in statements(trust):
        if statement.allows and not requires_mfa(statement):
            yield violation("can be assumed without MFA", trust.path)
    name = role.at("name").text() or role.name
    if not any(_is_alarm_for(source, name) for source in context.graph.of(*_ALARM_SOURCES)):
        yield violation("has no alarm on its use (an event rule or metric filter for AssumeRole with its name)")


_ALARM_SOURCES = ("aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/logMetricFilter:LogMetricFilter")


def _is_alarm_for(source: Resource, role: str) -> bool:
    pattern = source.at("eventPattern") if "eventRule" in source.kind else source.at("pattern")
    text = pattern.text()
    return "AssumeRole" in text and role in text


# --- sessions ----------------------------------------------------------------------------------------
@resource_check("AC-16", VAULT_KUBERNETES_ROLE, VAULT_JWT_ROLE)
def vault_tokens_have_a_maximum_ttl(role: Resource) -> Findings:
    """Require a maximum TTL of tokens, and a short TTL for interactive logins."""
    yield from expect(role.at("tokenMaxTtl"), between(1, _MAX_SECONDS), "token_max_ttl is not between 1 s and 1 h")
    yield from expect(role.at("tokenPeriod"), lambda value: not value, "token_period lets a token be renewed forever")
    if role.kind == VAULT_JWT_ROLE and role.at("roleType").text() in ("", "oidc"):
        yield from expect(
            role.at("tokenTtl"), between(1, _INTERACTIVE_SECONDS), "token_ttl of interactive logins is over 15 min"
        )


@resource_check("AC-16", DATABASE_ROLE)
def database_credentials_expire(role: Resource) -> Findings:
    """Require a maximum TTL of database credentials."""
    yield from expect(role.at("maxTtl"), between(1, _MAX_SECONDS), "max_ttl of credentials is not between 1 s and 1 h")


@resource_check("AC-16", DATABASE_ROLE)
def database_sessions_end_with_their_lease(role: Resource) -> Findings:
    """Require that the end of a lease ends the open sessions of its login, and removes the login."""
    ends = " ".join(str(one) for one in role.at("revocationStatements").whole() or ())
    for statement, what in (("pg_terminate_backend", "open sessions"), ("DROP ROLE", "login")):
        if statement not in ends:
            message = f"leaves the {what} after a lease; add {statement} to revocationStatements"
            yield violation(message, "revocationStatements")


@resource_check("AC-16", ROLE)
def sessions_of_people_are_short(role: Resource) -> Findings:
    """Require that sessions of people last at most one hour."""
    if is_assumed_by_people(role.at("assumeRolePolicy")):
        yield from expect(
            role.at("maxSessionDuration"),
            lambda value: value is None or value <= _MAX_SECONDS,
            "sessions of people can last over 1 h",
        )


@join_check("AC-17", VAULT_AUTH_METHOD)
def login_attempts_are_limited(login: Resource, context: StackContext) -> Findings:
    """Require a rate limit quota for every auth method that people use."""
    if login.at("type").text() not in _INTERACTIVE_METHODS:
        return
    path = f"auth/{login.at('path').text() or login.at('type').text()}"
    limits = [quota.at("path").text().rstrip("/") for quota in context.graph.of(QUOTA)]
    if not any(not limit or path.startswith(limit) for limit in limits):
        yield violation("has no rate limit quota for login attempts")
