"""Parser of HCL version 1 and its JSON form, for Vault policies; text that it does not fully understand is an error.

Vault reads policies as HCL 1, whose grammar is smaller than that of HCL 2: there are no expressions. Heredocs and
interpolation (``${``) have no use in a policy and are errors here.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
    |(?P<text>"(?:[^"\\\n]|\\["\\nrt])*")
    |(?P<number>-?\d+(?:\.\d+)?(?![\w.]))
    |(?P<name>[A-Za-z_][\w.-]*)
    |(?P<sign>[{}\[\]=,])
    """,
    re.VERBOSE | re.DOTALL,
)
_BOOLEANS = {"true": True, "false": False}


class HclError(ValueError):
    """The text is not HCL that this parser understands."""


@dataclass(frozen=True)
class Item:
    """An item of an object: its keys, such as ``path "a/b"``, and its value."""

    keys: tuple[str, ...]
    value: Any


@dataclass(frozen=True)
class Object:
    """An object: its items in order; a key can occur several times."""

    items: tuple[Item, ...]

    def single(self) -> dict[str, Any]:
        """Return the values by key; raises `HclError` if a key occurs twice or an item has several keys."""
        values: dict[str, Any] = {}
        for item in self.items:
            if len(item.keys) != 1 or item.keys[0] in values:
                raise HclError(f"{' '.join(item.keys)} occurs twice or has a label")
            values[item.keys[0]] = item.value
        return values


def parse(text: str) -> Object:
    """Return the root object of a text in HCL or JSON."""
    if text.lstrip().startswith("{"):
        try:
            pairs = json.loads(text, object_pairs_hook=_Pairs)
        except json.JSONDecodeError as error:
            raise HclError(f"not valid JSON at line {error.lineno}") from None
        return Object(tuple(Item((key,), _of_json(item)) for key, item in pairs))
    return _Parser(text).root()


class _Pairs(list[tuple[str, Any]]):
    """The pairs of a JSON object, with repeated keys."""


def _of_json(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return Object(tuple(Item((key,), _of_json(item)) for key, item in value))
    return [_of_json(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise HclError(f"line {line} cannot be parsed")
        kind, token = match.lastgroup or "", match[0]
        if kind == "text" and "${" in token:
            raise HclError(f"line {line} has an interpolation")
        if kind != "space":
            yield _Token(kind, token, line)
        line += token.count("\n")
        position = match.end()
    yield _Token("end", "", line)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._position = 0

    def root(self) -> Object:
        items = self._items("end")
        return Object(items)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._position]

    def _take(self) -> _Token:
        token = self._next
        self._position += 1
        return token

    def _is(self, sign: str) -> bool:
        return self._next.kind == "sign" and self._next.text == sign

    def _items(self, end: str) -> tuple[Item, ...]:
        items: list[Item] = []
        while not (self._next.kind == end or self._is(end)):
            items.append(self._item())
            if self._is(","):
                self._take()
        self._take()
        return tuple(items)

    def _item(self) -> Item:
        keys: list[str] = []
        while self._next.kind in ("name", "text"):
            keys.append(_text(self._take()))
        if not keys:
            raise HclError(f"line {self._next.line}: expected a key")
        if self._is("="):
            self._take()
            if len(keys) > 1:
                raise HclError(f"line {self._next.line}: several keys before =")
        elif not self._is("{"):
            raise HclError(f"line {self._next.line}: expected = or {{")
        return Item(tuple(keys), self._value())

    def _value(self) -> Any:
        token = self._take()
        if token.kind == "text":
            return _text(token)
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        if token.kind == "name" and token.text in _BOOLEANS:
            return _BOOLEANS[token.text]
        if token.kind == "sign" and token.text == "{":
            return Object(self._items("}"))
        if token.kind == "sign" and token.text == "[":
            return self._list()
        raise HclError(f"line {token.line}: expected a value")

    def _list(self) -> list[Any]:
        values: list[Any] = []
        while not self._is("]"):
            values.append(self._value())
            if self._is(","):
                self._take()
            elif not self._is("]"):
                raise HclError(f"line {self._next.line}: expected , or ]")
        self._take()
        return values


def _text(token: _Token) -> str:
    """Return a name, or a text without its quotes and escapes (those of JSON)."""
    return str(json.loads(token.text.replace("\t", "\\t"))) if token.kind == "text" else token.text
