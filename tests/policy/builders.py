"""Builders of resources, and of changes to one property of a resource."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from policy_pack.stack.graph import Graph, Resource, canonical
from policy_pack.stack.resource_types import resource_types
from policy_pack.stack.values import UNKNOWN

STACK = "prod"
PREFIX = "healthcare-mlops"


def build(type_: str, name: str, props: dict[str, Any], *, protect: bool = False, secrets: str = "") -> Resource:
    """Return a resource; a reference ``{"->": "type::name.property"}`` in its properties is resolved by `linked`.

    A resource of AWS without tags gets the ownership tags.
    """
    resource = Resource(
        urn=f"urn:pulumi:{STACK}::hmlops::{type_}::{name}",
        type=type_,
        name=name,
        props=props,
        secrets=frozenset(secrets.split()),
        protect=protect,
    )
    if "tags" not in props and resource_types().takes_tags(resource):
        return replace(resource, props={**props, "tags": tags()})
    return resource


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def tags(hospital: str = "", data: str = "", *, phi: str = "false", **more: str) -> dict[str, str]:
    known = {"environment": STACK, "owner": "platform", "phi": phi, "hospital": hospital, "data-class": data, **more}
    return {f"{PREFIX}/{name.replace('_', '-')}": value for name, value in known.items() if value}


@dataclass(frozen=True)
class Spot:
    """A resource and a property of it."""

    kind: str
    name: str
    path: str


def steps(path: str) -> list[str | int]:
    """Return the keys of a path; a key that contains dots is written in ``{}``."""
    found: list[str | int] = []
    for part in re.findall(r"\{[^}]*\}|[^.\[\]]+|\[\d+\]", path):
        if part.startswith("{"):
            found.append(part[1:-1])
        else:
            found.append(int(part[1:-1]) if part.startswith("[") else part)
    return found


def put(props: Any, path: str, value: Any) -> dict[str, Any]:
    """Return properties with another value at a path; a function receives the old value, `GONE` removes it."""
    changed: dict[str, Any] = copy.deepcopy(dict(props))
    *way, last = steps(path)
    place: Any = changed
    for step, following in pairwise([*way, last]):
        # A list that does not exist has no element that could be changed.
        fills = isinstance(place, dict) and isinstance(following, str)
        place = place.setdefault(step, {}) if fills else place[step]
    old = place.get(last) if isinstance(place, dict) else place[int(last)]
    new = value(old) if callable(value) else value
    if new is GONE:
        del place[last]
    else:
        place[last] = new
    return changed


class Gone:
    """A marker for a value to be removed."""


GONE = Gone()


def changed(resource: Resource, path: str, value: Any) -> Resource:
    """Return a resource with another value at a path."""
    depends = dict(resource.depends)
    if value is UNKNOWN or len(steps(path)) == 1:
        depends.pop(str(steps(path)[0]), None)
    return replace(resource, props=put(resource.props, path, value), depends=depends)


def swapped(resources: list[Resource], old: Resource, *new: Resource) -> Graph:
    """Return a graph with one resource replaced or removed."""
    return Graph([*(r for r in resources if r.urn != old.urn), *new], STACK)


def statement(position: int, **parts: Any) -> Callable[[str], str]:
    """Return a change of one statement of a policy document."""

    def change(old: str) -> str:
        written = json.loads(old)
        entry = listed(written["Statement"])[position]
        for name, value in parts.items():
            if value is GONE:
                entry.pop(name, None)
            else:
                entry[name] = value
        return json.dumps(written)

    return change


def added(**parts: Any) -> Callable[[str], str]:
    """Return a change that adds a statement to a policy document."""

    def change(old: str) -> str:
        written = json.loads(old)
        written["Statement"] = [*listed(written["Statement"]), parts]
        return json.dumps(written)

    return change


def granting(action: str, **parts: Any) -> Callable[[str], str]:
    """Return a change of the first Allow statement of a policy document with an action."""

    def change(old: str) -> str:
        entries = listed(json.loads(old)["Statement"])
        allowed = (n for n, e in enumerate(entries) if e["Effect"] == "Allow" and action in listed(e.get("Action")))
        return statement(next(allowed, len(entries)), **parts)(old)

    return change


def testing(key: str, **parts: Any) -> Callable[[str], str]:
    """Return a change of every statement of a policy document with a condition on a key."""

    def change(old: str) -> str:
        for position, entry in enumerate(listed(json.loads(old)["Statement"])):
            if _tests(entry, (key,)):
                old = statement(position, **parts)(old)
        return old

    return change


def without(*keys: str) -> Callable[[str], str]:
    """Return a change that removes the statements of a policy document with a condition on one of some keys."""

    def change(old: str) -> str:
        written = json.loads(old)
        written["Statement"] = [entry for entry in listed(written["Statement"]) if not _tests(entry, keys)]
        return json.dumps(written)

    return change


def _tests(entry: dict[str, Any], keys: tuple[str, ...]) -> bool:
    return any(key in tests for tests in entry.get("Condition", {}).values() for key in keys)


def listed(value: Any) -> list[Any]:
    """Return a list; a single value becomes a list of one."""
    return value if isinstance(value, list) else [value]


def of(resources: list[Resource], kind: str) -> list[Resource]:
    """Return the resources of a kind."""
    return [resource for resource in resources if canonical(resource.type) == kind]


def policy(path: str, capability: str = "read") -> str:
    """Return a Vault policy of one path and capability."""
    return f'path "{path}" {{\n  capabilities = ["{capability}"]\n}}\n'
