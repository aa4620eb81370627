"""The policies of identities: roles, users and groups with their inline, attached and AWS managed policies."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from policy_pack.facts.iam.documents import Statement, statements
from policy_pack.facts.iam.managed_policies import is_managed_by_aws, managed_policy
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ROLE, ROLE_KEYS, ROLE_POLICY
from policy_pack.stack.text import known_text, known_texts
from policy_pack.stack.values import NotKnownError, View

USER, GROUP, MANAGED_POLICY = "aws:iam/user:User", "aws:iam/group:Group", "aws:iam/policy:Policy"
_ROLE_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_ANY_ATTACHMENT = "aws:iam/policyAttachment:PolicyAttachment"
POLICY_ATTACHMENTS = (_ROLE_ATTACHMENT, _ANY_ATTACHMENT)
_POLICY_KEYS = ("arn", "id")
# Kinds that give policies to an identity: the properties that name the identities, and its kind.
_GIVES = {
    ROLE_POLICY: ((("role", ROLE),)),
    "aws:iam/userPolicy:UserPolicy": (("user", USER),),
    "aws:iam/groupPolicy:GroupPolicy": (("group", GROUP),),
    _ROLE_ATTACHMENT: (("role", ROLE),),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": (("user", USER),),
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": (("group", GROUP),),
    _ANY_ATTACHMENT: (("roles", ROLE), ("users", USER), ("groups", GROUP)),
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive": (("roleName", ROLE),),
    "aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive": (("userName", USER),),
    "aws:iam/groupPolicyAttachmentsExclusive:GroupPolicyAttachmentsExclusive": (("groupName", GROUP),),
}
# Kinds whose policy documents are evaluated as those of identities.
POLICY_HOLDERS = frozenset({*_GIVES, MANAGED_POLICY, USER, GROUP})
_INLINE = (ROLE_POLICY, "aws:iam/userPolicy:UserPolicy", "aws:iam/groupPolicy:GroupPolicy")


@dataclass(frozen=True)
class PolicyStatement:
    """A statement, the name of its policy, and the resource that has it."""

    statement: Statement
    policy: str
    source: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A policy whose statements cannot be computed: its name, its resource, and whether the update will tell."""

    policy: str
    source: str
    known_later: bool


@dataclass(frozen=True)
class IdentityPolicies:
    """The policies of a role, a user or a group.

    Parameters
    ----------
    identity
        The role, user or group.
    statements
        Statements of its inline and attached policies, and of its groups.
    boundary
        Statements of its permissions boundary; None where it has none, or none that can be read.
    unreadable
        Policies whose document is not known, or is no policy document.
    """

    identity: Resource
    statements: tuple[PolicyStatement, ...]
    boundary: tuple[PolicyStatement, ...] | None = None
    unreadable: tuple[Unreadable, ...] = ()


@dataclass
class _Collected:
    statements: list[PolicyStatement] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    def add(self, holder: Resource, document: View, name: str) -> None:
        found = parsed(holder, document, name)
        if isinstance(found, Unreadable):
            self.unreadable.append(found)
        else:
            self.statements += found


def parsed(holder: Resource, document: View, name: str) -> list[PolicyStatement] | Unreadable:
    """Return the statements of a policy document, or that it cannot be read."""
    try:
        return [PolicyStatement(statement, name, holder.urn) for statement in statements(document)]
    except NotKnownError:
        return Unreadable(name, holder.urn, known_later=True)
    except (ValueError, AttributeError, TypeError):
        return Unreadable(name, holder.urn, known_later=False)


def documents(resource: Resource) -> list[View]:
    """Return every policy document that an IAM policy or role contains."""
    inline = [entry.at("policy") for entry in resource.at("inlinePolicies").items()]
    own = [] if resource.kind == ROLE else [resource.at("policy")]
    return [*own, *inline]


def identity_policies(graph: Graph) -> list[IdentityPolicies]:
    """Return the policies of every role, user and group, those of a user with the policies of its groups."""
    given: dict[str, list[Resource]] = defaultdict(list)
    for kind, references in _GIVES.items():
        for policy in graph.of(kind):
            for path, of in references:
                for identity in _named(graph, policy, path, of):
                    given[identity.urn].append(policy)
    own = {one.urn: _collected(graph, one, given[one.urn]) for one in graph.of(ROLE, USER, GROUP)}
    for user, group in _memberships(graph):
        own[user.urn].statements += own[group.urn].statements
        own[user.urn].unreadable += own[group.urn].unreadable
    return [_resolved(graph, one, own[one.urn]) for one in sorted(graph.of(ROLE, USER, GROUP), key=lambda r: r.urn)]


def _named(graph: Graph, resource: Resource, path: str, kind: str) -> Iterator[Resource]:
    """Return the identities that a property names: one, or a list."""
    one = graph.target(resource, path, (kind,), ROLE_KEYS)
    if one:
        yield one
        return
    for name in known_texts(resource.at(path)):
        yield from (identity for identity in graph.of(kind) if name in (known_text(identity.at(k)) for k in ROLE_KEYS))


def _memberships(graph: Graph) -> Iterator[tuple[Resource, Resource]]:
    for kind in ("aws:iam/groupMembership:GroupMembership", "aws:iam/userGroupMembership:UserGroupMembership"):
        for membership in graph.of(kind):
            users = [*_named(graph, membership, "users", USER), *_named(graph, membership, "user", USER)]
            groups = [*_named(graph, membership, "groups", GROUP), *_named(graph, membership, "group", GROUP)]
            yield from ((user, group) for user in users for group in groups)


def _collected(graph: Graph, identity: Resource, policies: list[Resource]) -> _Collected:
    collected = _Collected()
    for policy in policies:
        if policy.kind in _INLINE:
            collected.add(policy, policy.at("policy"), f"policy {policy.name}")
            continue
        for path in ("policyArn", "policyArns"):
            for view in policy.at(path).items():
                _attach(graph, policy, path, view, collected)
    for inline in identity.at("inlinePolicies").items():
        name = known_text(inline.at("name")) or identity.name
        collected.add(identity, inline.at("policy"), f"policy {name}")
    for view in identity.at("managedPolicyArns").items():
        _attach(graph, identity, "managedPolicyArns", view, collected)
    return collected


def _attach(graph: Graph, by: Resource, path: str, view: View, collected: _Collected) -> None:
    """Add the statements of an attached policy: of the stack, or managed by AWS."""
    arn = known_text(view)
    policy = _policy_by_arn(graph).get(arn) or graph.target(by, path, (MANAGED_POLICY,), _POLICY_KEYS)
    if policy:
        collected.add(policy, policy.at("policy"), f"policy {policy.name}")
        return
    document = managed_policy(arn) if is_managed_by_aws(arn) else None
    if document is not None:
        collected.add(by, View(document), f"policy {arn.rpartition('/')[2]} of AWS")
    else:
        collected.unreadable.append(Unreadable(arn or f"policy of {by.name}", by.urn, known_later=not view.known))


def _policy_by_arn(graph: Graph) -> dict[str, Resource]:
    def compute(graph: Graph) -> dict[str, Resource]:
        return {arn: policy for policy in graph.of(MANAGED_POLICY) if (arn := known_text(policy.at("arn")))}

    index: dict[str, Resource] = graph.memo("managed policies by ARN", compute)
    return index


def _resolved(graph: Graph, identity: Resource, own: _Collected) -> IdentityPolicies:
    boundary = _boundary(graph, identity)
    unique = tuple(dict.fromkeys(own.unreadable))
    return IdentityPolicies(identity, tuple(own.statements), boundary, unique)


def _boundary(graph: Graph, identity: Resource) -> tuple[PolicyStatement, ...] | None:
    """Return the statements of a permissions boundary; one that cannot be read limits nothing."""
    arn = known_text(identity.at("permissionsBoundary"))
    policy = graph.target(identity, "permissionsBoundary", (MANAGED_POLICY,), _POLICY_KEYS)
    if policy:
        found = parsed(policy, policy.at("policy"), f"boundary {policy.name}")
    elif (document := managed_policy(arn) if is_managed_by_aws(arn) else None) is not None:
        found = parsed(identity, View(document), f"boundary {arn.rpartition('/')[2]}")
    else:
        return None
    return None if isinstance(found, Unreadable) else tuple(found)
