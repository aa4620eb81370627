"""Condition elements of IAM statements: whether they are met, and what they require of a request."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from policy_pack.facts.iam.documents import Statement
from policy_pack.facts.iam.wildcards import matches


class Outcome(Enum):
    """The result of a condition before a request is made."""

    MET = "met"
    NOT_MET = "not met"
    DEPENDS = "depends on the request"


def evaluate(statement: Statement, context: Mapping[str, str]) -> Outcome:
    """Return whether all conditions of a statement are met.

    Parameters
    ----------
    statement
        The statement.
    context
        Values of the condition keys, in lower case, that every request of the principal has.
    """
    outcomes = [_outcome(operator, values, context.get(key.lower())) for operator, key, values in statement.conditions]
    if Outcome.NOT_MET in outcomes:
        return Outcome.NOT_MET
    return Outcome.DEPENDS if Outcome.DEPENDS in outcomes else Outcome.MET


def request_conditions(statement: Statement, context: Mapping[str, str]) -> list[str]:
    """Return the conditions that depend on the request, as text."""
    return [
        f"{key} {operator} {', '.join(values)}"
        for operator, key, values in statement.conditions
        if _outcome(operator, values, context.get(key.lower())) is Outcome.DEPENDS
    ]


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
    """What a resource policy requires of connections: TLS at all, and its lowest version, such as 1.2."""

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


def _outcome(operator: str, values: tuple[str, ...], actual: str | None) -> Outcome:
    name = operator.rpartition(":")[2].removesuffix("IfExists")
    if name == "Null" and actual is not None:
        return Outcome.MET if "false" in values else Outcome.NOT_MET
    if actual is None or not name.startswith(("String", "Arn", "Bool")):
        return Outcome.DEPENDS
    equal = any(_equal(name, value, actual) for value in values)
    return Outcome.MET if equal is not ("Not" in name) else Outcome.NOT_MET


def _equal(operator: str, value: str, actual: str) -> bool:
    if "IgnoreCase" in operator or operator == "Bool":
        return value.lower() == actual.lower()
    # All ARN operators compare as patterns.
    return matches(value, actual) if "Like" in operator or operator.startswith("Arn") else value == actual
