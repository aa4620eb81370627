"""Validation of AWS call arguments against botocore's API models, without a request."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import botocore.session
import regex
from botocore.model import Shape
from botocore.validate import ParamValidator

from local.plugins.provider.values import UNKNOWN, has_unknowns

# botocore loads its models at run time, so their types are not checked.
_session: Final[Any] = botocore.session.get_session()


@lru_cache(maxsize=64)
def _service(service: str) -> Any:
    return _session.get_service_model(service)


def input_shape(service: str, operation: str) -> Shape:
    """Return the shape of an operation's arguments."""
    shape: Shape = _service(service).operation_model(operation).input_shape
    return shape


def output_shape(service: str, operation: str) -> Shape:
    """Return the shape of an operation's response."""
    shape: Shape = _service(service).operation_model(operation).output_shape
    return shape


def at(shape: Any, place: str) -> Any:
    """Return the shape at a path below another, such as ``Vpcs[0].VpcId``; None if there is none."""
    for step in (step for step in place.split(".") if step not in ("", "@")):
        name, _, index = step.partition("[")
        if name and (shape is None or shape.type_name != "structure" or name not in shape.members):
            return None
        shape = shape.members[name] if name else shape
        if index:
            shape = shape.member if shape.type_name == "list" else None
    return shape


def faults(shape: Any, arguments: Any) -> list[str]:
    """Return the validation errors of arguments, one sentence each; unknown values are not validated."""
    if shape is None:
        return []
    messages = list(_faults(shape, arguments, ""))
    if not messages and not has_unknowns(arguments):
        report = ParamValidator().validate(arguments, shape)
        if report.has_errors():
            messages = report.generate_report().splitlines()
    return messages


def _faults(shape: Any, value: Any, where: str) -> Iterator[str]:
    if value is UNKNOWN:
        return
    if shape.type_name == "structure":
        yield from _structure_faults(shape, value, where)
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _sizes(shape, len(value), where, "items")
        for index, item in enumerate(value):
            yield from _faults(shape.member, item, f"{where}[{index}]")
    elif shape.type_name == "map" and isinstance(value, dict):
        for name, item in value.items():
            yield from _faults(shape.key, name, f"{where}.{name}")
            yield from _faults(shape.value, item, f"{where}.{name}")
    elif isinstance(value, str):
        yield from _text_faults(shape, value, where)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _sizes(shape, value, where, "")


def _structure_faults(shape: Any, value: Any, where: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value and "idempotencyToken" not in shape.members[name].metadata:
            yield f"{_below(where, name)} is missing"
    for name, item in value.items():
        if name not in shape.members:
            yield f"{_below(where, name)} is not known to the API ({shape.name})"
            continue
        yield from _faults(shape.members[name], item, _below(where, name))


def _below(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _text_faults(shape: Any, text: str, where: str) -> Iterator[str]:
    allowed, pattern = shape.metadata.get("enum"), _pattern(shape.metadata.get("pattern", ""))
    if allowed and text not in allowed:
        yield f"{where} is {text!r}, not one of {', '.join(allowed)}"
    if pattern is not None and pattern.search(text) is None:
        yield f"{where} is {text!r}, which does not match {pattern.pattern}"
    yield from _sizes(shape, len(text), where, "characters")


def _sizes(shape: Any, size: float, where: str, unit: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < float(low):
        yield f"{where} is {size} {unit}".rstrip() + f", less than {low}"
    if high is not None and size > float(high):
        yield f"{where} is {size} {unit}".rstrip() + f", more than {high}"


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> Any:
    """Return a model's pattern; the few that are only valid in Java are ignored."""
    try:
        return regex.compile(pattern) if pattern else None
    except regex.error:
        return None
