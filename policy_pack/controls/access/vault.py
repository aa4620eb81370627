"""Vault policies and auth roles, the break-glass role, and the length of sessions."""

from policy_pack.controls.rules import join_check, resource_check, stack_check
from policy_pack.facts.iam.conditions import requires_mfa
from policy_pack.facts.iam.documents import statements
from policy_pack.facts.iam.trust import is_assumed_by_people
from policy_pack.facts.vault.policies import policy_paths
from policy_pack.facts.zone_table import SHARED
from policy_pack.stack.checks import Findings, StackContext, between, expect, guarded, is_set, not_yet_known, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    NAMESPACE,
    ROLE,
    VAULT_AUTH_METHOD,
    VAULT_JWT_ROLE,
    VAULT_KUBERNETES_ROLE,
    VAULT_POLICY,
)
from policy_pack.stack.values import NotKnownError, View

_MAX_SECONDS, _INTERACTIVE_SECONDS = 3600, 900
_INTERACTIVE_METHODS = ("userpass", "ldap", "oidc", "jwt", "okta", "radius")
QUOTA = "vault:index/quotaRateLimit:QuotaRateLimit"


@resource_check("AC-12", VAULT_POLICY)
def vault_policies_are_limited_to_mounts(policy: Resource) -> Findings:
    """Refuse sudo, and paths that are not limited to a mount."""
    document = policy.at("policy")
    for path, capabilities in policy_paths(document):
        if "sudo" in capabilities:
            yield violation(f"allows sudo on {path}", document.path)
        if path.startswith(("*", "+")) or path in ("secret/*", "sys/*") or not path:
            yield violation(f"has the path {path}, which is not limited to a mount", document.path)


@resource_check("AC-12", VAULT_KUBERNETES_ROLE)
def vault_roles_bind_exact_accounts(role: Resource) -> Findings:
    """Require exact ServiceAccounts and namespaces, and a token TTL."""
    for field in ("boundServiceAccountNames", "boundServiceAccountNamespaces"):
        yield from expect(
            role.at(field),
            lambda names: is_set(names) and not any("*" in name for name in names),
            f"{field} is empty or has a wildcard",
        )
    yield from expect(role.at("tokenTtl"), between(1, _MAX_SECONDS), "token_ttl is not between 1 s and 1 h")
    yield from expect(role.at("tokenPolicies"), lambda names: not names or "root" not in names, "has the root policy")


@join_check("AC-12", VAULT_KUBERNETES_ROLE)
def vault_roles_stay_in_their_hospital(role: Resource, context: StackContext) -> Findings:
    """Require that every path of a role's policies is below the hospital of its namespaces.

    A role of the platform, such as cert-manager's, has the name of its hospital as a prefix.
    """
    for namespace in role.at("boundServiceAccountNamespaces").items():
        yield from guarded(_policies_below_hospital(role, namespace, context), namespace.path)


def _policies_below_hospital(role: Resource, namespace: View, context: StackContext) -> Findings:
    namespaces = context.graph.where("metadata.name", namespace.text(), NAMESPACE)
    hospital = context.label(namespaces[0], "hospital") if namespaces else ""
    if hospital == SHARED:
        role_name = role.at("roleName").text()
        names: list[str] = context.graph.memo("hospitals", lambda _: _hospitals(context))
        hospital = next((name for name in names if role_name.startswith(f"{name}-")), "")
    if not hospital:
        yield violation(
            f"is bound to namespace {namespace.text()}, which belongs to no hospital of this stack", namespace.path
        )
        return
    for name in role.at("tokenPolicies").items():
        yield from guarded(_policy_below_hospital(name, hospital, role, context), name.path)


def _hospitals(context: StackContext) -> list[str]:
    """Return the hospitals of the stack, longest names first: the name of one may begin with another."""
    roles = {context.label(namespace_resource, "hospital") for namespace_resource in context.graph.of(NAMESPACE)} - {
        "",
        SHARED,
    }
    return sorted(roles, key=len, reverse=True)


def _policy_below_hospital(name: View, hospital: str, role: Resource, context: StackContext) -> Findings:
    if name.known:
        policy = next(iter(context.graph.where("name", name.text(), VAULT_POLICY)), None)
    else:
        policy = context.graph.target(role, "tokenPolicies", (VAULT_POLICY,), ("name", "id"))
        if policy is None:
            yield not_yet_known(name.path)
            return
    if policy is None:
        if name.value != "default":
            yield violation(f"has the policy {name.text()}, which this stack does not declare", name.path)
        return
    for path, _ in policy_paths(policy.at("policy")):
        if not path.startswith(f"{hospital}/"):
            yield violation(f"has access to {path} by policy {policy.name}, outside hospital {hospital}", name.path)


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
    if role.kind == VAULT_JWT_ROLE and role.at("roleType").text() in ("", "oidc"):
        yield from expect(
            role.at("tokenTtl"), between(1, _INTERACTIVE_SECONDS), "token_ttl of interactive logins is over 15 min"
        )


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
