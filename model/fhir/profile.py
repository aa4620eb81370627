"""FHIR profile of ingestion (``model/fhir/profile.yaml``), compiled to one check a resource type."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from model.deid.subject import moment_of
from model.io.json_elements import Resource
from model.io.yaml_tables import content_digest

PROFILE_FILE = Path(__file__).parent / "profile.yaml"

Need = Literal["present", "values", "day", "order"]
Get = Callable[[Resource], object]

_SAID = {
    "present": ("required", "is missing"),
    "values": ("code-invalid", "is not in the required value set"),
    "day": ("value", "is not a date with a day"),
    "order": ("invariant", "lies before the start"),
}


class Rule(BaseModel):
    """A profile rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    resource: str
    path: str
    need: Need
    severity: Literal["error", "warning"]
    reference: str
    why: str
    values: tuple[str, ...] = ()
    after: str = ""
    when: dict[str, tuple[str, ...]] = {}

    @property
    def expression(self) -> str:
        """The FHIRPath of the element."""
        return " | ".join(f"{self.resource}.{path}" for path in _paths(self.path))

    @property
    def issue_code(self) -> str:
        """The code of an OperationOutcome issue (FHIR value set issue-type)."""
        return _SAID[self.need][0]

    @property
    def said(self) -> str:
        """What is wrong when the rule is not kept, without any value."""
        return f"{self.expression} {_SAID[self.need][1]} (rule {self.id}; {self.reference})"


class Profile(BaseModel):
    """The profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class _Compiled:
    rule: Rule
    broken: Callable[[Resource], bool]


@functools.cache
def profile() -> Profile:
    """Read the profile that ships with the package."""
    return Profile.model_validate(yaml.safe_load(PROFILE_FILE.read_bytes()))


@functools.cache
def digest() -> str:
    """Return the hash of the table."""
    return content_digest(PROFILE_FILE.read_bytes())


def broken_rules(resource: Resource, kind: str) -> Iterator[Rule]:
    """Give the rules that a valid resource of a kind does not keep."""
    for compiled in _compiled(kind):
        if compiled.broken(resource):
            yield compiled.rule


@functools.cache
def _compiled(kind: str) -> tuple[_Compiled, ...]:
    return tuple(_Compiled(rule, _broken(rule)) for rule in profile().rules if rule.resource == kind)


def _broken(rule: Rule) -> Callable[[Resource], bool]:
    get = _either([_getter(path) for path in _paths(rule.path)])
    fault = _FAULTS[rule.need](rule, get)
    if not rule.when:
        return fault
    conditions = [(_getter(path), frozenset(values)) for path, values in rule.when.items()]
    return lambda resource: all(at(resource) in values for at, values in conditions) and fault(resource)


def _missing(_rule: Rule, get: Get) -> Callable[[Resource], bool]:
    return lambda resource: not get(resource)


def _foreign(rule: Rule, get: Get) -> Callable[[Resource], bool]:
    allowed = frozenset({*rule.values, None})
    return lambda resource: get(resource) not in allowed


def _vague(_rule: Rule, get: Get) -> Callable[[Resource], bool]:
    return lambda resource: (value := get(resource)) is not None and moment_of(value) is None


def _reversed(rule: Rule, get: Get) -> Callable[[Resource], bool]:
    after = _getter(rule.after)

    def broken(resource: Resource) -> bool:
        end, start = get(resource), after(resource)
        # fhir.resources takes numbers for dates too.
        if not isinstance(end, str) or not isinstance(start, str):
            return False
        # A day without a clock time may be any moment of it, and a vague date is no proof of anything.
        if len(end) < _FULL or len(start) < _FULL:
            shared = min(len(end), len(start))
            return bool(end[:shared] < start[:shared])
        last, first = moment_of(end), moment_of(start)
        return last is not None and first is not None and last < first

    return broken


_FULL = len("2024-01-01T00:00")
_FAULTS: dict[str, Callable[[Rule, Get], Callable[[Resource], bool]]] = {
    "present": _missing,
    "values": _foreign,
    "day": _vague,
    "order": _reversed,
}


def _paths(text: str) -> list[str]:
    return [path.strip() for path in text.split("|")]


def _either(getters: list[Get]) -> Get:
    if len(getters) == 1:
        return getters[0]

    def get(resource: Resource) -> object:
        for one in getters:
            value = one(resource)
            if value:
                return value
        return None

    return get


def _getter(path: str) -> Get:
    first, _, rest = path.partition(".")
    if not rest:
        return lambda resource: resource.get(first)
    inner = _getter(rest)

    def get(resource: Resource) -> object:
        value = resource.get(first)
        return inner(value) if type(value) is dict else None

    return get
