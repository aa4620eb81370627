"""Who may take a role: ServiceAccounts, services of AWS, and people."""

from collections import defaultdict
from dataclasses import dataclass

from policy_pack.facts.iam.statements import Statement, statements
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ROLE, ROLE_KEYS
from policy_pack.stack.text import word
from policy_pack.stack.values import NotKnownError

ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
PRINCIPAL = "AWS principal"
PODS = "pods.eks.amazonaws.com"
_TAKES = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML")


@dataclass(frozen=True, order=True)
class Who:
    """Somebody who can act: a kind (``ServiceAccount``, ``AWS service``, ``people`` …) and a name."""

    kind: str
    name: str

    @property
    def title(self) -> str:
        """How a reader knows it."""
        return f"{self.kind} {self.name}"

    @property
    def namespace(self) -> str:
        """The namespace of a ServiceAccount; empty for others."""
        return self.name.partition("/")[0] if self.kind == "ServiceAccount" else ""


NOBODY = Who("nobody", "that this stack knows of")


def takers(graph: Graph) -> dict[str, list[Who]]:
    """Return by URN of a role who may take it."""
    paired = defaultdict(list)
    for association in graph.of(ASSOCIATION):
        role = graph.target(association, "roleArn", (ROLE,), ROLE_KEYS)
        if role:
            home, name = word(association.at("namespace")), word(association.at("serviceAccount"))
            paired[role.urn].append(Who("ServiceAccount", f"{home}/{name}"))
    direct = {role.urn: set(_trusted(role, paired[role.urn])) for role in graph.of(ROLE)}
    by_arn = {arn: role.urn for role in graph.of(ROLE) if (arn := word(role.at("arn")))}
    return {urn: sorted(_through(urn, direct, by_arn, frozenset())) or [NOBODY] for urn in direct}


def _through(urn: str, direct: dict[str, set[Who]], by_arn: dict[str, str], seen: frozenset[str]) -> set[Who]:
    """Return who takes a role in the end: where a role takes it, whoever may take that one."""
    found: set[Who] = set()
    for who in direct[urn]:
        other = by_arn.get(who.name) if who.kind == PRINCIPAL else None
        if other is None:
            found.add(who)
        elif other not in seen:
            found |= _through(other, direct, by_arn, seen | {urn})
    return found


def _trusted(role: Resource, paired: list[Who]) -> list[Who]:
    try:
        trust = statements(role.at("assumeRolePolicy"))
    except (NotKnownError, ValueError, AttributeError):
        return [Who("unknown", "its trust policy is not in the state")]
    found: list[Who] = []
    for statement in trust:
        if statement.allows and any(statement.covers(action) for action in _TAKES):
            for kind, value in statement.principals:
                found += paired if (kind, value) == ("Service", PODS) else _named(kind, value, statement)
            if "Principal" in statement.turned:
                found.append(Who("anybody", "but those whom the trust policy names"))
    return found


def _named(kind: str, value: str, statement: Statement) -> list[Who]:
    if value == "*":
        return [Who("anybody", "at all")]
    if kind == "Federated":
        subjects = [text for operator, values in statement.tests(":sub") if "Not" not in operator for text in values]
        accounts = [_account(subject) for subject in subjects]
        return accounts or [Who("anybody", f"of {value.rpartition('/')[2] or value}")]
    if kind == "Service":
        return [Who("AWS service", value)]
    if value.endswith(":root") or value.isdigit():
        digits = value if value.isdigit() else value.split(":")[4]
        guard = "with a second factor" if statement.tests("aws:MultiFactorAuthPresent") else "whom its policies let"
        return [Who("people", f"of account {digits} {guard}")]
    return [Who(PRINCIPAL, value)]


def _account(subject: str) -> Who:
    parts = subject.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        return Who("ServiceAccount", f"{parts[2]}/{parts[3]}")
    return Who("token subject", subject)
