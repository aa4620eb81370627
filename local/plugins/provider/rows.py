"""Rows of the plugins' tables: definition of one resource type, and equivalence of its values."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from local.plugins.provider import policy_documents
from local.plugins.provider.common import UNKNOWN, Props, Request, differences, has_unknowns

DEFAULTS = "__defaults"
Client = TypeVar("Client")
EMPTY: Final[tuple[Any, ...]] = (None, "", [], {}, False, 0)


@dataclass(frozen=True)
class CreationResult:
    """Result of a creation with outputs in addition to the id.

    Parameters
    ----------
    outputs
        Outputs that a later read does not show, as the row's ``sticky``.
    """

    id: str
    outputs: Props = field(default_factory=dict)


@dataclass(frozen=True)
class Row(Generic[Client]):
    """Definition of one resource type.

    Parameters
    ----------
    token
        The official type token.
    create
        Makes the object from its inputs and returns its id, or more.
    read
        Returns the object's properties under their official names, or None when it does not exist.
    update
        Changes the object from old to new inputs; absent where every change is a replacement.
    delete
        Removes the object; gets its state. Absent where the object goes with its owner.
    wait_until_ready
        Waits until a created object is ready; if it fails, the object is kept. Like an update, it may return ``sticky``
        outputs.
    warning
        Returns a warning about a state after it has been written.
    validate
        Validates inputs: returns the name of an invalid one and a sentence.
    required
        Required inputs.
    replace
        Inputs that cannot change in place.
    replaces
        Says of an input whether it cannot change in place, where ``replace`` does not list them.
    defaults
        Inputs that are filled in when the program leaves them out.
    autoname
        The input that gets a generated name when the program gives none.
    autoname_length, autoname_prefix
        How long that name may be, and what it starts with.
    autoname_unless
        Inputs that make a generated name unnecessary.
    filled
        Outputs that the official provider writes where neither the program nor the server says a value; those that
        are maps complete a map of the state.
    computed
        Outputs that cannot be set; unknown at preview until the object exists.
    volatile
        Computed outputs that an update may change.
    optional
        Inputs that the server fills in when the program leaves them out.
    sticky
        Sticky outputs, returned only by a change; they stay in the state, and every call gets them.
    nested
        Computed parts of inputs, unknown at preview until the object exists.
    json
        Inputs that hold JSON text, compared by meaning; policy documents as IAM compares them.
    unordered
        Lists that are sets.
    normalisers
        By input, the normaliser that maps equivalent values to the same value.
    server_spelling
        Inputs whose output is what the server makes of them.
    unsupported
        Inputs that this plugin does not support, with an alternative.
    secret
        Outputs that are always secret.
    write_only
        Inputs that the server never returns.
    identify
        Returns the inputs contained in an id, for a read without state.
    """

    token: str
    create: Callable[[Client, Props], str | CreationResult]
    read: Callable[[Client, str, Props], Props | None]
    update: Callable[[Client, str, Props, Props], Props | None] | None = None
    delete: Callable[[Client, str, Props], None] | None = None
    wait_until_ready: Callable[[Client, str, Props], Props | None] | None = None
    warning: Callable[[Props], str] = lambda _: ""
    validate: Callable[[Props], Iterable[tuple[str, str]]] = lambda _: ()
    required: tuple[str, ...] = ()
    replace: frozenset[str] = frozenset()
    replaces: Callable[[str], bool] = lambda _: False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    autoname: str = ""
    autoname_unless: tuple[str, ...] = ()
    autoname_length: int = 0
    autoname_prefix: str = ""
    filled: Mapping[str, Any] = field(default_factory=dict)
    computed: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    sticky: tuple[str, ...] = ()
    nested: tuple[tuple[str, str], ...] = ()
    json: frozenset[str] = frozenset()
    unordered: frozenset[str] = frozenset()
    normalisers: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    server_spelling: frozenset[str] = frozenset()
    unsupported: Mapping[str, str] = field(default_factory=dict)
    secret: tuple[str, ...] = ()
    write_only: frozenset[str] = frozenset()
    identify: Callable[[str], Props] = lambda _: {}
    delete_before_replace: bool = False


def plain(inputs: Props) -> Props:
    """Return inputs without the engine's internal properties, at any depth."""
    return {name: _plain(value) for name, value in inputs.items() if not name.startswith("__")}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return plain(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def same(row: "Row[Any]", name: str, old: Any, new: Any) -> bool:
    """Return whether two values of an input are equivalent."""
    if has_unknowns(old) or has_unknowns(new):
        return False
    if name in row.normalisers:
        return bool(row.normalisers[name](old) == row.normalisers[name](new))
    if name in row.json and isinstance(old, str) and isinstance(new, str):
        try:
            before, after = json.loads(old), json.loads(new)
        except ValueError:
            return old == new
        if policy_documents.is_policy(before) and policy_documents.is_policy(after):
            before, after = policy_documents.canonical(before), policy_documents.canonical(after)
        return bool(before == after)
    if name in row.unordered and isinstance(old, list) and isinstance(new, list):
        return sorted(map(str, old)) == sorted(map(str, new))
    return not differences(old, new)


def completed(row: "Row[Any]", state: Props) -> Props:
    """Return a state with the additional fields of the official provider, which otherwise shows a diff."""
    whole = dict(state)
    for name, value in row.filled.items():
        if not isinstance(value, Mapping):
            whole.setdefault(name, value)
        elif isinstance(state.get(name), dict):
            whole[name] = {**value, **state[name]}
    return whole


def known_at_preview(row: "Row[Any]", inputs: Props, state: Props) -> Props:
    """Return inputs with their computed parts at preview: known values, or unknown."""
    outputs = dict(inputs)
    for name, part in row.nested:
        if isinstance(outputs.get(name), dict):
            before = state.get(name)
            outputs[name] = {part: before.get(part, UNKNOWN) if isinstance(before, dict) else UNKNOWN, **outputs[name]}
    return outputs


def forget_defaults(old: Props, new: Props, request: Request) -> None:
    """Remove defaults that only one side has, since different plugins may have written them."""
    for name in request.old_inputs.get(DEFAULTS, []):
        if name not in new:
            old.pop(name, None)
    for name in request.inputs.get(DEFAULTS, []):
        if name not in old and not differences(request.state.get(name, new.get(name)), new.get(name)):
            new.pop(name, None)


def bare(value: Any) -> Any:
    """Return a value without empty nested parts, which only one side may write."""
    if isinstance(value, dict):
        return {name: bare(item) for name, item in value.items() if item not in EMPTY and bare(item) != {}}
    return [bare(item) for item in value] if isinstance(value, list) else value
