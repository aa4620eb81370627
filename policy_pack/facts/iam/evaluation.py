"""IAM policy evaluation: which part of a resource a principal is allowed to act on.

A request that could be allowed counts as allowed, and only a Deny that applies to every request counts as denied.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from policy_pack.facts.iam.conditions import Outcome, evaluate, request_conditions
from policy_pack.facts.iam.documents import Statement
from policy_pack.facts.iam.policies import PolicyStatement
from policy_pack.facts.iam.wildcards import literal_prefix, matches, overlap


@dataclass(frozen=True)
class Caller:
    """The principal of a request: its ARN, its account, and the condition keys of all its requests in lower case."""

    arn: str
    account: str
    context: Mapping[str, str]

    def with_context(self, key: str, value: str) -> "Caller":
        """Return the caller with one more condition key."""
        return Caller(self.arn, self.account, {**self.context, key: value})


def caller(arn: str, tags: object = None) -> Caller:
    """Return the caller of an ARN, or of an account id."""
    parts = arn.split(":")
    account = parts[4] if len(parts) > 4 else arn if arn.isdigit() else ""
    context = {"aws:securetransport": "true"}
    if isinstance(tags, Mapping):
        context |= {f"aws:principaltag/{key}".lower(): value for key, value in tags.items() if isinstance(value, str)}
    if account:
        context |= {"aws:principalaccount": account, "aws:principalisawsservice": "false"}
        if not arn.endswith(":root") and not arn.isdigit():
            context["aws:principalarn"] = arn
    return Caller(arn, account, context)


@dataclass(frozen=True)
class AllowedPart:
    """A part of a resource that a statement allows, the policy of the statement, and its remaining conditions."""

    part: str
    policy: str
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class AppliedPolicies:
    """The policies that decide about one caller and one resource.

    Parameters
    ----------
    identity
        Statements of the caller's own policies.
    boundary
        Statements of its permissions boundary; None where it has none.
    resource
        Statements of the resource's policy.
    identity_suffices
        Whether the identity policies alone can allow.
    """

    identity: tuple[PolicyStatement, ...]
    boundary: tuple[PolicyStatement, ...] | None
    resource: tuple[PolicyStatement, ...]
    identity_suffices: bool

    def allowed(self, by: Caller, action: str, resource: str) -> list[AllowedPart]:
        """Return the parts of a resource on which a caller may perform an action."""
        allowed = [
            part
            for item in (self.identity if self.identity_suffices else ())
            for part in _allowed_parts(item, by, action, resource)
            if self.boundary is None or _within(self.boundary, by, action, part)
        ]
        allowed += [
            part
            for item in self.resource
            if _names_principal(item.statement, by.arn)
            for part in _allowed_parts(item, by, action, resource)
        ]
        denials = [*self.identity, *(self.boundary or ()), *(i for i in self.resource if _concerns(i.statement, by))]
        return [part for part in allowed if not any(_is_denied(i.statement, by, action, part.part) for i in denials)]


def _names_principal(statement: Statement, arn: str) -> bool:
    """Return whether a resource policy allows a principal; naming its account delegates to the account's policies."""
    if not statement.allows:
        return False
    return "Principal" in statement.negated or any(value in ("*", arn) for _, value in statement.principals)


def _concerns(statement: Statement, by: Caller) -> bool:
    """Return whether the Principal of a resource policy's statement includes a caller."""
    accounts = (by.account, f"arn:aws:iam::{by.account}:root") if by.account else ()
    return any(value in ("*", by.arn, *accounts) for _, value in statement.principals)


def _allowed_parts(item: PolicyStatement, by: Caller, action: str, resource: str) -> Iterator[AllowedPart]:
    statement = item.statement
    if not statement.allows or not resource or not statement.covers(action):
        return
    if evaluate(statement, by.context) is Outcome.NOT_MET:
        return
    conditions = tuple(request_conditions(statement, by.context))
    if "Resource" in statement.negated:
        if not any(matches(pattern, resource) for pattern in statement.resources):
            yield AllowedPart(resource, item.policy, (*conditions, f"not {', '.join(statement.resources)}"))
        return
    for pattern in statement.resources:
        if matches(pattern, resource):
            yield AllowedPart(resource, item.policy, conditions)
        elif overlap(pattern, resource):
            yield AllowedPart(pattern, item.policy, conditions)


def _is_denied(statement: Statement, by: Caller, action: str, part: str) -> bool:
    if statement.allows or not statement.covers(action) or evaluate(statement, by.context) is not Outcome.MET:
        return False
    if "Resource" in statement.negated:
        return not any(overlap(pattern, part) for pattern in statement.resources)
    return any(matches(pattern, part) for pattern in statement.resources)


def _within(boundary: Iterable[PolicyStatement], by: Caller, action: str, part: AllowedPart) -> bool:
    return any(True for item in boundary for _ in _allowed_parts(item, by, action, part.part))


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
