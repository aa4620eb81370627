"""Fast validation of FHIR resources: checks compiled once from the models of fhir.resources.

The checks say yes only where fhir.resources would; to everything else they say that they are not sure, and
fhir.resources itself decides (``model.fhir.validation``). So what is accepted stays the library's judgement.
"""

import functools
import importlib
import math
import re
import typing
from collections.abc import Callable, KeysView
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

from fhir_core.constraints import FHIR_TYPES_MAPS
from fhir_core.fhirabstractmodel import FHIRAbstractModel
from fhir_core.types import FhirBase
from pydantic.fields import FieldInfo

from model.io.json_elements import Resource

Check = Callable[[object], bool]

RELEASE = "R4B"
_NEVER_SURE = frozenset({"modifierExtension", "fhir_comments"})

_DAY = (
    r"(?:1[89]|2[01])[0-9]{2}-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_PART = r"(?:1[89]|2[01])[0-9]{2}(?:-(?:0[1-9]|1[0-2]))?"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"


def _matching(pattern: str) -> Check:
    matcher = re.compile(pattern).fullmatch
    return lambda value: type(value) is str and matcher(value) is not None


def _text(value: object) -> bool:
    return type(value) is str and value != "" and not value.isspace()


def _any_text(value: object) -> bool:
    return type(value) is str


def _truth(value: object) -> bool:
    return value is True or value is False


def _decimal(value: object) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _whole(low: int) -> Check:
    return lambda value: type(value) is int and low <= value < 2**31


# The primitive types whose values can be checked completely; the others (url, base64Binary, …) are left to the library.
_PRIMITIVES: dict[str, Check] = {
    "boolean": _truth,
    "string": _text,
    "code": _matching(r"[!-~]+(?: [!-~]+)*"),
    "id": _matching(r"[A-Za-z0-9\-.]{1,64}"),
    "uri": _any_text,
    "canonical": _any_text,
    "markdown": _any_text,
    "xhtml": _any_text,
    "decimal": _decimal,
    "integer": _whole(-(2**31)),
    "unsignedInt": _whole(0),
    "positiveInt": _whole(1),
    "date": _matching(f"{_DAY}|{_PART}"),
    "dateTime": _matching(f"{_DAY}(?:T{_CLOCK}{_ZONE})?|{_PART}"),
    "instant": _matching(f"{_DAY}T{_CLOCK}{_ZONE}"),
    "time": _matching(_CLOCK),
}


@dataclass
class _Shape:
    """Allowed elements of a FHIR type."""

    checks: dict[str, Check] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    one_of: tuple[frozenset[str], ...] = ()
    """Of each of these groups at most one element may be present."""
    some_of: tuple[frozenset[str], ...] = ()
    """Of each of these groups at least one element must be present."""

    def fits(self, value: object) -> bool:
        """Return whether a value is surely of this type."""
        if type(value) is not dict:
            return False
        checks = self.checks
        for name, item in value.items():
            check = checks.get(name)
            if check is None or not check(item):
                return False
        for name in self.required:
            if name not in value:
                return False
        return value != {} and (not self.one_of or self._chosen(value.keys()))

    def _chosen(self, names: KeysView[str]) -> bool:
        return all(len(names & group) < 2 for group in self.one_of) and all(names & group for group in self.some_of)


def surely_valid(resource: Resource, kind: str) -> bool:
    """Return whether fhir.resources would surely accept a resource of a kind; false means only "not sure"."""
    return resource.get("resourceType") == kind and _shape(_model(kind)).fits(resource)


@functools.cache
def _model(kind: str) -> type[FHIRAbstractModel]:
    module = importlib.import_module(f"fhir.resources.{RELEASE}.{kind.lower()}")
    model_class: type[FHIRAbstractModel] = getattr(module, kind)
    return model_class


@functools.cache
def _shape(model: type[FHIRAbstractModel]) -> _Shape:
    """Return the shape of a model; its elements are compiled on first use, for types refer to themselves."""
    shape = _Shape()
    blank = model.model_construct()
    aliases = {name: _alias(name, info) for name, info in model.model_fields.items()}
    for name, info in model.model_fields.items():
        if aliases[name] not in _NEVER_SURE:
            shape.checks[aliases[name]] = _first_use(shape, aliases[name], info)
    if model.has_resource_base():
        shape.checks["resourceType"] = _any_text  # whoever asks has compared it with the model's
    needed = [aliases[name] for name, info in model.model_fields.items() if info.is_required()]
    needed += [name for name, _ in blank.get_required_fields()]
    needed += ["extension"] if model.__name__ == "FHIRPrimitiveExtension" else []
    shape.required = tuple(dict.fromkeys(needed))
    choices = blank.get_one_of_many_fields().values()
    shape.one_of = tuple(frozenset(aliases[name] for name in group) for group in choices)
    shape.some_of = tuple(
        frozenset(aliases[name] for name in group)
        for group in choices
        if _extra(model.model_fields[group[0]]).get("one_of_many_required")
    )
    return shape


def _alias(name: str, info: FieldInfo) -> str:
    return info.alias or name


def _extra(info: FieldInfo) -> dict[str, object]:
    extra = info.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def _first_use(shape: _Shape, alias: str, info: FieldInfo) -> Check:
    def check(value: object) -> bool:
        field_check = _field_check(info)
        shape.checks[alias] = field_check
        return field_check(value)

    return check


def _field_check(info: FieldInfo) -> Check:
    """Return the check of one element, a list where it repeats."""
    annotation = info.annotation
    repeats = False
    metadata = list(info.metadata)
    while typing.get_origin(annotation) in {typing.Union, UnionType, list}:
        repeats = repeats or typing.get_origin(annotation) is list
        inner = [argument for argument in typing.get_args(annotation) if argument is not type(None)]
        if len(inner) != 1:
            return _not_sure
        annotation = inner[0]
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *metadata = typing.get_args(annotation)
    one = _type_check(annotation, metadata)
    return functools.partial(_all, one) if repeats else one


def _type_check(annotation: object, metadata: list[object]) -> Check:
    if isinstance(annotation, type) and issubclass(annotation, FhirBase):
        if annotation.get_model_klass().__name__ == "Resource":
            return _contained
        return _shape(annotation.get_model_klass()).fits
    names = [getattr(mark, "__visit_name__", None) for mark in metadata]
    name = next((name for name in names if name), "boolean" if annotation is bool else None)
    return _PRIMITIVES.get(name or "", _not_sure)


def _contained(value: Any) -> bool:
    kind = value.get("resourceType") if type(value) is dict else None
    return type(kind) is str and _is_resource(kind) and surely_valid(value, kind)


@functools.lru_cache(maxsize=1000)
def _is_resource(kind: str) -> bool:
    is_known = f"fhir.resources.{RELEASE}.{kind.lower()}.{kind}" in FHIR_TYPES_MAPS.values()
    return is_known and bool(_model(kind).has_resource_base())


def _all(one: Check, values: object) -> bool:
    return type(values) is list and values != [] and all(map(one, values))


def _not_sure(_value: object) -> bool:
    return False
