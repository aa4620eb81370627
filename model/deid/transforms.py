"""What happens to a value on the allow list. Each function returns what may leave, or nothing."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from model.deid.rules import AllowList, Branch, Rule
from model.deid.subject import Subject

COMPARATORS = {"<", "<=", ">=", ">"}
_ZIP = re.compile(r"\d{5}(-\d{4})?", re.ASCII)


@dataclass(frozen=True)
class Context:
    """What a transform needs to know beside the value."""

    allowed: AllowList
    subject: Subject
    resolve: Callable[[str, str], str | None]
    """Turns a reference and the expected kind into the id that it means."""
    until: date
    """The day up to which the patient's age counts: of death, or of the run."""


def deidentify(resource: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return what may leave of a resource: the paths of the allow list, transformed, and nothing else."""
    kind = resource["resourceType"]
    left = _walk(resource, context.allowed.trees[kind], context, kind)
    return left if isinstance(left, dict) else {}


def _walk(value: Any, branch: Branch, context: Context, kind: str) -> Any:
    if isinstance(value, list):
        kept = (_walk(item, branch, context, kind) for item in value)
        return [item for item in kept if item is not None] or None
    if branch.rule is not None:
        return _TRANSFORMS[branch.rule.transform](value, branch.rule, context)
    if not isinstance(value, dict):
        return None
    walked = {
        name: _walk(value[name], child, context, kind) for name, child in branch.children.items() if name in value
    }
    return {name: item for name, item in walked.items() if item is not None} or None


def _id(value: Any, rule: Rule, context: Context) -> str | None:
    return context.subject.pseudonym(rule.resource, value) if isinstance(value, str) else None


def _reference(value: Any, rule: Rule, context: Context) -> str | None:
    kind = rule.kind or ""
    identity = context.resolve(value, kind) if isinstance(value, str) else None
    return context.subject.pseudonym(kind, identity) if identity else None


def _date(value: Any, _rule: Rule, context: Context) -> str | None:
    return context.subject.moved(value)


def _birth(value: Any, _rule: Rule, context: Context) -> dict[str, int | bool] | None:
    return context.subject.birth(value, context.until)


def _flag(value: Any, _rule: Rule, _context: Context) -> bool | None:
    return value if isinstance(value, bool) else None


def _code(value: Any, rule: Rule, _context: Context) -> str | None:
    return value if isinstance(value, str) and value in rule.values else None


def _coding(value: Any, rule: Rule, context: Context) -> dict[str, str] | None:
    if not isinstance(value, dict) or not isinstance(value.get("code"), str):
        return None
    for name in rule.systems:
        system = context.allowed.table.systems[name]
        if value.get("system") == system.uri and system.accepts(value["code"]):
            return {"system": name, "code": value["code"]}
    return None


def _quantity(value: Any, _rule: Rule, context: Context) -> dict[str, Any] | None:
    number = value.get("value") if isinstance(value, dict) else None
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        return None
    if abs(number) > context.allowed.table.largest_number:
        return None
    unit = next((u for u in (value.get("code"), value.get("unit")) if u in context.allowed.table.units), None)
    comparator = value.get("comparator")
    return {
        "value": float(number),
        "unit": unit,
        "comparator": comparator if comparator in COMPARATORS else None,
    }


def _state(value: Any, _rule: Rule, context: Context) -> str | None:
    if not isinstance(value, str):
        return None
    return value if value in context.allowed.state_codes else context.allowed.table.states.get(value)


def _zip3(value: Any, _rule: Rule, context: Context) -> str | None:
    if not isinstance(value, str) or not _ZIP.fullmatch(value):
        return None
    return "000" if value[:3] in context.allowed.table.restricted_zip3 else value[:3]


_TRANSFORMS: dict[str, Callable[[Any, Rule, Context], Any]] = {
    "id": _id,
    "reference": _reference,
    "date": _date,
    "birth": _birth,
    "flag": _flag,
    "code": _code,
    "coding": _coding,
    "quantity": _quantity,
    "state": _state,
    "zip3": _zip3,
}
