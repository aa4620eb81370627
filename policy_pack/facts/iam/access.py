"""Access to AWS data stores by IAM: identity, resource and key policies evaluated together."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator

from policy_pack.facts.access import Access, merge_access
from policy_pack.facts.data_stores import EncryptionKeys, Store, Verb, stores
from policy_pack.facts.iam.evaluation import AllowedPart, AppliedPolicies, Caller, caller
from policy_pack.facts.iam.policies import RolePolicies, delegates_to_account, resource_policy, role_policies
from policy_pack.facts.iam.trust import role_principals
from policy_pack.facts.iam.wildcards import literal_prefix
from policy_pack.facts.principals import ANYONE, AWS_PRINCIPAL, Principal
from policy_pack.stack.graph import Graph
from policy_pack.stack.text import known_text


class IamAccess:
    """The data stores of an AWS account, and the access that IAM allows to them."""

    def __init__(self, graph: Graph) -> None:
        self._roles = role_policies(graph)
        self._principals = role_principals(graph)
        self._keys = EncryptionKeys(graph)
        self.stores = {store.resource.urn: store for store in stores(graph)}
        self._resource_policies = {urn: resource_policy(graph, store) for urn, store in self.stores.items()}
        self._index = sorted(
            (literal_prefix(arn).rstrip("/:"), urn)
            for urn, store in self.stores.items()
            for arn in (store.arn, store.contents)
            if arn
        )
        self._role_arns = {known_text(policies.role.at("arn")) for policies in self._roles}
        self._by_principal: dict[str, set[str]] = defaultdict(set)
        for urn, policy in self._resource_policies.items():
            for item in policy or ():
                everyone = (("*", "*"),) if "Principal" in item.statement.negated else ()
                for _, value in (*item.statement.principals, *everyone) if item.statement.allows else ():
                    self._by_principal[value].add(urn)

    def access(self) -> list[Access]:
        """Return all access, by store, principal and verb."""
        return merge_access([*self._by_roles(), *self._by_resource_policies()])

    def unresolved_policies(self) -> list[tuple[str, str]]:
        """Return (role, policy) where the document of a role's policy is not in the state."""
        return [(policies.role.name, policy) for policies in self._roles for policy in policies.unresolved]

    def _by_roles(self) -> Iterator[Access]:
        for policies in self._roles:
            arn = known_text(policies.role.at("arn"))
            by = caller(arn, policies.role.props.get("tags"))
            for store in self._candidates(policies, arn):
                for name, verb in store.kind.verbs.items():
                    parts = self._allowed(policies, by, store, verb)
                    for principal in self._principals[policies.role.urn] if parts else ():
                        yield _access(store, principal, name, parts, verb, f"role {policies.role.name}")

    def _candidates(self, policies: RolePolicies, arn: str) -> list[Store]:
        """Return the stores that the policies of a role may concern, so that not every store is evaluated."""
        patterns = {
            pattern
            for item in policies.statements
            if item.statement.allows
            for pattern in (item.statement.resources if "Resource" not in item.statement.negated else ("*",))
        }
        urns = {urn for pattern in patterns for urn in self._near(literal_prefix(pattern))}
        urns |= self._by_principal.get(arn, set()) | self._by_principal.get("*", set())
        return [self.stores[urn] for urn in sorted(urns)]

    def _near(self, prefix: str) -> Iterator[str]:
        """Return the stores whose ARN begins with a prefix, or is a beginning of it."""
        start = prefix.rstrip("/:")
        for arn, urn in self._index[bisect_left(self._index, (start, "")) :]:
            if not arn.startswith(start):
                break
            yield urn
        cuts = [position for position, sign in enumerate(prefix) if sign in "/:"]
        for cut in (*cuts, len(prefix)):
            at = bisect_left(self._index, (prefix[:cut], ""))
            while at < len(self._index) and self._index[at][0] == prefix[:cut]:
                yield self._index[at][1]
                at += 1

    def _allowed(self, policies: RolePolicies | None, by: Caller, store: Store, verb: Verb) -> list[AllowedPart]:
        """Return the parts of a store that are allowed; of an encrypted store, only if its key is allowed as well."""
        resource = store.arn if verb.of == "store" else store.contents
        parts = self._applied(policies, store).allowed(by, verb.action, resource)
        key = self._keys.of(store.resource) if parts and verb.key else None
        key_store = self.stores.get(key.urn) if key else None
        if key_store is None:
            return parts
        # The store's own service uses the key on the caller's behalf, in the key's region.
        service = f"{store.arn.split(':')[2]}.{key_store.arn.split(':')[3]}.amazonaws.com"
        via_service = by.with_context("kms:viaservice", service)
        key_parts = self._applied(policies, key_store).allowed(via_service, verb.key, key_store.arn)
        if not key_parts:
            return []
        unconditional = any(not part.conditions for part in key_parts)
        extra = () if unconditional else tuple(f"{text} (key)" for part in key_parts for text in part.conditions)
        return [AllowedPart(part.part, part.policy, (*part.conditions, *extra)) for part in parts]

    def _applied(self, policies: RolePolicies | None, store: Store) -> AppliedPolicies:
        policy = self._resource_policies[store.resource.urn]
        return AppliedPolicies(
            identity=policies.statements if policies else (),
            boundary=policies.boundary if policies else None,
            resource=tuple(policy or ()),
            identity_suffices=delegates_to_account(store, policy),
        )

    def _by_resource_policies(self) -> Iterator[Access]:
        """Return the access of principals that resource policies name and that are not roles of this stack."""
        for urn, policy in self._resource_policies.items():
            named = {pair for item in policy or () if item.statement.allows for pair in item.statement.principals}
            for kind, value in sorted(named):
                if value in self._role_arns:
                    continue
                store, by = self.stores[urn], caller(value)
                for name, verb in store.kind.verbs.items():
                    resource = store.arn if verb.of == "store" else store.contents
                    parts = self._applied(None, store).allowed(by, verb.action, resource)
                    if parts:
                        yield _access(store, _principal(kind, value), name, parts, verb, "")


def _principal(kind: str, value: str) -> Principal:
    if value == "*":
        return ANYONE
    if kind == "Service":
        return Principal("AWS service", value)
    if value.endswith(":root"):
        return Principal("people", f"of account {value.split(':')[4]}: its root user")
    return Principal(AWS_PRINCIPAL, value)


def _access(
    store: Store, principal: Principal, name: str, allowed: Iterable[AllowedPart], verb: Verb, role: str
) -> Access:
    allowed = list(allowed)
    resource = store.arn if verb.of == "store" else store.contents
    prefix = literal_prefix(resource)
    whole = any(item.part == resource for item in allowed)
    parts = () if whole else tuple(sorted({item.part.removeprefix(prefix) or item.part for item in allowed}))
    unconditional = any(not item.conditions for item in allowed)
    conditions = () if unconditional else tuple(sorted({text for item in allowed for text in item.conditions}))
    policies = sorted({f"policy {item.policy}" for item in allowed})
    return Access(store.resource.urn, principal, name, parts, tuple(filter(None, (role, *policies))), conditions)
