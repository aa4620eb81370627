"""Outputs of an AWS object, with the official provider's names."""

import re
from typing import Any

import jmespath

from local.plugins.aws.arguments import known, place
from local.plugins.aws.calls import ApiType
from local.plugins.aws.models import at, output_shape
from local.plugins.aws.names import member, members, reworded, show, worded_back
from local.plugins.provider.common import Props
from local.plugins.provider.rows import EMPTY


def _shape(kind: ApiType) -> Any:
    """Return the shape of the read call's result."""
    # An expression that only filters the response has the response's shape.
    shown = re.sub(r"\[\?.*", "[0]", re.sub(r"^\[@\]\[\?.*", "@", kind.shown))
    return at(output_shape(kind.service, kind.read.operation), shown)


def _look(kind: ApiType, live: Any, where: str, name: str, like: Any = None) -> Any:
    """Return the value at a path of an object; results of an expression already have the official form."""
    first, _, rest = where.partition(".")
    if "{" in where or "[?" in where:
        inner = None
    elif first in kind.more:
        inner = at(output_shape(kind.service, kind.more[first].operation), rest)
    else:
        inner = at(_shape(kind), where)
    shown = show(inner, jmespath.search(where, live), reworded(like, name, kind.words))
    return worded_back(shown, name, kind.words)


def outputs(kind: ApiType, live: Any) -> Props:
    """Return the computed outputs of an object."""
    return {name: _look(kind, live, where, name) for name, where in kind.outputs.items()}


def written(kind: ApiType, live: Any, inputs: Props) -> Props:
    """Return the live values of inputs that the program wrote or the server fills in."""
    shape, shown = _shape(kind), Props()
    skipped = {"tags", "tagsAll", "region", *kind.outputs, *kind.derived}
    for name in [*(name for name in inputs if name not in skipped and known(kind, name)), *kind.filled]:
        where, input_value = _shown_at(kind, shape, name), inputs.get(name)
        if not where:
            shown[name] = input_value
            continue
        if name in kind.forms:
            value = jmespath.search(where, live)
            shown[name] = None if value is None else kind.forms[name].shown(value)
        else:
            shown[name] = _look(kind, live, where, name, input_value)
        if shown[name] is None and input_value in EMPTY:
            # A value missing in the response is empty.
            shown[name] = input_value
    for path, where in kind.nested.items():
        name, _, part = path.partition(".")
        if isinstance(shown.get(name), dict):
            shown[name] = {**shown[name], part: jmespath.search(where, live)}
    return shown


def _shown_at(kind: ApiType, shape: Any, name: str) -> str:
    """Return the path of an input in the object; None if the API accepts but never returns it."""
    if name in kind.reads:
        return kind.reads[name]
    for call in (kind.create, *kind.changes):
        where = place(kind, call, name)
        if where and at(shape, where) is not None:
            return where
    return member(members(shape), name) or ""
