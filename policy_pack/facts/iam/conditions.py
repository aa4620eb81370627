"""Whether the conditions of a policy statement hold for a principal: yes, no, or it depends on the request."""

from collections.abc import Mapping
from enum import Enum

from policy_pack.facts.iam.patterns import fits
from policy_pack.facts.iam.statements import Statement


class Holds(Enum):
    """What is known of a condition before a request is made."""

    YES = "yes"
    NO = "no"
    DEPENDS = "depends on the request"


def holds(statement: Statement, known: Mapping[str, str]) -> Holds:
    """Return whether all conditions of a statement hold, from what is known of every request of a principal.

    Parameters
    ----------
    statement
        The statement.
    known
        Values by lower-case condition key.
    """
    each = [_one(operator, values, known.get(key.lower())) for operator, key, values in statement.conditions]
    if Holds.NO in each:
        return Holds.NO
    return Holds.DEPENDS if Holds.DEPENDS in each else Holds.YES


def told(statement: Statement, known: Mapping[str, str]) -> list[str]:
    """Return the conditions that depend on the request, in words."""
    return [
        f"{key} {operator} {', '.join(values)}"
        for operator, key, values in statement.conditions
        if _one(operator, values, known.get(key.lower())) is Holds.DEPENDS
    ]


def _one(operator: str, values: tuple[str, ...], given: str | None) -> Holds:
    name = operator.rpartition(":")[2].removesuffix("IfExists")
    if name == "Null" and given is not None:
        return Holds.YES if "false" in values else Holds.NO
    if given is None or not name.startswith(("String", "Arn", "Bool")):
        return Holds.DEPENDS
    found = any(_matches(name, value, given) for value in values)
    turned = "Not" in name
    return Holds.YES if found is not turned else Holds.NO


def _matches(name: str, value: str, given: str) -> bool:
    if "IgnoreCase" in name or name == "Bool":
        return value.lower() == given.lower()
    # ARNs are compared as patterns by all of their operators.
    return fits(value, given) if "Like" in name or name.startswith("Arn") else value == given
