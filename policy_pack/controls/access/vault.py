"""Access in Vault, and how long any session lasts."""

from policy_pack.controls.rules import on, on_join, on_stack
from policy_pack.facts.human_roles import taken_by_people
from policy_pack.facts.iam.statements import statements
from policy_pack.facts.vault_policies import paths
from policy_pack.facts.zone_table import SHARED
from policy_pack.stack.checks import About, Findings, between, expect, fault, given, guarded, later
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    NAMESPACE,
    ROLE,
    VAULT_JWT_ROLE,
    VAULT_LOGIN,
    VAULT_POLICY,
    VAULT_ROLE,
)
from policy_pack.stack.values import NotKnownError, View

_API_SECONDS, _SCREEN_SECONDS = 3600, 900
_INTERACTIVE = ("userpass", "ldap", "oidc", "jwt", "okta", "radius")
QUOTA = "vault:index/quotaRateLimit:QuotaRateLimit"


@on("AC-12", VAULT_POLICY)
def vault_policies_name_paths(policy: Resource) -> Findings:
    """Refuse sudo, and paths that reach across mounts."""
    document = policy.at("policy")
    for path, capabilities in paths(document):
        if "sudo" in capabilities:
            yield fault(f"allows sudo on {path}", document.path)
        if path.startswith(("*", "+")) or path in ("secret/*", "sys/*") or not path:
            yield fault(f"reaches every path {path}", document.path)


@on("AC-12", VAULT_ROLE)
def vault_roles_bind_names(role: Resource) -> Findings:
    """Ask for exact ServiceAccounts and namespaces, and a limited token."""
    for field in ("boundServiceAccountNames", "boundServiceAccountNamespaces"):
        yield from expect(
            role.at(field),
            lambda names: given(names) and not any("*" in name for name in names),
            f"{field} names no one",
        )
    yield from expect(role.at("tokenTtl"), between(1, _API_SECONDS), "token_ttl is not between 1 s and 1 h")
    yield from expect(role.at("tokenPolicies"), lambda names: not names or "root" not in names, "gives the root policy")


@on_join("AC-12", VAULT_ROLE)
def vault_roles_reach_their_hospital(role: Resource, about: About) -> Findings:
    """Ask that every path of a role's policies lies below the hospital of its namespaces.

    A part of the platform, such as cert-manager, works for many: what it may do for one has that one's name in front.
    """
    for namespace in role.at("boundServiceAccountNamespaces").items():
        yield from guarded(_reach(role, namespace, about), namespace.path)


def _reach(role: Resource, namespace: View, about: About) -> Findings:
    homes = about.graph.where("metadata.name", namespace.text(), NAMESPACE)
    hospital = about.label(homes[0], "hospital") if homes else ""
    if hospital == SHARED:
        called = role.at("roleName").text()
        names: list[str] = about.graph.memo("hospitals", lambda _: _hospitals(about))
        hospital = next((name for name in names if called.startswith(f"{name}-")), "")
    if not hospital:
        yield fault(f"is bound to namespace {namespace.text()}, which is no hospital's of this stack", namespace.path)
        return
    for name in role.at("tokenPolicies").items():
        yield from guarded(_below(name, hospital, role, about), name.path)


def _hospitals(about: About) -> list[str]:
    """Return the hospitals of the stack, the longest names first: one may begin like another."""
    found = {about.label(home, "hospital") for home in about.graph.of(NAMESPACE)} - {"", SHARED}
    return sorted(found, key=len, reverse=True)


def _below(name: View, hospital: str, role: Resource, about: About) -> Findings:
    if name.known:
        policy = next(iter(about.graph.where("name", name.text(), VAULT_POLICY)), None)
    else:
        policy = about.graph.target(role, "tokenPolicies", (VAULT_POLICY,), ("name", "id"))
        if policy is None:
            yield later(name.path)
            return
    if policy is None:
        if name.value != "default":
            yield fault(f"has policy {name.text()}, which this stack does not declare", name.path)
        return
    for path, _ in paths(policy.at("policy")):
        if not path.startswith(f"{hospital}/"):
            yield fault(f"reaches {path} by policy {policy.name}, outside of hospital {hospital}", name.path)


# --- the way in when everything else fails -----------------------------------------------------------
@on_stack("AC-15")
def one_break_glass_role(about: About) -> Findings:
    """Ask for exactly one break-glass role, with a short session, MFA and an alarm."""
    if not about.graph.uses("aws"):
        return
    found, unclear = [], []
    for role in about.graph.of(ROLE):
        try:
            if about.label(role, "break-glass") == "true":
                found.append(role)
        except NotKnownError as unknown:
            unclear.append(later(unknown.path, role))
    yield from unclear
    if len(found) > 1 or not (found or unclear):
        yield fault(f"declares {len(found)} break-glass roles (tag break-glass: true) and not exactly one")
    for role in found:
        yield from guarded(_break_glass(role, about), resource=role)


def _break_glass(role: Resource, about: About) -> Findings:
    yield from expect(
        role.at("maxSessionDuration"), lambda value: value is None or value <= _API_SECONDS, "its session is over 1 h"
    )
    trust = role.at("assumeRolePolicy")
    for statement in statements(trust):
        tests = [values for _, values in statement.tests("aws:MultiFactorAuthPresent")]
        if statement.allows and ("true",) not in tests:
            yield fault("can be taken without a second factor", trust.path)
    name = role.at("name").text() or role.name
    if not any(_watches(watcher, name) for watcher in about.graph.of(*_WATCHERS)):
        yield fault("has no alarm on its use (an event rule or metric filter on AssumeRole that names it)")


_WATCHERS = ("aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/logMetricFilter:LogMetricFilter")


def _watches(watcher: Resource, role: str) -> bool:
    pattern = watcher.at("eventPattern") if "eventRule" in watcher.kind else watcher.at("pattern")
    text = pattern.text()
    return "AssumeRole" in text and role in text


# --- how long a session lasts -----------------------------------------------------------------------
@on("AC-16", VAULT_ROLE, VAULT_JWT_ROLE)
def vault_tokens_end(role: Resource) -> Findings:
    """Ask for a largest age of tokens, and a short one for logins at a screen."""
    yield from expect(role.at("tokenMaxTtl"), between(1, _API_SECONDS), "token_max_ttl is not between 1 s and 1 h")
    if role.kind == VAULT_JWT_ROLE and role.at("roleType").text() in ("", "oidc"):
        yield from expect(role.at("tokenTtl"), between(1, _SCREEN_SECONDS), "a login at a screen lasts over 15 min")


@on("AC-16", ROLE)
def human_sessions_end(role: Resource) -> Findings:
    """Ask that sessions of people end within the hour."""
    if taken_by_people(role.at("assumeRolePolicy")):
        yield from expect(
            role.at("maxSessionDuration"),
            lambda value: value is None or value <= _API_SECONDS,
            "people keep a session for more than 1 h",
        )


@on_join("AC-17", VAULT_LOGIN)
def logins_are_limited(login: Resource, about: About) -> Findings:
    """Ask for a rate limit over every way in that people use."""
    if login.at("type").text() not in _INTERACTIVE:
        return
    path = f"auth/{login.at('path').text() or login.at('type').text()}"
    limits = [quota.at("path").text().rstrip("/") for quota in about.graph.of(QUOTA)]
    if not any(not limit or path.startswith(limit) for limit in limits):
        yield fault("takes any number of login attempts")
