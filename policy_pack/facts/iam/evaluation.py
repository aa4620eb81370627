"""IAM policy evaluation: which actions a caller may perform on which part of a target, and by which statement.

A request that could be allowed counts as allowed, and only a Deny that applies to every request counts as denied.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from policy_pack.facts.iam.actions import Action, Level, covered
from policy_pack.facts.iam.callers import Caller
from policy_pack.facts.iam.conditions import Outcome, evaluate, request_conditions, substituted
from policy_pack.facts.iam.documents import Statement
from policy_pack.facts.iam.policies import PolicyStatement
from policy_pack.facts.iam.targets import Target
from policy_pack.facts.iam.wildcards import arns_overlap, literal_prefix, matches, overlap
from policy_pack.stack.kinds import KEY

_KEYS_DELEGATE = (KEY, "aws:kms/replicaKey:ReplicaKey", "aws:kms/externalKey:ExternalKey")
# Without a policy, the default key policy of AWS lets the policies of the account decide.
_POLICY_IS_ALL = _KEYS_DELEGATE


@dataclass(frozen=True)
class Allowed:
    """Actions on a part of a target that one statement allows.

    Parameters
    ----------
    actions
        The actions.
    part
        The ARN or pattern of the part.
    by
        The statement, with its policy.
    conditions
        Its conditions that depend on the request.
    by_resource
        Whether it is a statement of the target's policy.
    denials
        Deny statements that apply to every request about some of the part.
    """

    actions: frozenset[Action]
    part: str
    by: PolicyStatement
    conditions: tuple[str, ...]
    by_resource: bool
    denials: tuple["Denial", ...] = ()

    def on(self, part: str) -> frozenset[Action]:
        """Return what is allowed on a part of the part, such as a prefix of a bucket."""
        denied = (one.actions for one in self.denials if one.denies(part))
        return self.actions.difference(*denied)


@dataclass(frozen=True)
class Denial:
    """A Deny statement for one caller and one target.

    Parameters
    ----------
    actions
        The actions.
    patterns
        Its resources; None is one whose variables have no known value.
    negated
        Whether it is about everything but these.
    """

    actions: frozenset[Action]
    patterns: tuple[str | None, ...]
    negated: bool

    def denies(self, part: str) -> bool:
        """Return whether every request about a part is denied."""
        if self.negated:
            return not any(pattern is None or overlap(pattern, part) for pattern in self.patterns)
        return not self.patterns or any(pattern is not None and matches(pattern, part) for pattern in self.patterns)


@dataclass(frozen=True)
class AppliedPolicies:
    """The policies that decide about one caller and one target.

    Parameters
    ----------
    identity
        Statements of the caller's own policies.
    boundary
        Statements of its permissions boundary; None where it has none.
    resource
        Statements of the target's policy; None where it has none.
    own_account
        Whether caller and target are of one account, so that the caller's policies alone can allow.
    """

    identity: tuple[PolicyStatement, ...]
    boundary: tuple[PolicyStatement, ...] | None
    resource: tuple[PolicyStatement, ...] | None
    own_account: bool

    def allowed(self, by: Caller, target: Target) -> list[Allowed]:
        """Return what a caller may do with a target."""
        candidates = [*self._by_identity(by, target), *self._by_resource(by, target)]
        if not candidates:
            return []
        concerned = [item for item in self.resource or () if _concerns(item.statement, by)]
        denials = [
            item
            for item in (*self.identity, *(self.boundary or ()), *concerned)
            if not item.statement.allows and evaluate(item.statement, by.context) is Outcome.MET
        ]
        return [left for one in candidates if (left := _without(one, denials, by, target)).actions]

    def _by_identity(self, by: Caller, target: Target) -> Iterator[Allowed]:
        if not self.own_account:
            return
        delegated = self._delegated(by, target)
        for item in self.identity:
            for one in _allowed_parts(item, by, target, by_resource=False):
                actions = one.actions if delegated is None else one.actions & delegated
                if self.boundary is not None and actions:
                    actions &= _within(self.boundary, by, target, one.part)
                if actions:
                    yield Allowed(actions, one.part, item, one.conditions, by_resource=False)

    def _delegated(self, by: Caller, target: Target) -> frozenset[Action] | None:
        """Return the actions that the policy of a key leaves to the policies of the account; None is all."""
        if target.resource.kind not in _POLICY_IS_ALL or self.resource is None:
            return None
        actions: frozenset[Action] = frozenset()
        for item in self.resource:
            statement = item.statement
            if not statement.allows or evaluate(statement, by.context) is Outcome.NOT_MET:
                continue
            named = {value for _, value in statement.principals}
            if "Principal" in statement.negated or by.account_names & named:
                actions |= _actions(statement, target)
        return actions

    def _by_resource(self, by: Caller, target: Target) -> Iterator[Allowed]:
        for item in self.resource or ():
            if _names(item.statement, by, own_account=self.own_account):
                yield from _allowed_parts(item, by, target, by_resource=True)


def _names(statement: Statement, by: Caller, *, own_account: bool) -> bool:
    """Return whether a policy of a target allows a caller; naming its own account delegates to its policies."""
    if not statement.allows:
        return False
    values = {value for _, value in statement.principals}
    if "Principal" in statement.negated:
        return not values & {"*", *by.names}
    everyone = "*" in values and not by.service
    return (
        everyone
        or any(_is_named(value, by) for value in values)
        or (not own_account and bool(values & by.account_names))
    )


def _is_named(value: str, by: Caller) -> bool:
    """Return whether a value of Principal names a caller, or a session of its role."""
    if value in by.names:
        return True
    if ":assumed-role/" not in value or ":role/" not in by.arn:
        return False
    role = value.partition(":assumed-role/")[2].partition("/")[0]
    return account_of_session(value) == by.account and role == by.arn.rpartition("/")[2]


def account_of_session(arn: str) -> str:
    """Return the account of the ARN of a session."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 else ""


def _concerns(statement: Statement, by: Caller) -> bool:
    """Return whether a Deny of a target's policy is certainly about a caller."""
    values = {value for _, value in statement.principals}
    if "Principal" in statement.negated:
        return not values & {"*", *by.names, *by.account_names}
    return "*" in values or bool(values & (by.names | by.account_names))


def _actions(statement: Statement, target: Target) -> frozenset[Action]:
    return _of_services(statement.actions, target.kind.services, negated="Action" in statement.negated)


@cache
def _of_services(patterns: tuple[str, ...], services: tuple[str, ...], *, negated: bool) -> frozenset[Action]:
    return frozenset().union(*(covered(patterns, service, negated=negated) for service in services))


@cache
def _at(actions: frozenset[Action], level: Level) -> frozenset[Action]:
    return frozenset(action for action in actions if action.level is level)


def _allowed_parts(item: PolicyStatement, by: Caller, target: Target, *, by_resource: bool) -> Iterator[Allowed]:
    statement = item.statement
    if not statement.allows:
        return
    actions = _actions(statement, target)
    if not actions or evaluate(statement, by.context) is Outcome.NOT_MET:
        return
    conditions = tuple(request_conditions(statement, by.context))
    # The policy of a key, a repository or a vault needs no Resource: it is about its own target.
    patterns = statement.resources or (("*",) if by_resource else ())
    for level, arn in target.patterns.items():
        of_level = _at(actions, level)
        if not of_level:
            continue
        if "Resource" in statement.negated:
            excluded = [text for p in patterns if (text := substituted(p, by.context)) is not None]
            if not any(matches(pattern, arn) for pattern in excluded):
                yield Allowed(of_level, arn, item, (*conditions, f"not {', '.join(patterns)}"), by_resource)
            continue
        for part in _parts(patterns, arn, by):
            yield Allowed(of_level, part, item, conditions, by_resource)


def _parts(patterns: Iterable[str], arn: str, by: Caller) -> Iterator[str]:
    """Return the parts of an ARN pattern that some patterns match; a variable without a value matches everything."""
    for pattern in patterns:
        text = substituted(pattern, by.context)
        text = _any_variable(pattern) if text is None else text
        if matches(text, arn):
            yield arn
        elif arns_overlap(text, arn):
            yield text


def _any_variable(pattern: str) -> str:
    head, _, rest = pattern.partition("${")
    return f"{head}*{_any_variable(rest.partition('}')[2])}" if rest else head


def _without(one: Allowed, denials: Iterable[PolicyStatement], by: Caller, target: Target) -> Allowed:
    """Return what is left of an Allow after the Deny statements that apply to every request."""
    found = [_denial(item.statement, by, target) for item in denials]
    whole = [denial.actions for denial in found if denial.denies(one.part)]
    actions = one.actions.difference(*whole)
    return replace(one, actions=actions, denials=tuple(denial for denial in found if denial.actions & actions))


def _denial(statement: Statement, by: Caller, target: Target) -> Denial:
    patterns = tuple(substituted(pattern, by.context) for pattern in statement.resources)
    return Denial(_actions(statement, target), patterns, "Resource" in statement.negated)


def _within(boundary: Iterable[PolicyStatement], by: Caller, target: Target, part: str) -> frozenset[Action]:
    """Return the actions that a permissions boundary leaves on a part of a target."""
    actions: frozenset[Action] = frozenset()
    for item in boundary:
        for one in _allowed_parts(item, by, target, by_resource=False):
            if overlap(one.part, part):
                actions |= one.actions
    return actions


def allowed_arns(statements: Iterable[Statement], action: str, arns: Iterable[str], *, contents: str = "") -> set[str]:
    """Return the ARNs on which some statement allows an action, whatever its conditions are.

    Parameters
    ----------
    statements
        Statements of identity policies.
    action
        The action, such as ``s3:GetObject``.
    arns
        ARNs of buckets or keys.
    contents
        What follows the ARN in the resource of the action, such as ``/*`` for the objects of a bucket.
    """
    candidates = frozenset(arns)
    allowed: set[str] = set()
    for statement in statements:
        if not statement.allows or not statement.covers(action):
            continue
        if "Resource" in statement.negated:
            allowed |= {a for a in candidates if not any(matches(p, f"{a}{contents}") for p in statement.resources)}
            continue
        for pattern in statement.resources:
            own = pattern.partition("/")[0] if contents else pattern
            # An ARN without wildcard is looked up, so that many hospitals are not searched for one role.
            if own == literal_prefix(own):
                allowed |= {own} & candidates
            else:
                allowed |= {arn for arn in candidates if overlap(pattern, f"{arn}{contents}")}
    return allowed
