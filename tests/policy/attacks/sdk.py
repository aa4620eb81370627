"""The types of the installed providers' SDKs: kinds of resources, and the properties that each takes."""

import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import NoneType
from typing import Any, Union, get_args, get_origin

from pulumi import Output
from pulumi import _types as types

_REGISTERED = re.compile(r'resource_modules="""\n(.*?)\n"""', re.DOTALL)
_VALUES = re.compile(
    r"(?:[Vv]alid (?:values|options|types)|[Pp]ossible (?:enum )?values|[Mm]ust be (?:one of|either)|"
    r"[Cc]an be (?:one of|either)|[Vv]alues? (?:are|is)|[Aa]ccepted values|[Oo]ne of|[Aa]llowed values)"
    r"[^.`]*((?:`[^`]+`[^`.]{0,40})+)"
)
_QUOTED = re.compile(r"`\"?([A-Za-z0-9_.:/*-]+)\"?`")
_DEFAULT_TRUE = re.compile(r"[Dd]efaults? (?:is|to|value is)[^.]{0,30}`?true`?", re.IGNORECASE)


@dataclass(frozen=True)
class Property:
    """A property that a resource, or an object inside it, takes.

    Parameters
    ----------
    name
        As the engine knows it.
    type
        ``bool``, ``int``, ``float``, ``str``, a class of an object, or ``Any``.
    shape
        ``one``, ``list`` or ``map`` of that type.
    doc
        Its description.
    owner
        The class that has it.
    required
        Whether an object without it is refused by the provider.
    """

    name: str
    type: Any
    shape: str
    doc: str
    owner: str = ""
    required: bool = False

    @property
    def fields(self) -> dict[str, "Property"]:
        """The properties of the objects that it holds."""
        return fields(self.type) if isinstance(self.type, type) and types.is_input_type(self.type) else {}

    @property
    def values(self) -> tuple[str, ...]:
        """The values that its description names."""
        found = (value for text in _VALUES.findall(self.doc) for value in _QUOTED.findall(text))
        return tuple(dict.fromkeys(found))

    @property
    def true_by_default(self) -> bool:
        """Whether a switch is on where nothing is said."""
        return bool(_DEFAULT_TRUE.search(self.doc))


@cache
def kinds(package: str) -> Mapping[str, str]:
    """Return the module of every type of resource that a provider's SDK has, without importing it all."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise LookupError(package)
    [text] = _REGISTERED.findall(Path(spec.origin).read_text(encoding="utf-8"))
    return {token: entry["fqn"] for entry in json.loads(text) for token in entry["classes"]}


@cache
def resource_fields(type_: str) -> dict[str, Property]:
    """Return the properties that a type of resource takes; none where the SDK does not know it."""
    package = {"aws": "pulumi_aws", "kubernetes": "pulumi_kubernetes", "vault": "pulumi_vault"}.get(type_.split(":")[0])
    module_name = kinds(package).get(type_) if package else None
    if module_name is None:
        return {}
    module, name = importlib.import_module(module_name), type_.rpartition(":")[2]
    for class_name in (f"{name}InitArgs", f"{name}Args"):
        found = getattr(module, class_name, None)
        if found is not None and types.is_input_type(found):
            return fields(found)
    return {}


@cache
def fields(class_: type) -> dict[str, Property]:
    """Return the properties of an input class."""
    hints = types.input_type_types(class_)
    docs = {name: getattr(member.fget, "__doc__", "") or "" for _, name, member in types._py_properties(class_)}
    required = set(types._required_property_names(class_))
    made = (_property(name, hint, docs.get(name, "")) for name, hint in hints.items())
    return {p.name: replace(p, owner=class_.__name__.removesuffix("Args"), required=p.name in required) for p in made}


def _property(name: str, hint: Any, doc: str) -> Property:
    hint, shape = _plain(hint), "one"
    origin = get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        hint, shape = _plain(get_args(hint)[1]), "map"
    elif origin is not None and origin is not Union:
        hint, shape = _plain(get_args(hint)[0]), "list"
    return Property(name, hint, shape, doc)


def _plain(hint: Any) -> Any:
    """Return the first type of a union, without what stands for promised values."""
    while get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        parts = [part for part in get_args(hint) if part is not NoneType and get_origin(part) is not Output]
        hint = parts[0]
    return hint
