"""Rows of the plugins' tables: what is particular to one resource type, and when two of its values mean the same."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from local.plugins.provider.common import UNKNOWN, Props, Request, differences, has_unknowns

DEFAULTS = "__defaults"
Client = TypeVar("Client")
EMPTY: Final[tuple[Any, ...]] = (None, "", [], {}, False, 0)


@dataclass(frozen=True)
class Made:
    """A new object of which the creation tells more than the id.

    Parameters
    ----------
    outputs
        Outputs that a later read does not show, as the row's ``kept``.
    """

    id: str
    outputs: Props = field(default_factory=dict)


@dataclass(frozen=True)
class Row(Generic[Client]):
    """One resource type.

    Parameters
    ----------
    token
        The official type token.
    create
        Makes the object from its inputs and returns its id, or more.
    read
        Returns the object's properties under their official names, or nothing when it is gone.
    update
        Changes the object from old to new inputs; absent where every change is a replacement.
    delete
        Removes the object; gets its state. Absent where the object goes with its owner.
    settle
        Finishes an object that exists now; when it fails, the object is kept. Like an update, it may return ``kept``
        outputs.
    notice
        Says what the user must know of a state once it is written.
    judge
        Says what is wrong with inputs: the name of one and a sentence.
    required
        Inputs without which nothing works.
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
    computed
        Outputs that nobody can set; unknown at preview until the object exists.
    volatile
        Computed outputs that an update may change.
    optional
        Inputs that the server fills in when the program leaves them out.
    kept
        Outputs that only a change tells; they stay in the state, and every call gets them.
    nested
        Computed parts of inputs, unknown at preview until the object exists.
    json
        Inputs that hold JSON text, compared by meaning.
    unordered
        Lists that are sets.
    alike
        By input, what two spellings that mean the same have in common.
    server_spelling
        Inputs whose output is what the server makes of them.
    unsupported
        Inputs that this plugin does not know, and what to do instead.
    secret
        Outputs that are always secret.
    write_only
        Inputs that the server never shows.
    identify
        Returns the inputs that an id tells, for a read without state.
    """

    token: str
    create: Callable[[Client, Props], str | Made]
    read: Callable[[Client, str, Props], Props | None]
    update: Callable[[Client, str, Props, Props], Props | None] | None = None
    delete: Callable[[Client, str, Props], None] | None = None
    settle: Callable[[Client, str, Props], Props | None] | None = None
    notice: Callable[[Props], str] = lambda _: ""
    judge: Callable[[Props], Iterable[tuple[str, str]]] = lambda _: ()
    required: tuple[str, ...] = ()
    replace: frozenset[str] = frozenset()
    replaces: Callable[[str], bool] = lambda _: False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    autoname: str = ""
    autoname_unless: tuple[str, ...] = ()
    autoname_length: int = 0
    autoname_prefix: str = ""
    computed: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    nested: tuple[tuple[str, str], ...] = ()
    json: frozenset[str] = frozenset()
    unordered: frozenset[str] = frozenset()
    alike: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    server_spelling: frozenset[str] = frozenset()
    unsupported: Mapping[str, str] = field(default_factory=dict)
    secret: tuple[str, ...] = ()
    write_only: frozenset[str] = frozenset()
    identify: Callable[[str], Props] = lambda _: {}
    delete_before_replace: bool = False


def plain(inputs: Props) -> Props:
    """Return inputs without the engine's own marks, however deep."""
    return {name: _plain(value) for name, value in inputs.items() if not name.startswith("__")}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return plain(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def same(row: "Row[Any]", name: str, old: Any, new: Any) -> bool:
    """Return whether two values of an input mean the same."""
    if has_unknowns(old) or has_unknowns(new):
        return False
    if name in row.alike:
        return bool(row.alike[name](old) == row.alike[name](new))
    if name in row.json and isinstance(old, str) and isinstance(new, str):
        try:
            return bool(json.loads(old) == json.loads(new))
        except ValueError:
            return old == new
    if name in row.unordered and isinstance(old, list) and isinstance(new, list):
        return sorted(map(str, old)) == sorted(map(str, new))
    return not differences(old, new)


def foretold(row: "Row[Any]", inputs: Props, known: Props) -> Props:
    """Return inputs with the computed parts that they will have: as they are known, or unknown."""
    told = dict(inputs)
    for name, part in row.nested:
        if isinstance(told.get(name), dict):
            before = known.get(name)
            told[name] = {part: before.get(part, UNKNOWN) if isinstance(before, dict) else UNKNOWN, **told[name]}
    return told


def forget_defaults(old: Props, new: Props, request: Request) -> None:
    """Drop defaults that only one side filled in: the plugins that wrote them may know different ones."""
    for name in request.old_inputs.get(DEFAULTS, []):
        if name not in new:
            old.pop(name, None)
    for name in request.inputs.get(DEFAULTS, []):
        if name not in old and not differences(request.state.get(name, new.get(name)), new.get(name)):
            new.pop(name, None)


def bare(value: Any) -> Any:
    """Return a value without the nested parts that say nothing, which one side writes and the other leaves out."""
    if isinstance(value, dict):
        return {name: bare(item) for name, item in value.items() if item not in EMPTY and bare(item) != {}}
    return [bare(item) for item in value] if isinstance(value, list) else value
