"""What happens to a value on the allow list. Each function returns what may leave, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from model.deid.rules import AllowList, Branch, Rule
from model.deid.subject import Subject


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
    return context.subject.moved(value, context.until)


def _birth(value: Any, _rule: Rule, context: Context) -> dict[str, int | bool] | None:
    return context.subject.birth(value, context.until)


def _flag(value: Any, _rule: Rule, _context: Context) -> bool | None:
    return value if isinstance(value, bool) else None


def _code(value: Any, rule: Rule, _context: Context) -> str | None:
    return value if isinstance(value, str) and value in rule.values else None


def _coding(value: Any, rule: Rule, context: Context) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    meaning = context.allowed.meaning(rule.systems, value.get("system"), value.get("code"))
    return {"system": meaning[0], "code": meaning[1]} if meaning else None


def _quantity(value: Any, _rule: Rule, context: Context) -> dict[str, Any] | None:
    return context.allowed.measured(value)


def _address(value: Any, _rule: Rule, context: Context) -> dict[str, str] | None:
    return context.allowed.area(value)


_TRANSFORMS: dict[str, Callable[[Any, Rule, Context], Any]] = {
    "id": _id,
    "reference": _reference,
    "date": _date,
    "birth": _birth,
    "flag": _flag,
    "code": _code,
    "coding": _coding,
    "quantity": _quantity,
    "address": _address,
}
