"""Condition elements of IAM statements: whether they are met, and what they require of a request."""

import ipaddress
import operator as operators
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from policy_pack.facts.iam.documents import Statement
from policy_pack.facts.iam.wildcards import matches

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Outcome(Enum):
    """The result of a condition before a request is made."""

    MET = "met"
    NOT_MET = "not met"
    DEPENDS = "depends on the request"


Context = Mapping[str, str | None]
"""Values of condition keys, in lower case, that every request of a caller has; None is a key that no request has."""
OTHER_NAMES = "*"
"""The name of all tags that a context does not name, such as in ``aws:principaltag/*``."""


def evaluate(statement: Statement, context: Context) -> Outcome:
    """Return whether all conditions of a statement are met.

    Parameters
    ----------
    statement
        The statement.
    context
        The condition keys of the caller's requests. A key that is not among them may have any value.
    """
    outcomes = [_outcome(operator, key, values, context) for operator, key, values in statement.conditions]
    if Outcome.NOT_MET in outcomes:
        return Outcome.NOT_MET
    return Outcome.DEPENDS if Outcome.DEPENDS in outcomes else Outcome.MET


def request_conditions(statement: Statement, context: Context) -> list[str]:
    """Return the conditions that depend on the request, as text."""
    return [
        f"{key} {operator} {', '.join(values)}"
        for operator, key, values in statement.conditions
        if _outcome(operator, key, values, context) is Outcome.DEPENDS
    ]


def substituted(pattern: str, context: Context) -> str | None:
    """Return a text with its policy variables replaced; None where the value of one depends on the request."""
    if "${" not in pattern:
        return pattern
    texts: list[str] = []
    position = 0
    for variable in _VARIABLE.finditer(pattern):
        name, _, default = variable[1].partition(",")
        value = name if name in ("*", "?", "$") else context.get(name.strip().lower(), "")
        if value is None:
            value = default.strip().strip("'")
        if not value:
            return None
        texts += [pattern[position : variable.start()], value]
        position = variable.end()
    return "".join([*texts, pattern[position:]])


def requires_mfa(statement: Statement) -> bool:
    """Return whether a statement requires MFA; ``BoolIfExists`` does not, as the key may be absent."""
    conditions = statement.conditions_on("aws:MultiFactorAuthPresent")
    return any(operator == "Bool" and values == ("true",) for operator, values in conditions)


def is_restricted_by(statement: Statement, keys: Iterable[str]) -> bool:
    """Return whether a statement has a condition on one of some keys."""
    return any(statement.conditions_on(key) for key in keys)


def applies_to_unlisted(statement: Statement, keys: Iterable[str]) -> bool:
    """Return whether a statement applies to all values of one of some keys but those listed (a ``Not`` operator)."""
    return any("Not" in operator for key in keys for operator, _ in statement.conditions_on(key))


def equals_exactly(statement: Statement, key: str) -> bool:
    """Return whether a statement compares a key by ``StringEquals`` with values that have no wildcard."""
    return any(
        operator == "StringEquals" and bool(values) and not any("*" in value for value in values)
        for operator, values in statement.conditions_on(key)
    )


@dataclass(frozen=True)
class TransportRequirement:
    """Requirement of a resource policy for connections: TLS, and its lowest version, such as 1.2."""

    tls_only: bool
    minimum_version: float | None


def transport_requirement(statements: Iterable[Statement], actions: Iterable[str] = ()) -> TransportRequirement:
    """Return what the Deny statements for every principal require of connections for some actions."""
    actions = tuple(actions)
    denials = [
        statement
        for statement in statements
        if not statement.allows and statement.any_principal and all(statement.covers(action) for action in actions)
    ]
    plain = any(values == ("false",) for denial in denials for _, values in denial.conditions_on("aws:SecureTransport"))
    versions = [
        float(values[0])
        for denial in denials
        for operator, values in denial.conditions_on("s3:TlsVersion")
        if "LessThan" in operator and values
    ]
    return TransportRequirement(plain, max(versions, default=None))


def _outcome(operator: str, key: str, values: tuple[str, ...], context: Context) -> Outcome:
    quantifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    lower = key.lower()
    if lower not in context:
        lower = f"{lower.partition('/')[0]}/{OTHER_NAMES}"
    if lower not in context or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        return Outcome.DEPENDS
    actual = context[lower]
    if base == "Null":
        wanted = {value.lower() for value in values}
        if wanted not in ({"true"}, {"false"}):
            return Outcome.DEPENDS
        return _result((actual is None) is (wanted == {"true"}))
    if actual is None:
        if quantifier == "ForAnyValue":
            return _result(name != base)
        return _result(name != base or quantifier == "ForAllValues" or "Not" in base)
    test = _COMPARE.get(base.replace("Not", "", 1))
    if test is None:
        return Outcome.DEPENDS
    return _compared(test, values, actual, context, negated="Not" in base)


def _compared(test: "_Test", values: tuple[str, ...], actual: str, context: Context, *, negated: bool) -> Outcome:
    """Return whether one of some values compares with the actual value, or none of them where negated."""
    texts = [substituted(value, context) for value in values]
    try:
        hits = [test(actual, text) for text in texts if text is not None]
    except ValueError:
        return Outcome.DEPENDS
    if True in hits:
        return _result(not negated)
    return Outcome.DEPENDS if None in texts or None in hits else _result(negated)


def _result(met: bool) -> Outcome:
    return Outcome.MET if met else Outcome.NOT_MET


def _arn_like(actual: str, pattern: str) -> bool | None:
    """Return whether an ARN matches a pattern, part by part; None where this differs from a match of the whole."""
    parts, patterns = actual.split(":", 5), pattern.split(":", 5)
    by_part = len(parts) == len(patterns) and all(matches(p, part) for part, p in zip(parts, patterns, strict=True))
    return by_part if by_part == matches(pattern, actual) else None


def _date(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _in_network(actual: str, network: str) -> bool:
    return ipaddress.ip_address(actual) in ipaddress.ip_network(network, strict=False)


_Test = Callable[[str, str], bool | None]
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "Equals": operators.eq,
    "LessThan": operators.lt,
    "LessThanEquals": operators.le,
    "GreaterThan": operators.gt,
    "GreaterThanEquals": operators.ge,
}


def _ordered(read: Callable[[str], float], compare: Callable[[float, float], bool]) -> _Test:
    return lambda actual, value: compare(read(actual), read(value))


_COMPARE: dict[str, _Test] = {
    "StringEquals": lambda actual, value: actual == value,
    "StringEqualsIgnoreCase": lambda actual, value: actual.lower() == value.lower(),
    "StringLike": lambda actual, value: matches(value, actual),
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda actual, value: actual.lower() == value.lower(),
    "BinaryEquals": lambda actual, value: actual == value,
    "IpAddress": _in_network,
    **{f"Numeric{name}": _ordered(float, compare) for name, compare in _ORDER.items()},
    **{f"Date{name}": _ordered(_date, compare) for name, compare in _ORDER.items()},
}
