"""Declarations of table-driven AWS types: API calls, and the mapping of inputs and outputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.plugins.provider.common import Props

# Output that marks an object that exists only in the state, validated against the API's model.
NOT_EMULATED: Final = "notEmulated"


@dataclass(frozen=True)
class Call:
    """API operation of a type.

    Inputs are mapped to arguments by name; exceptions are declared here.

    Parameters
    ----------
    operation
        The API's name of it, such as ``CreateVpc``.
    only
        The inputs that this call takes; by default all that it has an argument for.
    names
        By input, its place among the arguments, such as ``ResourcesVpcConfig`` or ``Data.ImageId``; an empty place
        keeps the input out of the call.
    inside
        The argument that contains the other inputs.
    fixed
        Arguments by place; ``{name}`` in them stands for an input, an output, ``id``, ``account``, ``region`` or
        ``partition``. An argument whose name has no value is left out.
    needs
        Names that must have a value for the call to be made.
    sets
        By input that is a set, the places of what a change adds and of what it removes.
    asked
        An input that triggers the call if true and is not sent.
    denied
        An input that triggers the call if false and is not sent.
    finish
        Function that completes the arguments, if one depends on another.
    """

    operation: str
    only: frozenset[str] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    inside: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    sets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    asked: str = ""
    denied: str = ""
    finish: Callable[[dict[str, Any]], dict[str, Any]] = lambda arguments: arguments


@dataclass(frozen=True)
class Form:
    """Conversion of an input's value to the API's form and back."""

    sent: Callable[[Any], Any]
    shown: Callable[[Any], Any]


@dataclass(frozen=True)
class Tags:
    """Tagging of a type; the API's model defines whether tags are a list or a mapping.

    Parameters
    ----------
    sent
        Where the create call takes tags; empty where they are put on afterwards.
    kind
        The API's name of the type, where a tag specification has to name it.
    add, remove
        The calls that change tags, with their resource in ``fixed``.
    into, out
        Where those calls take the tags, and the tags' names.
    shown
        Where tags are in what the read call shows, or in the answer of ``read``.
    read
        A separate call that returns the tags.
    """

    add: Call
    remove: Call
    sent: str = "Tags"
    kind: str = ""
    into: str = "Tags"
    out: str = "TagKeys"
    shown: str = "Tags"
    read: Call | None = None


@dataclass(frozen=True)
class ApiType:
    """Table-driven resource type, defined only by its API calls.

    Parameters
    ----------
    token
        The official type token.
    service
        The API's name in boto3.
    create, read
        The calls that make and show the object.
    shown
        Where the read call's answer has the object (a JMESPath expression).
    id
        Where the create call's answer has the id; or a text with ``{names}`` of inputs, or what makes it of them.
    changes
        Calls that set some inputs of an object that exists. One is made when an input of its own has changed, and after
        the creation when one is given that the create call does not take. An input that only the create call takes
        cannot change in place.
    deletes
        Calls that remove the object, in their order.
    reads
        Inputs that are elsewhere in the object than the create call takes them: by input, its place (JMESPath). An
        empty place: the API never shows it.
    filled
        Inputs that the server fills in where the program leaves them out.
    outputs, derived
        Computed outputs: by name, the place in the object (JMESPath), or a text with ``{names}``.
    forms
        Inputs whose values look different in the API.
    words
        Names inside inputs that the API has other names for: by path, such as ``rules.schedule``, the API's name.
    tags
        How it is tagged.
    more
        Further calls that show the object: their answers join it under these names.
    nested
        Computed parts of inputs: by path, such as ``vpcConfig.vpcId``, the place in the object.
    regional
        Whether the object is in a region.
    wait, wait_gone
        botocore's waiters for an object that is made or changed, and for one that is removed: their names, or one that
        botocore does not have in the form of its own.
    """

    token: str
    service: str
    create: Call
    read: Call
    shown: str
    id: str | Callable[[Props], str]
    changes: tuple[Call, ...] = ()
    deletes: tuple[Call, ...] = ()
    reads: Mapping[str, str] = field(default_factory=dict)
    filled: frozenset[str] = frozenset()
    outputs: Mapping[str, str] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    forms: Mapping[str, Form] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    tags: Tags | None = None
    more: Mapping[str, Call] = field(default_factory=dict)
    nested: Mapping[str, str] = field(default_factory=dict)
    regional: bool = True
    wait: str | Mapping[str, Any] = ""
    wait_gone: str | Mapping[str, Any] = ""
