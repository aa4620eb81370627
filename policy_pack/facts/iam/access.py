"""Access to the AWS account: identity, resource, key and trust policies evaluated together, for every principal."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from policy_pack.facts.data_stores import EncryptionKeys
from policy_pack.facts.iam.actions import Action
from policy_pack.facts.iam.assumption import ANOTHER_ROLE, Assumption, Assumptions
from policy_pack.facts.iam.callers import (
    ALL_PERMISSIONS,
    FOREIGN_ACCOUNT,
    Caller,
    account_of,
    anonymous,
    caller,
    service,
)
from policy_pack.facts.iam.evaluation import Allowed, AppliedPolicies
from policy_pack.facts.iam.policies import IdentityPolicies, PolicyStatement, Unreadable, identity_policies
from policy_pack.facts.iam.targets import RequestKind, ResourcePolicy, Target, resource_policy, targets
from policy_pack.facts.iam.trust import accepts_session_tags
from policy_pack.facts.iam.wildcards import literal_prefix
from policy_pack.facts.principals import ANOTHER_ACCOUNT, AWS_PRINCIPAL, AWS_SERVICE, OTHERS, PEOPLE, Principal
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ROLE
from policy_pack.stack.text import known_text
from policy_pack.stack.values import View

ANONYMOUS = Principal("anonymous", "(no credentials)")
# A topic decrypts for its subscribers; these do not.
_ENCRYPTED = ("bucket", "secret", "queue")


@dataclass(frozen=True)
class Holder:
    """Holder of an access: an identity of the stack with those that can assume it, or a principal outside the stack."""

    caller: Caller
    assumptions: tuple[Assumption, ...]
    policies: IdentityPolicies | None = None
    assumed: tuple[PolicyStatement, ...] = ()

    @property
    def statements(self) -> tuple[PolicyStatement, ...]:
        """The statements of its own policies; of a principal outside the stack, those that it may have."""
        return self.policies.statements if self.policies else self.assumed

    @property
    def identity(self) -> Resource | None:
        """The role, user or group of the stack."""
        return self.policies.identity if self.policies else None


@dataclass(frozen=True)
class AwsAccess:
    """Access of one holder to one target; not certain while a policy that may deny it is not known yet."""

    holder: Holder
    target: Target
    allowed: tuple[Allowed, ...]
    certain: bool


class AccountAccess:
    """All access in the AWS account of a stack.

    Parameters
    ----------
    graph
        The stack.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._assumptions = Assumptions(graph)
        self._keys = EncryptionKeys(graph)
        self.account = self._assumptions.account
        self.identities = identity_policies(graph)
        self.targets = {target.resource.urn: target for target in targets(graph)}
        self.policies: dict[str, ResourcePolicy] = {
            urn: resource_policy(graph, target.resource) for urn, target in self.targets.items()
        }
        self._index = sorted(
            (literal_prefix(pattern).rstrip("/:"), urn)
            for urn, target in self.targets.items()
            for pattern in target.patterns.values()
        )
        self._open = {urn for urn, policy in self.policies.items() if _is_for_everyone(policy)}
        self._by_name: dict[str, set[str]] = defaultdict(set)
        for urn, policy in self.policies.items():
            for value in _named(policy):
                self._by_name[value].add(urn)
        self.holders = [*self._of_stack(), *self._named_outside(), *self._outsiders()]

    def access(self) -> Iterator[AwsAccess]:
        """Return all access, by holder and target."""
        for holder in self.holders:
            for target in self._candidates(holder):
                allowed = self._allowed(holder, target)
                for kind in target.kind.requests:
                    allowed += self._requested(holder, target, kind, allowed)
                if allowed:
                    yield AwsAccess(holder, target, tuple(allowed), self._is_certain(holder, target))

    def _is_certain(self, holder: Holder, target: Target) -> bool:
        own = holder.policies.unreadable if holder.policies else ()
        return not any(one.known_later for one in (*own, *self.policies[target.resource.urn].unreadable))

    def unreadable(self) -> Iterator[tuple[Resource, Unreadable]]:
        """Return the policies that cannot be computed, each with the identity or target that it is about."""
        for policies in self.identities:
            yield from ((policies.identity, one) for one in policies.unreadable)
        for urn, policy in self.policies.items():
            yield from ((self.targets[urn].resource, one) for one in policy.unreadable)

    # --- holders ---------------------------------------------------------------------------------
    def _of_stack(self) -> Iterator[Holder]:
        for policies in self.identities:
            identity = policies.identity
            kind = identity.kind.rpartition(":")[2].lower()
            arn = known_text(identity.at("arn")) or f"arn:aws:iam::{self.account}:{kind}/{identity.name}"
            tags: View | None = identity.at("tags")
            if identity.kind == ROLE:
                assumptions = self._assumptions.of(identity)
                tags = None if accepts_session_tags(identity.at("assumeRolePolicy")) else tags
            else:
                assumptions = [
                    Assumption(Principal(AWS_PRINCIPAL, f"{kind}/{identity.name}"), (f"{kind} {identity.name}",))
                ]
            yield Holder(caller(arn, tags), tuple(assumptions), policies)

    def _named_outside(self) -> Iterator[Holder]:
        """Return the principals that resource policies name and that the stack does not declare.

        Those that a condition on ``aws:PrincipalArn`` names are exceptions of a Deny, or the only ones of an Allow.
        """
        own = {holder_arn for one in self.identities if (holder_arn := known_text(one.identity.at("arn")))}
        for value in sorted(self._by_name.keys() - own):
            if value == "*":
                continue
            account = account_of(value)
            if value.endswith(":root") or value.isdigit():
                yield self._whole_account(account)
            elif value.startswith("arn:"):
                yield from self._arn_outside(value)
            elif "." in value:
                by = service(value, self.account)
                yield Holder(by, (Assumption(Principal(AWS_SERVICE, value), (value,)),))
            else:
                by = replace(caller(""), canonical=value)
                yield Holder(by, (Assumption(Principal(ANOTHER_ACCOUNT, value), (f"principal {value}",)),))

    def _whole_account(self, account: str) -> Holder:
        if account == self.account:
            root = Principal(PEOPLE, f"of account {account}: its root user")
            return Holder(caller(f"arn:aws:iam::{account}:root"), (Assumption(root, ()),))
        by = caller(f"arn:aws:iam::{account}:{ANOTHER_ROLE}")
        return Holder(by, (Assumption(Principal(ANOTHER_ACCOUNT, account), (f"account {account}",)),))

    def _arn_outside(self, value: str) -> Iterator[Holder]:
        account = account_of(value)
        path = value.partition(f":{account}:")[2] or value
        kind = AWS_PRINCIPAL if account == self.account else ANOTHER_ACCOUNT
        name = path if account == self.account else value
        # A pattern is asked about by the ARN of a principal that it matches and that the stack does not have.
        arn = value.replace("*", "another-principal").replace("?", "x")
        assumed = ALL_PERMISSIONS if account == self.account else ()
        yield Holder(caller(arn), (Assumption(Principal(kind, name), (f"principal {path}",)),), assumed=assumed)

    def _outsiders(self) -> Iterator[Holder]:
        if self.account:
            own = caller(f"arn:aws:iam::{self.account}:{ANOTHER_ROLE}")
            yield Holder(own, (Assumption(OTHERS, (OTHERS.label,)),), assumed=ALL_PERMISSIONS)
        foreign = caller(f"arn:aws:iam::{FOREIGN_ACCOUNT}:{ANOTHER_ROLE}")
        yield Holder(foreign, (Assumption(Principal(ANOTHER_ACCOUNT, ""), ("a principal of another account",)),))
        yield Holder(anonymous(), (Assumption(ANONYMOUS, ("anonymous",)),))

    # --- candidates ------------------------------------------------------------------------------
    def _candidates(self, holder: Holder) -> list[Target]:
        """Return the targets that the policies of a holder may concern, so that not every target is evaluated."""
        if holder.assumed:
            return list(self.targets.values())
        urns = set(self._open)
        for name in holder.caller.names | holder.caller.account_names:
            urns |= self._by_name.get(name, set())
        patterns = {
            pattern
            for item in holder.statements
            if item.statement.allows
            for pattern in (item.statement.resources if "Resource" not in item.statement.negated else ("*",))
        }
        urns |= {urn for pattern in patterns for urn in self._near(literal_prefix(pattern.partition("${")[0]))}
        return [self.targets[urn] for urn in sorted(urns)]

    def _near(self, prefix: str) -> Iterator[str]:
        """Return the targets whose ARN begins with a prefix, or is a beginning of it."""
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

    # --- evaluation ------------------------------------------------------------------------------
    def _allowed(self, holder: Holder, target: Target) -> list[Allowed]:
        allowed = self._applied(holder, target).allowed(holder.caller, target)
        if not allowed or target.kind.place not in _ENCRYPTED or not any(_reads(one) for one in allowed):
            return allowed
        key = self._keys.of(target.resource)
        key_target = self.targets.get(key.urn) if key else None
        if key_target is None or self._decrypts(holder, target, key_target):
            return allowed
        unreadable = (replace(one, actions=_without_reading(one.actions)) for one in allowed)
        return [one for one in unreadable if one.actions]

    def _requested(
        self, holder: Holder, target: Target, kind: RequestKind, allowed: list[Allowed]
    ) -> Iterator[Allowed]:
        """Return what a holder may do by requests that have a verb of their own, of what it may do at all."""
        if not any(kind.among(one.actions) for one in allowed):
            return
        by = holder.caller.with_context(kind.keys)
        for one in self._applied(holder, target).allowed(by, target):
            actions = kind.among(one.actions)
            if actions:
                yield replace(one, actions=actions)

    def _decrypts(self, holder: Holder, target: Target, key: Target) -> bool:
        """Return whether a holder may decrypt with a target's key, which its service uses on the holder's behalf."""
        parts = key.arn.split(":")
        region = parts[3] if len(parts) > 3 else "*"
        name = f"{target.kind.services[0]}.{region}.amazonaws.com"
        by = holder.caller.with_context({"kms:viaservice": name})
        decrypting = self._applied(holder, key).allowed(by, key)
        return any(action.verb is Verb.DECRYPT for one in decrypting for action in one.actions)

    def _applied(self, holder: Holder, target: Target) -> AppliedPolicies:
        policies = holder.policies
        return AppliedPolicies(
            identity=holder.statements,
            boundary=policies.boundary if policies else None,
            resource=self.policies[target.resource.urn].statements,
            own_account=policies is not None or (bool(self.account) and holder.caller.account == self.account),
        )


def account_access(graph: Graph) -> AccountAccess:
    """Return all access in the AWS account, computed once for a stack."""
    access: AccountAccess = graph.memo("account access", AccountAccess)
    return access


def _reads(one: Allowed) -> bool:
    return any(action.verb is Verb.READ for action in one.actions)


def _without_reading(actions: frozenset[Action]) -> frozenset[Action]:
    return frozenset(action for action in actions if action.verb is not Verb.READ)


def _is_for_everyone(policy: ResourcePolicy) -> bool:
    return any(
        item.statement.allows and (item.statement.any_principal or "Principal" in item.statement.negated)
        for item in policy.statements or ()
    )


def _named(policy: ResourcePolicy) -> Iterator[str]:
    """Return the principals that a resource policy names: in Principal, and as exceptions in its conditions."""
    for item in policy.statements or ():
        statement = item.statement
        if statement.allows or "Principal" in statement.negated:
            yield from (value for _, value in statement.principals)
        for _, values in statement.conditions_on("aws:PrincipalArn"):
            yield from values
