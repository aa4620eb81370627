"""Planter of canaries: fills every element, at any depth, that a FHIR resource leaves empty."""

import functools
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fhir.resources.R4B import get_fhir_model_class
from pydantic.fields import FieldInfo

from bench.leaks.canaries import held

DEEPEST = 4
DEEPEST_EXTENSION = 2
# A resource with one of these is not used, or belongs to another patient (Patient.link), so it could not leak.
_LEFT_OUT = frozenset(
    {
        "resourceType",
        "resource_type",
        "fhir_comments",
        "modifierExtension",
        "implicitRules",
        "focus",
        "link",
        "contained",
    }
)
_PYTHON = {"bool": "Boolean", "bytes": "Base64Binary", "date": "Date", "datetime": "DateTime", "time": "Time"}


@dataclass(frozen=True)
class Element:
    """One element of a type."""

    name: str
    kind: str
    """The type's name, of a primitive or of a structure."""
    plain: bool
    many: bool
    group: str | None
    """The choice that it is one of, such as value for valueString."""
    choices: tuple[str, ...]


@functools.cache
def elements(kind: str) -> tuple[Element, ...]:
    """Return the elements of a resource or data type, as defined by fhir.resources."""
    fields: dict[str, FieldInfo] = get_fhir_model_class(kind).model_fields
    listed = (_element(info.alias or name, info) for name, info in fields.items() if name not in _LEFT_OUT)
    return tuple(element for element in listed if element.kind != "Resource")


def _element(name: str, info: FieldInfo) -> Element:
    leaf, many = info.annotation, False
    plain = ""
    while typing.get_args(leaf):
        origin, inside = typing.get_origin(leaf), typing.get_args(leaf)
        if origin is typing.Annotated:
            plain = type(inside[1]).__name__
            plain = type(inside[-1]).__name__ if plain == "EncodedBytes" else plain
            leaf = inside[0]
            break
        many = many or origin is list
        leaf = next(item for item in inside if item is not type(None))
    label = getattr(leaf, "__name__", str(leaf))
    about = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    group, choices = about.get("one_of_many"), about.get("enum_values")
    return Element(
        name=name,
        kind=plain or _PYTHON.get(label, label.removesuffix("Type")),
        plain=bool(plain) or label in _PYTHON or label in {"str", "int", "Decimal"},
        many=many,
        group=str(group) if group else None,
        choices=tuple(str(choice) for choice in choices) if isinstance(choices, list) else (),
    )


@dataclass
class Planter:
    """Planter of one canary in all elements that a resource leaves empty.

    Parameters
    ----------
    canary
        What to plant.
    turn
        Which of an element's types to take where FHIR has a choice; a planter of each turn covers them all.
    """

    canary: str
    turn: int = 0
    planted: int = 0
    paths: set[str] = field(default_factory=set)

    def fill(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return a resource with the canary in all empty elements; existing values are unchanged."""
        kind = str(resource["resourceType"])
        filled = self._structure(kind, resource, kind, 0)
        inside = self._structure("Patient", {"resourceType": "Patient"}, f"{kind}.contained", DEEPEST - 2)
        return filled | {"contained": [*resource.get("contained", []), inside]}

    def _structure(self, kind: str, own: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        filled = dict(own)
        taken = {element.group for element in elements(kind) if element.group and element.name in own}
        options: dict[str, list[str]] = {}
        for element in elements(kind):
            if element.group:
                options.setdefault(element.group, []).append(element.name)
        for element in elements(kind):
            if element.group in taken and element.name not in own:
                continue
            if element.group and element.name not in own:
                names = options[element.group]
                if element.name != names[self.turn % len(names)]:
                    continue
            value = self._value(element, own.get(element.name), f"{path}.{element.name}", depth)
            if value is not None:
                filled[element.name] = value
        return filled | self._beside(kind, filled, depth)

    def _beside(self, kind: str, filled: dict[str, Any], depth: int) -> dict[str, Any]:
        """Return extensions of primitive elements, under the keys with an underscore."""
        if depth:
            return {}
        extension = {"url": f"http://leak.example/{quote(self.canary, safe='')}", "valueString": self.canary}
        simple = [element.name for element in elements(kind) if element.plain and not element.many]
        return {f"_{name}": {"extension": [extension]} for name in simple if name in filled and name != "id"}

    def _value(self, element: Element, own: Any, path: str, depth: int) -> Any:
        if element.name.startswith("_"):
            return own
        if element.plain:
            return own if own is not None else self._planted(element, path)
        if element.kind == "Extension" and depth >= DEEPEST_EXTENSION:
            return own
        if depth >= DEEPEST:
            return own
        if not element.many:
            return self._structure(element.kind, own or {}, path, depth + 1)
        kept = [self._structure(element.kind, item, path, depth + 1) for item in own or []]
        return [*kept, self._structure(element.kind, {}, path, depth + 1)]

    def _planted(self, element: Element, path: str) -> Any:
        value = held(element.kind, self.canary, list(element.choices))
        self.planted += 1
        self.paths.add(path)
        return [value] if element.many else value


def strings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every string in a resource."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from strings(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from strings(item, (*path, place))
    elif isinstance(value, str):
        yield path


def turns(kind: str) -> int:
    """Return the number of planters that cover all choice types in a resource and its extensions."""
    counts = [
        sum(1 for element in elements(name) if element.group == group)
        for name in (kind, "Extension")
        for group in {element.group for element in elements(name)} - {None}
    ]
    return max(counts, default=1)
