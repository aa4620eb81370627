"""Weaknesses of policy statements: conditions that a request meets without having what they ask for, and strangers."""

from collections.abc import Iterable, Iterator

from policy_pack.facts.iam.actions import actions
from policy_pack.facts.iam.callers import account_of
from policy_pack.facts.iam.conditions import Context, Outcome, evaluate
from policy_pack.facts.iam.documents import Statement
from policy_pack.facts.iam.wildcards import literal_prefix, matches

_WILDCARDS = frozenset("*?:")
# Keys that a legitimate request may lack: services of AWS have no tags, and a request for a bucket has no prefix.
_MAY_BE_ABSENT = ("aws:principaltag/", "s3:prefix")
# Any value of these means that the tag exists.
_TAGS = ("aws:requesttag/", "aws:resourcetag/")
_SOURCES = ("aws:sourceaccount", "aws:sourcearn", "kms:encryptioncontext:aws:logs:arn")
# Services that send no source, or act for resources of the role's own account only.
_WITHOUT_SOURCE = frozenset({"ec2.amazonaws.com", "eks.amazonaws.com", "pods.eks.amazonaws.com"})
_SOURCE_IF_SENT = frozenset({"s3.amazonaws.com"})
_CALLERS = ("aws:principalaccount", "aws:principalarn", "aws:sourceaccount", "aws:sourcearn", "kms:calleraccount")
_READING = ("batchget", "describe", "get", "head", "list", "lookup", "search", "simulate", "validate")
# Reads that disclose data, of services that the table of actions does not describe.
_DISCLOSING = ("ssm:getparameter", "ssm:getparameters", "ssm:getparametersbypath", "ebs:getsnapshotblock")
# Actions that apply to resources of many services, so that no ARN can name them.
_OF_ANYTHING = frozenset({"backup:startrestorejob"})


def weak_conditions(statement: Statement) -> Iterator[str]:
    """Return what is weak about the conditions of an Allow, as text."""
    if not statement.allows:
        return
    for operator, key, values in statement.conditions:
        quantifier, _, name = operator.rpartition(":")
        base = name.removesuffix("IfExists")
        if quantifier == "ForAllValues":
            yield f"{operator} also holds for a request without {key}; use {name}"
        elif "Not" in base:
            yield f"{operator} allows every {key} except those listed; list what is allowed"
        elif _is_any(base, values) and not key.lower().startswith(_TAGS):
            yield f"{operator} holds for every {key}; list what is allowed"
        elif name != base and not key.lower().startswith(_MAY_BE_ABSENT) and not _is_source_if_sent(statement, key):
            yield f"{operator} also holds for a request without {key}; use {base}"


def _is_any(base: str, values: Iterable[str]) -> bool:
    return base in ("StringLike", "ArnLike", "ArnEquals") and any(not set(value) - _WILDCARDS for value in values)


def _is_source_if_sent(statement: Statement, key: str) -> bool:
    named = {value for _, value in statement.principals}
    return key.lower() in _SOURCES and bool(named) and named <= _SOURCE_IF_SENT


def services_without_source(statement: Statement) -> list[str]:
    """Return the services of AWS that an Allow names without saying for which account or resource they act."""
    if not statement.allows or any(key.lower() in _SOURCES for _, key, _ in statement.conditions):
        return []
    return [name for kind, name in statement.principals if kind == "Service" and name not in _WITHOUT_SOURCE]


def strangers(statement: Statement, account: str) -> list[str]:
    """Return the accounts other than a stack's own that a statement lets in.

    Parameters
    ----------
    statement
        The statement of a resource policy or a trust policy.
    account
        The account of the stack.
    """
    texts = [value for _, value in statement.principals if statement.allows or "Principal" in statement.negated]
    for operator, key, values in statement.conditions:
        if key.lower() in _CALLERS and ("Not" in operator) is not statement.allows:
            texts += values
    return _others(texts, account)


def foreign_resources(statement: Statement, account: str) -> list[str]:
    """Return the accounts other than a stack's own whose resources an Allow of an identity names."""
    return _others(statement.resources, account) if statement.allows else []


def _others(texts: Iterable[str], account: str) -> list[str]:
    found = {account_of(text) for text in texts}
    return sorted(other for other in found if other.isdigit() and other != account)


def changes_everywhere(statement: Statement) -> list[str]:
    """Return the actions beyond reading configuration that an Allow grants on every resource."""
    if not statement.allows or not statement.any_resource or "Resource" in statement.negated:
        return []
    if any(key.lower().startswith(_TAGS) for _, key, _ in statement.conditions):
        return []
    return [action for action in statement.actions if not _reads_configuration(action.lower())]


def _reads_configuration(pattern: str) -> bool:
    """Return whether every action of a pattern reads configuration, or cannot name what it applies to."""
    if pattern in _OF_ANYTHING or any(matches(pattern, name) for name in _DISCLOSING):
        return pattern in _OF_ANYTHING
    service, _, name = pattern.partition(":")
    if not literal_prefix(name).startswith(_READING):
        return False
    return not any(action.verb for known, action in actions(service).items() if matches(pattern, known))


def denies_everybody(
    statements: Iterable[Statement], wanted: Iterable[str], context: Context, resources: Iterable[str] = ()
) -> bool:
    """Return whether a policy denies every principal some actions in every request with some condition keys.

    Parameters
    ----------
    statements
        The statements of a resource policy.
    wanted
        The actions.
    context
        The condition keys of the request in lower case; None is a key that it does not have.
    resources
        ARNs or patterns of what the request is about; none where the policy's own resource is meant.
    """
    wanted, resources = tuple(wanted), tuple(resources)
    denials = [
        one for one in statements if not one.allows and one.any_principal and evaluate(one, context) is Outcome.MET
    ]
    return all(
        any(one.covers(action) and _is_about(one, resource) for one in denials)
        for action in wanted
        for resource in resources or ("",)
    )


def _is_about(statement: Statement, resource: str) -> bool:
    if "Resource" in statement.negated:
        return False
    return not resource or not statement.resources or any(matches(p, resource) for p in statement.resources)
