"""Principals that can assume each role: ServiceAccounts by token or Pod Identity, AWS services, people and others."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from policy_pack.facts.iam.callers import FOREIGN_ACCOUNT, account_of, caller, own_account
from policy_pack.facts.iam.conditions import Outcome, evaluate, requires_mfa
from policy_pack.facts.iam.documents import Statement, statements
from policy_pack.facts.iam.trust import POD_IDENTITY, subject_account
from policy_pack.facts.principals import (
    ANOTHER_ACCOUNT,
    ANYONE,
    AWS_PRINCIPAL,
    AWS_SERVICE,
    NOBODY,
    OTHERS,
    PEOPLE,
    SERVICE_ACCOUNT,
    TOKEN_SUBJECT,
    UNKNOWN_TRUST,
    Principal,
)
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import EKS, ROLE, ROLE_KEYS
from policy_pack.stack.text import known_text
from policy_pack.stack.values import NotKnownError, View

POD_IDENTITY_ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
ANOTHER_ROLE = "role/another-principal"
"""The path of the ARN of a principal that no policy names."""
_ASSUME = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML")


@dataclass(frozen=True, order=True)
class Assumption:
    """A principal that can assume a role, and the steps from it to the role, as text."""

    principal: Principal
    path: tuple[str, ...]
    known: bool = field(default=True, compare=False)


class Assumptions:
    """The principals of every role of a stack."""

    def __init__(self, graph: Graph) -> None:
        self.account = own_account(graph)
        self._providers = {known_text(one.at("arn")): _host(one.at("url")) for one in graph.of(OIDC_PROVIDER)}
        self._cluster_providers = _cluster_providers(graph)
        self._pods = _pod_identities(graph)
        direct = {role.urn: list(self._trusted(role)) for role in graph.of(ROLE)}
        by_arn = {arn: role for role in graph.of(ROLE) if (arn := known_text(role.at("arn")))}
        self._by_role = {role.urn: _chained(role, direct, by_arn, frozenset()) for role in graph.of(ROLE)}

    def of(self, role: Resource) -> list[Assumption]:
        """Return who can assume a role."""
        return self._by_role[role.urn]

    def principals(self, role: Resource) -> list[Principal]:
        """Return the principals of a role, for a reader."""
        return sorted({one.principal for one in self.of(role)}) or [NOBODY]

    def _trusted(self, role: Resource) -> Iterator[Assumption]:
        view = role.at("assumeRolePolicy")
        try:
            trust_policy = statements(view)
        except (NotKnownError, ValueError, AttributeError, TypeError) as error:
            known = not isinstance(error, NotKnownError)
            yield Assumption(UNKNOWN_TRUST, (f"role {role.name} (its trust policy cannot be read)",), known)
            return
        for statement in trust_policy:
            if statement.allows and statement.covers_any(_ASSUME):
                path = (f"role {role.name} (trust policy, statement {statement.label})",)
                for principal in self._of_statement(statement, role):
                    yield Assumption(principal, path)

    def _of_statement(self, statement: Statement, role: Resource) -> Iterator[Principal]:
        if "Principal" in statement.negated:
            yield from self._everyone(statement)
            return
        for kind, value in statement.principals:
            if (kind, value) == POD_IDENTITY:
                yield from self._pods[role.urn]
            elif value == "*":
                yield from self._everyone(statement)
            elif kind == "Federated":
                yield from self._federated(value, statement)
            elif kind == "Service":
                yield Principal(AWS_SERVICE, value)
            else:
                yield from self._of_aws(value, statement)

    def _everyone(self, statement: Statement) -> Iterator[Principal]:
        """Return everyone that meets the conditions of a statement."""
        foreign = caller(f"arn:aws:iam::{FOREIGN_ACCOUNT}:{ANOTHER_ROLE}")
        if evaluate(statement, foreign.context) is not Outcome.NOT_MET:
            yield ANYONE
        yield from self._of_own_account(statement)

    def _of_aws(self, value: str, statement: Statement) -> Iterator[Principal]:
        account = account_of(value)
        whole = value.isdigit() or value.endswith(":root")
        if self.account and account != self.account:
            by = caller(value if not whole else f"arn:aws:iam::{account}:{ANOTHER_ROLE}")
            if evaluate(statement, by.context) is not Outcome.NOT_MET:
                yield Principal(ANOTHER_ACCOUNT, value)
        elif whole:
            yield from self._of_own_account(statement)
        elif evaluate(statement, caller(value).context) is not Outcome.NOT_MET:
            yield Principal(AWS_PRINCIPAL, value)

    def _of_own_account(self, statement: Statement) -> Iterator[Principal]:
        """Return the principals of the account that its own policies allow to assume a role."""
        if requires_mfa(statement):
            yield Principal(PEOPLE, f"of account {self.account} with MFA")
            return
        by = caller(f"arn:aws:iam::{self.account}:{ANOTHER_ROLE}")
        if evaluate(statement, by.context) is not Outcome.NOT_MET:
            yield OTHERS
        for _, values in statement.conditions_on("aws:PrincipalArn"):
            yield from (Principal(AWS_PRINCIPAL, value) for value in values)

    def _federated(self, provider: str, statement: Statement) -> Iterator[Principal]:
        if ":saml-provider/" in provider:
            own = account_of(provider) == self.account
            yield Principal(PEOPLE, f"of {provider.rpartition('/')[2]}") if own else ANYONE
            return
        subjects = self._subjects(provider, statement)
        if subjects is None:
            yield Principal("anyone", f"of {provider.rpartition('/')[2] or provider}")
        for subject in subjects or ():
            account = subject_account(subject)
            if account and (provider in self._cluster_providers or not self._providers):
                yield Principal(SERVICE_ACCOUNT, "/".join(account))
            else:
                yield Principal(TOKEN_SUBJECT, f"{subject} of {provider.rpartition('/')[2]}")

    def _subjects(self, provider: str, statement: Statement) -> tuple[str, ...] | None:
        """Return the subjects that the conditions of a statement allow; None is any subject.

        Conditions that exclude subjects restrict too little to count. A condition on the claim of another issuer is
        about a key that the request has not: operators that then hold do not restrict either.
        """
        issuer = self._providers.get(provider) or provider.partition(":oidc-provider/")[2]
        found: list[tuple[str, ...]] = []
        for operator, key, values in statement.conditions:
            quantifier, _, name = operator.rpartition(":")
            restricts = name.removesuffix("IfExists") in ("StringEquals", "StringLike", "StringEqualsIgnoreCase")
            absent_holds = name.endswith("IfExists") or quantifier == "ForAllValues"
            own_key = not issuer or key.lower() == f"{issuer}:sub".lower()
            if key.lower().endswith(":sub") and restricts and (own_key or not absent_holds):
                exact = name.removesuffix("IfExists") == "StringEquals"
                found.append(tuple(values if not exact else (_literal(value) for value in values)))
        return min(found, key=_width) if found else None


def _cluster_providers(graph: Graph) -> frozenset[str]:
    """Return the ARNs of the OIDC providers whose tokens are those of the cluster's ServiceAccounts.

    A stack that declares no cluster may have one provider; of several, none is known to be the cluster's.
    """
    providers, clusters = graph.of(OIDC_PROVIDER), graph.of(EKS)
    if not clusters:
        return frozenset(known_text(one.at("arn")) for one in providers) if len(providers) == 1 else frozenset()
    urns = {cluster.urn for cluster in clusters}
    issuers = {
        issuer
        for cluster in clusters
        for identity in cluster.at("identities").items()
        for oidc in identity.at("oidcs").items()
        if (issuer := _host(oidc.at("issuer")))
    }
    return frozenset(
        known_text(one.at("arn"))
        for one in providers
        if (
            _host(one.at("url")) in issuers
            if issuers and _host(one.at("url"))
            else urns & set(one.depends.get("url", ()))
        )
    )


def _host(view: View) -> str:
    return known_text(view).removeprefix("https://")


def _literal(value: str) -> str:
    """Return a subject of StringEquals, in which ``*`` is no wildcard and so names nobody."""
    return value.replace("*", "(*)")


def _width(subjects: tuple[str, ...]) -> tuple[int, int]:
    return sum(1 for subject in subjects if "*" in subject or "?" in subject), len(subjects)


def _pod_identities(graph: Graph) -> Mapping[str, list[Principal]]:
    pods: dict[str, list[Principal]] = defaultdict(list)
    for association in graph.of(POD_IDENTITY_ASSOCIATION):
        role = graph.target(association, "roleArn", (ROLE,), ROLE_KEYS)
        if role:
            namespace, name = known_text(association.at("namespace")), known_text(association.at("serviceAccount"))
            pods[role.urn].append(Principal(SERVICE_ACCOUNT, f"{namespace or '*'}/{name or '*'}"))
    return pods


def _chained(
    role: Resource, direct: dict[str, list[Assumption]], by_arn: dict[str, Resource], seen: frozenset[str]
) -> list[Assumption]:
    """Return who can assume a role; with role chaining, also who can assume a role that can assume it."""
    found: set[Assumption] = set()
    for one in direct[role.urn]:
        other = by_arn.get(one.principal.name) if one.principal.kind == AWS_PRINCIPAL else None
        if other is None:
            found.add(one)
        elif other.urn not in seen:
            before = _chained(other, direct, by_arn, seen | {role.urn})
            found |= {Assumption(step.principal, (*step.path, *one.path), step.known) for step in before}
    return sorted(found)


def role_principals(graph: Graph) -> dict[str, list[Principal]]:
    """Return by URN of a role the principals that can assume it."""
    assumptions = Assumptions(graph)
    return {role.urn: assumptions.principals(role) for role in graph.of(ROLE)}
