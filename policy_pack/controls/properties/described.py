"""The properties of each resource, compared with the tables of described properties."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from policy_pack.controls.properties.table import Properties, Value, table
from policy_pack.controls.rules import join_check, resource_check
from policy_pack.facts.iam.callers import own_account
from policy_pack.stack.checks import Findings, StackContext, not_yet_known, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ROLE, ROLE_KEYS
from policy_pack.stack.values import UNKNOWN

_ARN = re.compile(r"arn:[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:(\d*):(?:[a-z-]+[:/])?([^:/]+)(?::\*)?")
_INDEX = re.compile(r"\[\d+\]")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_SECONDS = (86400, 3600, 60, 1)
# Properties by which other resources refer to one.
_IDENTITIES = ("id", "arn", "name", "bucket", "keyId", "url", "clusterIdentifier", "clusterName", "analyzerName")


def properties_are_described(resource: Resource, row: Properties) -> Findings:
    """Refuse properties that a row does not describe, and values that it does not list."""
    if row.all_of is not None:
        for path in _set(resource.props):
            name = _INDEX.sub("", path)
            if not row.is_described(name):
                yield violation(f"{name} is not described for {resource.kind}; describe it, or remove it", path)
    for name, values in row.values.items():
        allowed = " or ".join(_text(value) for value in values if value is not None) or "absent"
        yield from _judged(resource, name, partial(_is_listed, values), f"is not {allowed}")
    for name, pattern in row.patterns.items():
        yield from _judged(resource, name, partial(_is_like, pattern), f"is not like {pattern}")
    for name, most in row.at_most.items():
        yield from _judged(resource, name, partial(_is_within, 0, most), f"is not at most {most}")
    for name, least in row.at_least.items():
        yield from _judged(resource, name, partial(_is_within, least, None), f"is not at least {least}")
    for name in row.required:
        yield from _judged(resource, name, bool, "is not given, or zero")
    yield from _lists(resource, row)


def _set(value: Any, path: str = "") -> Iterator[str]:
    """Return the places of values that are not empty, zero or false; an empty object may switch something on."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _set(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _set(item, f"{path}[{position}]")
    elif value is not UNKNOWN and (value or isinstance(value, Mapping)):
        yield path


def _lists(resource: Resource, row: Properties) -> Findings:
    """Refuse lists without an item like the one that a row requires, and those that are shorter than it says."""
    for name, pattern in row.some.items():
        values = list(_values(resource.props, name.split(".")))
        unknown = next((path for path, value in values if value is UNKNOWN), None)
        if unknown is not None:
            yield not_yet_known(unknown)
        elif not any(_is_like(pattern, value) for _, value in values):
            yield violation(f"{name} is nowhere like {pattern}", name)
    for name, least in row.items.items():
        listed = resource.at(name)
        if not listed.known:
            yield not_yet_known(listed.path)
        elif len(listed.raw or ()) < least:
            yield violation(f"{name} has fewer than {least} values", name)


def references_are_resolved(resource: Resource, row: Properties, graph: Graph) -> Findings:
    """Refuse references to what the stack does not have, where a row says that they name resources of the stack."""
    for name, kinds in row.references.items():
        # The engine knows of what resources a value is made, and does not tell the pack their ids.
        urns = resource.depends.get(name.partition(".")[0], ())
        if any((one := graph.get(urn)) is not None and one.kind in kinds for urn in urns):
            continue
        for path, value in _values(resource.props, name.split(".")):
            # What is not known yet is the output of a resource of the stack, or is judged at the update.
            if value is not UNKNOWN and value is not None and not _is_of_stack(str(value), kinds, graph):
                what = " or ".join(kind.rpartition(":")[2].rpartition("/")[2] for kind in kinds)
                yield violation(f"{name} names no {what} of this stack", path)

    for name, service in row.assumed_by.items():
        role = graph.target(resource, name, (ROLE,), ROLE_KEYS)
        if role is not None and service not in str(role.props.get("assumeRolePolicy") or service):
            yield violation(f"{name} is a role that {service} cannot assume", name)


def _is_of_stack(value: str, kinds: tuple[str, ...], graph: Graph) -> bool:
    """Return whether a name, an id or an ARN is that of a resource of some kinds."""
    own = _identities(graph, kinds)
    if value in own:
        return True
    arn = _ARN.fullmatch(value)
    return arn is not None and arn[1] in ("", own_account(graph)) and arn[2] in own


def _identities(graph: Graph, kinds: tuple[str, ...]) -> Collection[str]:
    def compute(graph: Graph) -> set[str]:
        values = (one.props.get(name) for one in graph.of(*kinds) for name in _IDENTITIES)
        return {value for value in values if isinstance(value, str) and value}

    found: set[str] = graph.memo(f"identities of {kinds}", compute)
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_listed(values: Collection[Value], value: Any) -> bool:
    return value in values if value is None else _text(value) in (_text(one) for one in values if one is not None)


def _is_like(pattern: str, value: Any) -> bool:
    return re.fullmatch(pattern, str(value or "")) is not None


def _is_within(least: int, most: int | None, value: Any) -> bool:
    parts = _DURATION.fullmatch(str(value or 0))
    if parts is None:
        return False
    seconds = sum(int(number or 0) * unit for number, unit in zip(parts.groups(), _SECONDS, strict=True))
    return least <= seconds and (most is None or seconds <= most)


def _judged(resource: Resource, name: str, is_allowed: Callable[[Any], bool], text: str) -> Findings:
    """Judge a property: each item of a list, and None where it is absent or empty."""
    for path, value in _values(resource.props, name.split(".")):
        if value is UNKNOWN:
            yield not_yet_known(path)
        elif not is_allowed(value):
            yield violation(f"{name} {text}", path)


def _values(value: Any, steps: Sequence[str], path: str = "") -> Iterator[tuple[str, Any]]:
    """Return the values of a property with their places; None where it is absent or empty."""
    if value is UNKNOWN:
        yield path, value
    elif isinstance(value, list) and value:
        for position, item in enumerate(value):
            yield from _values(item, steps, f"{path}[{position}]")
    elif steps:
        inner = value.get(steps[0]) if isinstance(value, Mapping) else None
        yield from _values(inner, steps[1:], f"{path}.{steps[0]}" if path else steps[0])
    else:
        yield path, None if value is not None and value != 0 and not value else value


def _register(control: str, kinds: Mapping[str, Properties]) -> None:
    @resource_check(control, *kinds)
    def check(resource: Resource) -> Findings:
        yield from properties_are_described(resource, kinds[resource.kind])

    referring = [kind for kind, row in kinds.items() if row.references or row.assumed_by]
    if referring:

        @join_check(control, *referring)
        def check_references(resource: Resource, context: StackContext) -> Findings:
            yield from references_are_resolved(resource, kinds[resource.kind], context.graph)


for _control, _kinds in table().items():
    _register(_control, _kinds)
