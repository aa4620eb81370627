"""The policies that apply to a role or to a data store: identity, resource and key policies, permissions boundaries."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.data_stores import Store
from policy_pack.facts.iam.documents import Statement, statements
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import KEY, ROLE, ROLE_KEYS, ROLE_POLICY
from policy_pack.stack.text import known_text, known_texts
from policy_pack.stack.values import NotKnownError, View

POLICY_ATTACHMENTS = ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/policyAttachment:PolicyAttachment")
_MANAGED_POLICY = "aws:iam/policy:Policy"
_POLICY_KEYS = ("arn", "id")


@dataclass(frozen=True)
class PolicyStatement:
    """A statement, and the name of its policy."""

    statement: Statement
    policy: str


@dataclass(frozen=True)
class RolePolicies:
    """The policies of a role.

    Parameters
    ----------
    role
        The role.
    statements
        Statements of its inline and attached policies.
    boundary
        Statements of its permissions boundary; None where it has none, or none that is known.
    unresolved
        Policies whose document is not in the state, such as AWS managed policies.
    """

    role: Resource
    statements: tuple[PolicyStatement, ...]
    boundary: tuple[PolicyStatement, ...] | None
    unresolved: tuple[str, ...]


def documents(resource: Resource) -> list[View]:
    """Return every policy document that an IAM policy or role contains."""
    inline = [entry.at("policy") for entry in resource.at("inlinePolicies").items()]
    own = [] if resource.kind == ROLE else [resource.at("policy")]
    return [*own, *inline]


def role_policies(graph: Graph) -> list[RolePolicies]:
    """Return the policies of every role."""
    by_role = defaultdict(list)
    for policy in graph.of(ROLE_POLICY, *POLICY_ATTACHMENTS):
        for role in _roles(graph, policy):
            by_role[role.urn].append(policy)
    return [_resolved(graph, role, by_role[role.urn]) for role in sorted(graph.of(ROLE), key=lambda role: role.urn)]


def _roles(graph: Graph, policy: Resource) -> Iterator[Resource]:
    role = graph.target(policy, "role", (ROLE,), ROLE_KEYS)
    if role:
        yield role
    names = known_texts(policy.at("roles"))
    yield from (role for role in graph.of(ROLE) if names and known_text(role.at("name")) in names)


def _resolved(graph: Graph, role: Resource, policies: list[Resource]) -> RolePolicies:
    unresolved: list[str] = []
    by_name: list[tuple[str, View]] = []
    for policy in policies:
        if policy.kind == ROLE_POLICY:
            by_name.append((policy.name, policy.at("policy")))
        else:
            _attach(graph, policy, "policyArn", known_text(policy.at("policyArn")), by_name, unresolved)
    for inline in role.at("inlinePolicies").items():
        by_name.append((known_text(inline.at("name")) or role.name, inline.at("policy")))
    for arn in known_texts(role.at("managedPolicyArns")):
        _attach(graph, role, "managedPolicyArns", arn, by_name, unresolved)
    all_statements: list[PolicyStatement] = []
    for name, document in by_name:
        parsed = _parsed(name, document)
        if parsed is None:
            unresolved.append(name)
        all_statements += parsed or ()
    bound = graph.target(role, "permissionsBoundary", (_MANAGED_POLICY,), _POLICY_KEYS)
    boundary = _parsed(bound.name, bound.at("policy")) if bound else None
    return RolePolicies(
        role,
        tuple(all_statements),
        tuple(boundary) if boundary is not None else None,
        tuple(sorted(set(unresolved))),
    )


def _attach(
    graph: Graph, by: Resource, path: str, arn: str, by_name: list[tuple[str, View]], unresolved: list[str]
) -> None:
    named = next((policy for policy in graph.of(_MANAGED_POLICY) if arn and known_text(policy.at("arn")) == arn), None)
    policy = named or graph.target(by, path, (_MANAGED_POLICY,), _POLICY_KEYS)
    if policy:
        by_name.append((policy.name, policy.at("policy")))
    else:
        unresolved.append(arn or by.name)


def resource_policy(graph: Graph, store: Store) -> list[PolicyStatement] | None:
    """Return the statements of a store's resource policy; None where it has none and the AWS default applies."""
    by_name: list[tuple[str, View]] = []
    inline = store.resource.at("policy")
    if not inline.known or not inline.absent:
        by_name.append((store.resource.name, inline))
    if store.kind.policy:
        keys = ("bucket", "id", "url", "arn")
        policies = graph.referrers(store.resource, store.kind.policy.kind, store.kind.policy.by, keys)
        by_name += [(policy.name, policy.at("policy")) for policy in policies]
    all_statements = [statement for name, document in by_name for statement in _parsed(name, document) or ()]
    return all_statements if by_name else None


def delegates_to_account(store: Store, policy: list[PolicyStatement] | None) -> bool:
    """Return whether identity policies alone can allow access: everywhere but for KMS keys without such a statement."""
    if store.resource.kind != KEY or policy is None:
        return True
    return any(
        item.statement.allows
        and item.statement.covers("kms:Decrypt")
        and any(kind == "AWS" and value.endswith(":root") for kind, value in item.statement.principals)
        for item in policy
    )


def _parsed(name: str, document: View) -> list[PolicyStatement] | None:
    """Return the statements of a document; None where it is not known, or not a policy document."""
    try:
        return [PolicyStatement(statement, name) for statement in statements(document)]
    except (NotKnownError, ValueError, AttributeError):
        return None
