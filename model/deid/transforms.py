"""De-identification transforms of allowed values. Each returns the published value, or None."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from model.deid.groups import groups
from model.deid.rules import AllowList, Branch, Rule
from model.deid.subject import Subject
from model.io.json_elements import Resource

LOINC = ("loinc",)


@dataclass
class Context:
    """Transform context: one for all of a patient's resources in a chunk of a file."""

    allowed: AllowList
    subject: Subject
    resolve: Callable[[str, str], str | None]
    """Turns a reference and the expected kind into the id that it means."""
    zone: tzinfo = UTC
    """The hospital's time zone, in which dates without a time are days."""
    moved: dict[tuple[str, bool], str | None] = field(default_factory=dict)
    """Dates that were shifted already: those of one stay repeat."""
    referred: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """Pseudonyms of what was referred to already, by reference and kind."""
    element: Resource = field(default_factory=dict)
    """The element whose child is being transformed."""


Walk = Callable[[object, Context], object]


def deidentify(resource: Resource, context: Context) -> Resource:
    """Return what may leave of a resource: the paths of the allow list, transformed, and nothing else."""
    kind = resource["resourceType"]
    cache_key = (context.allowed.digest, kind)
    walk = _WALKS.get(cache_key)
    if walk is None:
        walk = _WALKS[cache_key] = _compile(context.allowed.trees[kind])
    left = walk(resource, context)
    return left if isinstance(left, dict) else {}


_WALKS: dict[tuple[str, str], Walk] = {}
"""The tree of allowed paths as functions, by the table's digest and the resource type."""


def _compile(branch: Branch) -> Walk:
    """Return a function that keeps of a value what a branch of the allow list lets through."""
    if branch.rule is not None and branch.rule.transform in _OF_THE_WHOLE:
        return _OF_THE_WHOLE[branch.rule.transform]
    if branch.rule is not None:
        return functools.partial(_each, _TRANSFORMS[branch.rule.transform](branch.rule))
    children = tuple((name, _compile(child)) for name, child in branch.children.items())

    def walk(value: object, context: Context) -> object:
        if not isinstance(value, dict):
            return None
        left = {}
        for name, onward in children:
            item = value.get(name)
            if item is not None:
                context.element = value
                kept = onward(item, context)
                if kept is not None:
                    left[name] = kept
        return left or None

    return functools.partial(_each, walk)


def _each(walk: Walk, value: object, context: Context) -> object:
    """Keep of each item of a list what may be kept of one."""
    if not isinstance(value, list):
        return walk(value, context)
    kept = [_each(walk, item, context) for item in value]
    return [item for item in kept if item is not None] or None


def _id(rule: Rule) -> Walk:
    kind = rule.resource
    return lambda value, context: context.subject.pseudonym(kind, value) if isinstance(value, str) else None


def _reference(rule: Rule) -> Walk:
    kind = rule.kind or ""

    def walk(value: object, context: Context) -> str | None:
        if not isinstance(value, str):
            return None
        cache_key = (value, kind)
        if cache_key not in context.referred:
            identity = context.resolve(value, kind)
            context.referred[cache_key] = context.subject.pseudonym(kind, identity) if identity else None
        return context.referred[cache_key]

    return walk


def _date(rule: Rule) -> Walk:
    end_of_day = rule.transform == "date-end"

    def walk(value: object, context: Context) -> str | None:
        if not isinstance(value, str):
            return None
        cache_key = (value, end_of_day)
        if cache_key not in context.moved:
            context.moved[cache_key] = context.subject.moved(value, context.zone, end_of_day=end_of_day)
        return context.moved[cache_key]

    return walk


def _death(_rule: Rule) -> Walk:
    return lambda value, context: context.subject.death(value, context.zone)


def _flag(_rule: Rule) -> Walk:
    return lambda value, _context: value if isinstance(value, bool) else None


def _code(rule: Rule) -> Walk:
    allowed = frozenset(rule.values)
    return lambda value, _context: value if isinstance(value, str) and value in allowed else None


def _coding(rule: Rule) -> Walk:
    systems = rule.systems

    def walk(value: object, context: Context) -> dict[str, str] | None:
        if not isinstance(value, dict):
            return None
        meaning = context.allowed.vocabulary.meaning_of(systems, value)
        if meaning is None:
            return None
        system, code = meaning
        return {
            "system": system,
            "code": context.subject.pseudonym(system, code) if system in context.allowed.keyed else code,
        }

    return walk


def _quantity(_rule: Rule) -> Walk:
    return lambda value, context: _measured(value, context) if isinstance(value, dict) else None


def _integer(_rule: Rule) -> Walk:
    return lambda value, context: _measured({"value": value}, context)


def _measured(quantity: Resource, context: Context) -> Resource:
    """Return a measurement, or under ``absent`` the reason why there is none."""
    measure = context.allowed.measured(quantity, _loinc(context))
    return {"absent": measure} if isinstance(measure, str) else measure


def _loinc(context: Context) -> Iterator[str]:
    """Give the LOINC codes of the element that holds a value."""
    code = context.element.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict):
            meaning = context.allowed.meaning(LOINC, coding.get("system"), coding.get("code"))
            if meaning is not None:
                yield meaning[1]


def _address(_rule: Rule) -> Walk:
    return lambda value, context: context.allowed.area(value)


def _categories(value: object, _context: Context) -> dict[str, str] | None:
    return groups().categories(value) or None


def _payer(value: object, _context: Context) -> str | None:
    """Return the class of payer that a Coverage's ``type`` (a CodeableConcept) or ``payor`` (references) tells."""
    return groups().payer(None, value) if isinstance(value, list) else groups().payer(value, None)


_OF_THE_WHOLE: dict[str, Walk] = {"categories": _categories, "payer": _payer}
"""What an element tells as a whole, where its items together say it."""

_TRANSFORMS: dict[str, Callable[[Rule], Walk]] = {
    "id": _id,
    "reference": _reference,
    "date": _date,
    "date-end": _date,
    "death": _death,
    "flag": _flag,
    "code": _code,
    "coding": _coding,
    "quantity": _quantity,
    "integer": _integer,
    "address": _address,
}
