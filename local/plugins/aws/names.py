"""Conversion of names and values between the official provider and an API, by botocore's model."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from botocore.model import Shape

from local.plugins.provider.rows import bare
from local.plugins.provider.values import UNKNOWN

_HEAD: Final = re.compile(r"^(?:[A-Z]+(?![a-z])|[A-Z])")
_NUMBERS: Final = {"integer": int, "long": int, "float": float, "double": float}


def camel(name: str) -> str:
    """Return the official provider's name for an API name.

    Examples
    --------
    >>> camel("VpcId"), camel("DBClusterIdentifier"), camel("KMSKeyId"), camel("ARN"), camel("roleArn")
    ('vpcId', 'dbClusterIdentifier', 'kmsKeyId', 'arn', 'roleArn')
    """
    return _HEAD.sub(lambda head: head.group().lower(), name)


def _singular(name: str) -> str:
    name = name.lower()
    if name.endswith("ies"):
        return name[:-3] + "y"
    if name.endswith("sses"):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def member(names: Iterable[str], official: str) -> str | None:
    """Return the API name for an official name; the official names of lists are plural.

    Examples
    --------
    >>> member(["VpcId", "SecurityGroupIds"], "vpcId")
    'VpcId'
    >>> member(["Filter", "SubnetId"], "subnetIds")
    'SubnetId'
    >>> member(["VpcId"], "vpc") is None
    True
    """
    candidates = list(names)
    exact = [name for name in candidates if name.lower() == official.lower()]
    close = [name for name in candidates if _singular(name) == _singular(official)]
    return exact[0] if exact else close[0] if len(close) == 1 else None


def members(shape: Any) -> Mapping[str, Shape]:
    """Return the members of a structure; empty for other shapes."""
    return shape.members if shape is not None and shape.type_name == "structure" else {}


def reworded(value: Any, where: str, words: Mapping[str, str]) -> Any:
    """Return a value with its inner names replaced by the API's.

    Examples
    --------
    >>> reworded([{"schedule": "daily", "tags": {"schedule": "a"}}], "rules", {"rules.schedule": "expression"})
    [{'expression': 'daily', 'tags': {'schedule': 'a'}}]
    """
    if isinstance(value, list):
        return [reworded(item, where, words) for item in value]
    if not isinstance(value, dict):
        return value
    paths = {name: f"{where}.{name}" for name in value}
    return {words.get(paths[name], name): reworded(item, paths[name], words) for name, item in value.items()}


def worded_back(value: Any, where: str, words: Mapping[str, str]) -> Any:
    """Return a value with the API's inner names replaced by the official ones.

    Examples
    --------
    >>> worded_back([{"expression": "daily"}], "rules", {"rules.schedule": "expression"})
    [{'schedule': 'daily'}]
    """
    if isinstance(value, list):
        return [worded_back(item, where, words) for item in value]
    if not isinstance(value, dict):
        return value
    ours = {word: path.rpartition(".")[2] for path, word in words.items() if path.rpartition(".")[0] == where}
    names = {name: ours.get(name, name) for name in value}
    return {names[name]: worded_back(item, f"{where}.{names[name]}", words) for name, item in value.items()}


def send(shape: Any, value: Any, where: str, problems: list[str]) -> Any:
    """Return an official value in the API's form; parts that the API does not have are added to ``problems``."""
    if value is UNKNOWN:
        return value
    kind = shape.type_name
    if kind == "structure":
        return _send_structure(shape, value, where, problems)
    if kind == "list":
        if isinstance(value, dict) and _pairs(shape):
            value = [{"key": name, "value": text} for name, text in value.items()]
        # The official provider flattens a list of at most one structure to that structure.
        items = [value] if isinstance(value, dict) else value
        if not isinstance(items, list):
            problems.append(f"{where} must be a list")
            return []
        return [send(shape.member, item, f"{where}[{index}]", problems) for index, item in enumerate(items)]
    if kind == "map":
        if not isinstance(value, dict):
            problems.append(f"{where} must be a mapping")
            return {}
        return {name: send(shape.value, item, f"{where}.{name}", problems) for name, item in value.items()}
    return _send_scalar(kind, value, where, problems)


def _pairs(shape: Any) -> bool:
    """Return whether a list is a list of tags, which the official provider writes as a mapping."""
    return shape.name.startswith("Tag") and {name.lower() for name in members(shape.member)} == {"key", "value"}


def _send_structure(shape: Any, value: Any, where: str, problems: list[str]) -> Any:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        problems.append(f"{where} must be an object")
        return {}
    sent = {}
    for name, item in value.items():
        theirs = member(shape.members, name)
        if theirs is None:
            problems.append(f"{where}.{name} is not known to the API ({shape.name})")
        else:
            sent[theirs] = send(shape.members[theirs], item, f"{where}.{name}", problems)
    return sent


def _send_scalar(kind: str, value: Any, where: str, problems: list[str]) -> Any:
    if kind == "boolean":
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            problems.append(f"{where} must be true or false")
        return value
    if kind in _NUMBERS:
        try:
            return _NUMBERS[kind](str(value))
        except ValueError:
            problems.append(f"{where} must be a number")
            return value
    if isinstance(value, dict | list):
        problems.append(f"{where} must be a single value")
        return str(value)
    if kind == "string" and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def show(shape: Any, value: Any, like: Any = None) -> Any:
    """Return an API value in the official form, with the form and order of an equivalent program value.

    Parameters
    ----------
    shape
        The value's shape in the API's model.
    value
        What the API answered.
    like
        What the program wrote: its names lead, and parts that it left out are left out here. Without it,
        everything is shown under the names that the spelling rules give.
    """
    if value is None:
        return None
    kind = shape.type_name if shape is not None else ""
    if kind == "structure":
        return _show_structure(shape, value, like)
    if kind == "list":
        if _pairs(shape):
            return {str(tag.get("Key", tag.get("key"))): tag.get("Value", tag.get("value")) for tag in value}
        if isinstance(like, dict):
            return show(shape.member, value[0], like) if len(value) == 1 else _show_list(shape, value, []) or None
        return _show_list(shape, value, like if isinstance(like, list) else [])
    if kind == "map":
        spelled = like if isinstance(like, dict) else {}
        return {name: show(shape.value, item, spelled.get(name)) for name, item in value.items()}
    return _show_scalar(value, like)


def _show_structure(shape: Any, value: Mapping[str, Any], like: Any) -> Any:
    if isinstance(like, list) and len(like) == 1:
        return [show(shape, value, like[0])]
    if not isinstance(like, dict):
        return {official(name, shape.members[name]): show(shape.members[name], item) for name, item in value.items()}
    shown = {}
    for name, item in like.items():
        theirs = member(shape.members, name)
        if theirs is None:
            # The API accepts it but never returns it.
            shown[name] = item
            continue
        live = show(shape.members[theirs], value.get(theirs), item)
        if live is not None:
            shown[name] = live
    return shown


def official(name: str, shape: Any) -> str:
    """Return the official name of an API member; plural for a list."""
    name = camel(name)
    return f"{name}s" if shape.type_name == "list" and not name.endswith("s") else name


def _show_list(shape: Any, value: list[Any], like: list[Any]) -> list[Any]:
    """Return the items of a list, in the program's order where it wrote them."""
    left, placed = list(value), {}
    for index, wanted in enumerate(like):
        for item in left:
            shown = show(shape.member, item, wanted)
            if bare(shown) == bare(wanted):
                placed[index] = shown
                left.remove(item)
                break
    changed = [index for index in range(len(like)) if index not in placed]
    for index, item in zip(changed, left, strict=False):
        placed[index] = show(shape.member, item, like[index])
    added = [show(shape.member, item) for item in left[len(changed) :]]
    return [placed[index] for index in sorted(placed)] + added


def _show_scalar(value: Any, like: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(like, str) and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(like, bool) and isinstance(value, str):
        return value.lower() == "true"
    if isinstance(like, int | float) and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return value
