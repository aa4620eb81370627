"""Arguments of API calls for table-driven AWS types, and their validation."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from local.plugins.aws.calls import ApiType, Call
from local.plugins.aws.models import at, faults, input_shape
from local.plugins.aws.names import member, members, reworded, send
from local.plugins.provider.common import Props
from local.plugins.provider.values import UNKNOWN

_NAME: Final = re.compile(r"\{(\w+)\}")


# --- templates ---------------------------------------------------------------------------
def names_in(template: Any) -> set[str]:
    """Return the placeholder names in a template, or in templates in lists and mappings."""
    return set(_NAME.findall(json.dumps(template)))


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """Fill a template with values; None if a name has no value.

    A template of only one name becomes the value itself, of any type.
    """
    if isinstance(template, dict):
        filled = {name: fill(item, values) for name, item in template.items()}
        return {name: item for name, item in filled.items() if item is not None}
    if isinstance(template, list):
        return [item for item in (fill(item, values) for item in template) if item is not None]
    if not isinstance(template, str):
        return template
    names = _NAME.findall(template)
    if any(values.get(name) is None for name in names):
        return None
    if any(values[name] is UNKNOWN for name in names):
        return UNKNOWN
    if len(names) == 1 and template == f"{{{names[0]}}}":
        return values[names[0]]
    return _NAME.sub(lambda name: str(values[name.group(1)]), template)


def parse(template: str, text: str) -> Props:
    """Return the values of a filled template; None if the text does not match it."""
    pattern = "".join(
        f"(?P<{part[1:-1]}>.+?)" if part.startswith("{") else re.escape(part)
        for part in re.split(r"(\{\w+\})", template)
    )
    match = re.fullmatch(pattern, text)
    return dict(match.groupdict()) if match else {}


# --- arguments ---------------------------------------------------------------------------
def place(kind: ApiType, call: Call, name: str) -> str | None:
    """Return the argument path of an input in a call; None if the call does not take it."""
    if call.only is not None and name not in call.only:
        return None
    if name in call.sets:
        return call.sets[name][0]
    if name in call.names:
        return call.names[name] or None
    shape = input_shape(kind.service, call.operation)
    place_name = member(members(shape), name)
    if place_name is not None:
        return None if place_name in call.fixed else place_name
    inner = member(members(at(shape, call.inside)), name) if call.inside else None
    return f"{call.inside}.{inner}" if inner is not None else None


def calls_for(kind: ApiType, inputs: Props, changed: Callable[[str], bool]) -> list[Call]:
    """Return the calls that set any of the changed inputs."""
    due = [call for call in kind.changes if any(changed(name) for name in taken(kind, call, inputs))]
    asked = [call for call in kind.changes if inputs.get(call.asked) is True and (due or changed(call.asked))]
    denied = [call for call in kind.changes if inputs.get(call.denied) is False and changed(call.denied)]
    return [call for call in kind.changes if call in due or call in asked or call in denied]


def taken(kind: ApiType, call: Call, inputs: Props) -> list[str]:
    """Return the inputs that a call takes."""
    return [name for name in inputs if name not in ("tags", "region") and place(kind, call, name)]


def known(kind: ApiType, name: str) -> bool:
    """Return whether a type has an input of that name."""
    if name == "region":
        return kind.regional
    if name in (*kind.reads, *(flag for call in kind.changes for flag in (call.asked, call.denied))) or (
        name == "tags" and kind.tags
    ):
        return True
    every = (kind.create, *kind.changes, *kind.deletes)
    return any(place(kind, call, name) or name in names_in(dict(call.fixed)) for call in every)


def fixed_for_good(kind: ApiType, name: str) -> bool:
    """Return whether an input cannot change in place."""
    changed = any(place(kind, change, name) or change.asked == name for change in kind.changes)
    return name != "tags" and place(kind, kind.create, name) is not None and not changed


def arguments(
    kind: ApiType, call: Call, inputs: Props, values: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Return a call's arguments; inputs that the API does not have are added to ``problems``."""
    shape, request = input_shape(kind.service, call.operation), dict[str, Any]()
    for name in taken(kind, call, inputs):
        where = str(place(kind, call, name))
        if name in call.sets:
            for side, items in _set_change(call, name, inputs[name], values.get(f"old {name}")):
                _put(request, side, send(at(shape, side), reworded(items, name, kind.words), name, problems))
        elif name in kind.forms and inputs[name] is not UNKNOWN:
            _put(request, where, kind.forms[name].sent(inputs[name]))
        else:
            _put(request, where, send(at(shape, where), reworded(inputs[name], name, kind.words), name, problems))
    for where, template in call.fixed.items():
        filled = fill(template, values)
        if filled is not None:
            number = isinstance(filled, int | float) and not isinstance(filled, bool)
            _put(request, where, str(filled) if number and at(shape, where).type_name == "string" else filled)
    return call.finish(request)


def _set_change(call: Call, name: str, new: Any, old: Any) -> list[tuple[str, Any]]:
    """Return the additions to and removals from a set or mapping, with their argument paths."""
    add, remove = call.sets[name]
    if new is UNKNOWN:
        return []
    if isinstance(new, dict):
        before = old or {}
        added: Any = {key: value for key, value in new.items() if before.get(key) != value}
        sides = [(add, added), (remove, [key for key in before if key not in new])]
    else:
        sides = [(add, [x for x in new if x not in (old or [])]), (remove, [x for x in old or [] if x not in new])]
    return [(where, items) for where, items in sides if items]


def _put(request: dict[str, Any], where: str, value: Any) -> None:
    """Set a value at a path, such as ``Rules[0].Name``."""
    step, _, rest = where.partition(".")
    name, _, index = step.partition("[")
    if index:
        items = request.setdefault(name, [])
        if not rest:
            items.append(value)
            return
        if not items:
            items.append({})
        _put(items[0], rest, value)
    elif rest:
        _put(request.setdefault(name, {}), rest, value)
    else:
        both = isinstance(request.get(name), dict) and isinstance(value, dict)
        request[name] = {**request[name], **value} if both else value


def emptied(kind: ApiType, call: Call, name: str) -> Any:
    """Return the value that clears an input; None if the API has none."""
    shape = at(input_shape(kind.service, call.operation), str(place(kind, call, name)))
    return {"string": "", "list": [], "map": {}, "boolean": False}.get(shape.type_name if shape is not None else "")


# --- tags --------------------------------------------------------------------------------
def spelled_tags(kind: ApiType, call: Call, where: str, tags: Mapping[str, str]) -> Any:
    """Return tags in the form of a call's argument: a mapping, a list of pairs or a list of names."""
    shape = at(input_shape(kind.service, call.operation), where)
    if kind.tags is not None and kind.tags.kind and where == kind.tags.sent:
        return [{"ResourceType": kind.tags.kind, "Tags": [{"Key": n, "Value": v} for n, v in sorted(tags.items())]}]
    if shape.type_name == "map":
        return dict(tags)
    if shape.member.type_name == "string":
        return sorted(tags)
    key, value = _pair(shape.member.members)
    if where == (kind.tags.out if kind.tags else "") and call is (kind.tags.remove if kind.tags else None):
        return [{key: name} for name in sorted(tags)]
    return [{key: name, value: text} for name, text in sorted(tags.items())]


def _pair(names: Any) -> tuple[str, str]:
    key = next(name for name in names if name.lower().endswith("key"))
    return key, next(name for name in names if name.lower().endswith("value"))


def plain_tags(live: Any) -> dict[str, str]:
    """Return tags of an API response, in any form, as a mapping."""
    if isinstance(live, dict):
        return dict(live)
    pairs = [(_pair(tag), tag) for tag in live or []]
    return {tag[key]: tag[value] for (key, value), tag in pairs}


# --- validation --------------------------------------------------------------------------
def validate(kind: ApiType, inputs: Props) -> Iterator[tuple[str, str]]:
    """Validate inputs against the API's model, before any request."""
    for name in inputs:
        if not known(kind, name):
            yield name, f"{name} is no input of {kind.token} that this plugin can hand to AWS; leave it out"
    reported: dict[str, None] = {}
    for call in (kind.create, *kind.changes):
        if call is not kind.create and not taken(kind, call, inputs):
            continue
        problems: list[str] = []
        # Values that are only known later are not validated.
        opened = {**dict.fromkeys(names_in(dict(call.fixed)), UNKNOWN), **inputs}
        request = arguments(kind, call, inputs, opened, problems)
        if call is kind.create and kind.tags and kind.tags.sent and inputs.get("tags") not in (None, UNKNOWN):
            _put(request, kind.tags.sent, spelled_tags(kind, call, kind.tags.sent, inputs["tags"]))
        wrong = problems or faults(input_shape(kind.service, call.operation), request)
        reported |= dict.fromkeys(f"{call.operation}: {text}" for text in wrong)
    for text in reported:
        yield "", text
