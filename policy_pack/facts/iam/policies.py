"""The policies that decide about one principal or one store of the account."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.data_stores import Store
from policy_pack.facts.iam.statements import Statement, statements
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import KEY, ROLE, ROLE_KEYS, ROLE_POLICY
from policy_pack.stack.text import word, words
from policy_pack.stack.values import NotKnownError, View

_ATTACHED = ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/policyAttachment:PolicyAttachment")
_POLICY = "aws:iam/policy:Policy"


@dataclass(frozen=True)
class Held:
    """A statement, and the policy that it stands in."""

    statement: Statement
    policy: str


@dataclass(frozen=True)
class Rights:
    """What the stack says that a role may do.

    Parameters
    ----------
    role
        The role.
    held
        Statements of its policies.
    bounds
        Statements of its permissions boundary; None where it has none that is known.
    elsewhere
        Policies whose text is not in the state.
    """

    role: Resource
    held: tuple[Held, ...]
    bounds: tuple[Held, ...] | None
    elsewhere: tuple[str, ...]


def rights(graph: Graph) -> list[Rights]:
    """Return the rights of every role."""
    own = defaultdict(list)
    for policy in graph.of(ROLE_POLICY, *_ATTACHED):
        for role in _roles(graph, policy):
            own[role.urn].append(policy)
    return [_rights(graph, role, own[role.urn]) for role in sorted(graph.of(ROLE), key=lambda role: role.urn)]


def _roles(graph: Graph, policy: Resource) -> Iterator[Resource]:
    found = graph.target(policy, "role", (ROLE,), ROLE_KEYS)
    if found:
        yield found
    names = words(policy.at("roles"))
    yield from (role for role in graph.of(ROLE) if names and word(role.at("name")) in names)


def _rights(graph: Graph, role: Resource, policies: list[Resource]) -> Rights:
    held: list[Held] = []
    elsewhere: list[str] = []
    documents: list[tuple[str, View]] = []
    for policy in policies:
        if policy.kind == ROLE_POLICY:
            documents.append((policy.name, policy.at("policy")))
        else:
            _attach(graph, policy, "policyArn", word(policy.at("policyArn")), documents, elsewhere)
    for inline in role.at("inlinePolicies").items():
        documents.append((word(inline.at("name")) or role.name, inline.at("policy")))
    for arn in words(role.at("managedPolicyArns")):
        _attach(graph, role, "managedPolicyArns", arn, documents, elsewhere)
    for name, view in documents:
        read = _read(name, view)
        if read is None:
            elsewhere.append(name)
        held += read or ()
    bound = graph.target(role, "permissionsBoundary", (_POLICY,), ("arn", "id"))
    bounds = _read(bound.name, bound.at("policy")) if bound else None
    return Rights(role, tuple(held), tuple(bounds) if bounds is not None else None, tuple(sorted(set(elsewhere))))


def _attach(
    graph: Graph, by: Resource, path: str, arn: str, documents: list[tuple[str, View]], elsewhere: list[str]
) -> None:
    named = next((policy for policy in graph.of(_POLICY) if arn and word(policy.at("arn")) == arn), None)
    target = named or graph.target(by, path, (_POLICY,), ("arn", "id"))
    if target:
        documents.append((target.name, target.at("policy")))
    else:
        elsewhere.append(arn or by.name)


def of_store(graph: Graph, store: Store) -> list[Held] | None:
    """Return the statements of a store's own policy; None where it has none, so that the default decides."""
    views: list[tuple[str, View]] = []
    inline = store.resource.at("policy")
    if not inline.known or not inline.absent:
        views.append((store.resource.name, inline))
    if store.kind.policy:
        keys = ("bucket", "id", "url", "arn")
        pointing = graph.pointing(store.resource, store.kind.policy.kind, store.kind.policy.by, keys)
        views += [(policy.name, policy.at("policy")) for policy in pointing]
    found = [held for name, view in views for held in _read(name, view) or ()]
    return found if views else None


def defers_to_account(store: Store, held: list[Held] | None) -> bool:
    """Return whether policies of the account's roles are enough: everywhere but for keys that do not say so."""
    if store.resource.kind != KEY or held is None:
        return True
    return any(
        item.statement.allows
        and item.statement.covers("kms:Decrypt")
        and any(kind == "AWS" and value.endswith(":root") for kind, value in item.statement.principals)
        for item in held
    )


def _read(name: str, view: View) -> list[Held] | None:
    """Return the statements of a document; None where it is not known or no document."""
    try:
        return [Held(statement, name) for statement in statements(view)]
    except (NotKnownError, ValueError, AttributeError):
        return None
