"""Trust policies of IAM roles: which ServiceAccounts, AWS services and people can assume each role."""

from collections import defaultdict

from policy_pack.facts.iam.conditions import requires_mfa
from policy_pack.facts.iam.documents import Statement, statements
from policy_pack.facts.principals import ANYONE, AWS_PRINCIPAL, NOBODY, Principal
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ROLE, ROLE_KEYS
from policy_pack.stack.text import known_text
from policy_pack.stack.values import NotKnownError, View

POD_IDENTITY_ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
POD_IDENTITY = ("Service", "pods.eks.amazonaws.com")
_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
_SAML = "sts:AssumeRoleWithSAML"
_ASSUME = ("sts:AssumeRole", _WEB_IDENTITY, _SAML)


def allows_people(statement: Statement) -> bool:
    """Return whether a statement of a trust policy allows people: accounts, users, or single sign-on by SAML."""
    if not statement.allows:
        return False
    by_account = statement.covers("sts:AssumeRole") and any(kind == "AWS" for kind, _ in statement.principals)
    return statement.covers(_SAML) or by_account


def is_single_sign_on(statement: Statement) -> bool:
    """Return whether a statement allows SAML single sign-on alone, where the identity provider requires MFA."""
    return statement.covers(_SAML) and not statement.covers("sts:AssumeRole")


def is_web_identity(statement: Statement) -> bool:
    """Return whether a statement allows tokens of an OIDC provider."""
    return statement.covers(_WEB_IDENTITY) and any(kind == "Federated" for kind, _ in statement.principals)


def is_assumed_by_people(trust_policy: View) -> bool:
    """Return whether people can assume the role of a trust policy."""
    return any(allows_people(statement) for statement in statements(trust_policy))


def service_account(trust_policy: View) -> tuple[str, str] | None:
    """Return (namespace, name) of the ServiceAccount in the ``sub`` condition of a trust policy."""
    for statement in statements(trust_policy):
        for _, values in statement.conditions_on(":sub"):
            for subject in values:
                account = _service_account(subject)
                if statement.allows and account:
                    return account
    return None


def _service_account(subject: str) -> tuple[str, str] | None:
    parts = subject.split(":")
    return (parts[2], parts[3]) if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4 else None


def role_principals(graph: Graph) -> dict[str, list[Principal]]:
    """Return by URN of a role the principals that can assume it."""
    pod_identities = defaultdict(list)
    for association in graph.of(POD_IDENTITY_ASSOCIATION):
        role = graph.target(association, "roleArn", (ROLE,), ROLE_KEYS)
        if role:
            namespace, name = known_text(association.at("namespace")), known_text(association.at("serviceAccount"))
            pod_identities[role.urn].append(Principal("ServiceAccount", f"{namespace}/{name}"))
    direct = {role.urn: set(_trusted(role, pod_identities[role.urn])) for role in graph.of(ROLE)}
    by_arn = {arn: role.urn for role in graph.of(ROLE) if (arn := known_text(role.at("arn")))}
    return {urn: sorted(_chained(urn, direct, by_arn, frozenset())) or [NOBODY] for urn in direct}


def _chained(
    urn: str, direct: dict[str, set[Principal]], by_arn: dict[str, str], seen: frozenset[str]
) -> set[Principal]:
    """Return the principals of a role; with role chaining, the principals of the role that can assume it."""
    principals: set[Principal] = set()
    for principal in direct[urn]:
        other = by_arn.get(principal.name) if principal.kind == AWS_PRINCIPAL else None
        if other is None:
            principals.add(principal)
        elif other not in seen:
            principals |= _chained(other, direct, by_arn, seen | {urn})
    return principals


def _trusted(role: Resource, pod_identities: list[Principal]) -> list[Principal]:
    try:
        trust_policy = statements(role.at("assumeRolePolicy"))
    except (NotKnownError, ValueError, AttributeError):
        return [Principal("unknown", "(the trust policy is not in the state)")]
    principals: list[Principal] = []
    for statement in trust_policy:
        if statement.allows and statement.covers_any(_ASSUME):
            for pair in statement.principals:
                principals += pod_identities if pair == POD_IDENTITY else _principals(*pair, statement)
            if "Principal" in statement.negated:
                principals.append(Principal("anyone", "except the NotPrincipal of the trust policy"))
    return principals


def _principals(kind: str, value: str, statement: Statement) -> list[Principal]:
    if value == "*":
        return [ANYONE]
    if kind == "Federated":
        conditions = statement.conditions_on(":sub")
        subjects = [subject for operator, values in conditions if "Not" not in operator for subject in values]
        accounts = [_token_subject(subject) for subject in subjects]
        return accounts or [Principal("anyone", f"of {value.rpartition('/')[2] or value}")]
    if kind == "Service":
        return [Principal("AWS service", value)]
    if value.endswith(":root") or value.isdigit():
        account = value if value.isdigit() else value.split(":")[4]
        guard = "with MFA" if requires_mfa(statement) else "that its policies allow"
        return [Principal("people", f"of account {account} {guard}")]
    return [Principal(AWS_PRINCIPAL, value)]


def _token_subject(subject: str) -> Principal:
    account = _service_account(subject)
    return Principal("ServiceAccount", "/".join(account)) if account else Principal("token subject", subject)
