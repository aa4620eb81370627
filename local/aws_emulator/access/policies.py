"""IAM policy evaluation: whether a document allows or denies an action on a resource.

Unsupported elements never grant access: an unknown condition operator makes an
Allow statement miss and a Deny statement hit.

Supported condition operators are the keys of ``_COMPARE`` and ``_NEGATED``, and ``Null``, each with ``IfExists``,
``ForAllValues:`` and ``ForAnyValue:``. Not supported: ``BinaryEquals``.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from local.aws_emulator.messages import Context, as_list


class Verdict(Enum):
    """Result of evaluating one or several policy documents."""

    ALLOW = "allow"
    DENY = "deny"
    SILENT = "silent"


@dataclass(frozen=True)
class Principal:
    """Caller as a policy principal: all names by which a policy may refer to it."""

    arn: str
    account: str
    names: frozenset[str]
    federated: str = ""


@dataclass(frozen=True)
class Ask:
    """Permission that a request needs; ``resource`` is ``*`` if the emulator does not know it."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


def judge(document: str, ask: Ask, principal: Principal | None = None, delegate: bool = True) -> Verdict:
    """Return the result of evaluating one policy document.

    Parameters
    ----------
    document
        The policy as JSON text.
    ask
        The requested permission.
    principal
        The caller, for policies that name principals (of buckets, keys and roles).
    delegate
        Whether an Allow for the whole account (its root) applies to the caller.
    """
    verdict = Verdict.SILENT
    for statement in as_list(json.loads(document).get("Statement", [])):
        denies = statement.get("Effect") == "Deny"
        if principal is not None and not _principal_hits(statement, principal, denies or delegate):
            continue
        if not (_action_hits(statement, ask) and _resource_hits(statement, ask, denies, principal is not None)):
            continue
        try:
            if not conditions_hold(statement.get("Condition", {}), ask.context):
                continue
        except UnsupportedConditionError:
            if not denies:
                continue
        if denies:
            return Verdict.DENY
        verdict = Verdict.ALLOW
    return verdict


def combine(verdicts: list[Verdict]) -> Verdict:
    """Return the combined result of several documents: Deny takes precedence over Allow."""
    if Verdict.DENY in verdicts:
        return Verdict.DENY
    return Verdict.ALLOW if Verdict.ALLOW in verdicts else Verdict.SILENT


def _principal_hits(statement: Mapping[str, Any], principal: Principal, delegate: bool) -> bool:
    if "NotPrincipal" in statement:
        return not _names_principal(statement["NotPrincipal"], principal, True)
    return _names_principal(statement.get("Principal"), principal, delegate)


def _names_principal(named: Any, principal: Principal, delegate: bool) -> bool:
    if named == "*":
        return True
    if not isinstance(named, dict):
        return False
    root = {principal.account, f"arn:aws:iam::{principal.account}:root"}
    for name in as_list(named.get("AWS", [])):
        if name == "*" or name in principal.names or (delegate and name in root):
            return True
    return bool(principal.federated) and principal.federated in as_list(named.get("Federated", []))


def _action_hits(statement: Mapping[str, Any], ask: Ask) -> bool:
    if "NotAction" in statement:
        return not any(like(pattern, ask.action, ignore_case=True) for pattern in as_list(statement["NotAction"]))
    return any(like(pattern, ask.action, ignore_case=True) for pattern in as_list(statement.get("Action", [])))


def _resource_hits(statement: Mapping[str, Any], ask: Ask, denies: bool, has_principal: bool) -> bool:
    if "NotResource" in statement:
        patterns = [_substitute(p, ask.context) for p in as_list(statement["NotResource"])]
        if not all(patterns):
            return denies
        return not any(like(pattern, ask.resource) for pattern in patterns)
    if "Resource" not in statement:
        return has_principal  # a role's trust policy has no Resource
    if denies and ask.resource == "*":
        return True
    patterns = [_substitute(p, ask.context) for p in as_list(statement["Resource"])]
    return any(like(pattern, ask.resource) for pattern in patterns if pattern)


@lru_cache(maxsize=4096)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    text = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def like(pattern: str, value: str, ignore_case: bool = False) -> bool:
    """Return whether a value matches a pattern with ``*`` and ``?``."""
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


def _substitute(pattern: str, context: Context) -> str:
    """Substitute policy variables; a pattern with an unknown variable becomes empty and matches nothing."""
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name = match.group(1)
        if name in ("*", "?", "$"):
            return name
        values = context.get(name.lower(), ())
        missing = missing or len(values) != 1
        return values[0] if len(values) == 1 else ""

    filled = re.sub(r"\$\{([^}]*)\}", value, pattern)
    return "" if missing else filled


class UnsupportedConditionError(Exception):
    """Error: condition operator that is not supported."""


def _date(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _within(value: str, network: str) -> bool:
    return ipaddress.ip_address(value) in ipaddress.ip_network(network, strict=False)


_Test = Callable[[str, str], bool]
_COMPARE: Final[dict[str, _Test]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": lambda value, wanted: like(wanted, value),
    "ArnEquals": lambda value, wanted: like(wanted, value),
    "ArnLike": lambda value, wanted: like(wanted, value),
    "NumericEquals": lambda value, wanted: float(value) == float(wanted),
    "NumericLessThan": lambda value, wanted: float(value) < float(wanted),
    "NumericLessThanEquals": lambda value, wanted: float(value) <= float(wanted),
    "NumericGreaterThan": lambda value, wanted: float(value) > float(wanted),
    "NumericGreaterThanEquals": lambda value, wanted: float(value) >= float(wanted),
    "DateEquals": lambda value, wanted: _date(value) == _date(wanted),
    "DateLessThan": lambda value, wanted: _date(value) < _date(wanted),
    "DateLessThanEquals": lambda value, wanted: _date(value) <= _date(wanted),
    "DateGreaterThan": lambda value, wanted: _date(value) > _date(wanted),
    "DateGreaterThanEquals": lambda value, wanted: _date(value) >= _date(wanted),
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
    "IpAddress": _within,
}
_NEGATED: Final = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}


def conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Return whether all conditions of a statement hold.

    Raises
    ------
    UnsupportedConditionError
        For an operator, or a value, that this module cannot read.
    """
    return all(
        _condition_holds(operator, key, [_text(w) for w in as_list(wanted)], context)
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _condition_holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    quantifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    values = context.get(key.lower(), ())
    if base == "Null":
        return (not values) == (wanted == ["true"])
    if not values and (base != name or quantifier == "ForAllValues"):
        return True
    negated = base in _NEGATED
    test = _COMPARE.get(_NEGATED.get(base, base))
    if test is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise UnsupportedConditionError(operator)
    filled = [text for text in (_substitute(w, context) for w in wanted) if text or "" in wanted]
    try:
        hits = [any(test(value, want) for want in filled) != negated for value in values]
    except ValueError as error:
        raise UnsupportedConditionError(operator) from error
    if quantifier == "ForAnyValue":
        return any(hits)
    return all(hits) if hits else negated
