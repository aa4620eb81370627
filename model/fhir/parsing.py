"""Strict JSON parser: ambiguous documents are refused, large ones are parsed incrementally."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import NoReturn, Protocol

import orjson

from model.io.json_elements import Resource

LARGEST_RESOURCE = 32 * 1024 * 1024
"""Bytes of one line or one bundle entry; a longer one is refused, so that memory stays bounded."""
WINDOW = 1024 * 1024
"""Characters that are read at a time from a big document."""

NOT_JSON = "the JSON is not valid"
NOT_UTF8 = "the file is not UTF-8"
TOO_DEEP = "the JSON is nested too deeply"
TOO_LONG = f"an entry or line is longer than {LARGEST_RESOURCE // 2**20} MB"
REPEATED = "the JSON has a duplicate key"
NOT_WHOLE = "the JSON is not valid or ends too early"
CUT_SHORT = "the JSON ends too early"

_ESCAPED_COLON = re.compile(rb"\\u003[aA]")
_SPACE = " \t\r\n"


class UnreadableError(Exception):
    """A parse error of a file, line or entry; its message repeats none of the content."""


class Stream(Protocol):
    """Binary stream that the parsers read."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""
        ...


def strict(content: bytes) -> object:
    """Return the value of a JSON text.

    Raises
    ------
    UnreadableError
        If it is not UTF-8, not JSON (RFC 8259; NaN and Infinity are not), too deep, or names a member twice.
    """
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as fault:
        raise UnreadableError(_reason(content, fault)) from None
    if _may_repeat(content, value):
        try:
            json.loads(content, object_pairs_hook=_once)
        except RecursionError:
            raise UnreadableError(TOO_DEEP) from None
    return value


def _reason(content: bytes, fault: orjson.JSONDecodeError) -> str:
    if "depth" in fault.msg:
        return TOO_DEEP
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return NOT_UTF8
    return NOT_JSON


def _may_repeat(content: bytes, value: object) -> bool:
    """Return whether a member may be named twice: the value written again then has fewer colons than the text."""
    try:
        written = orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError):
        raise UnreadableError(TOO_DEEP) from None
    return written.count(b":") != content.count(b":") or _ESCAPED_COLON.search(content) is not None


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise UnreadableError(REPEATED)


class Document:
    """One big JSON object, of which one list is read item by item and the other members whole.

    Parameters
    ----------
    stream : Stream
        The bytes.
    member : str
        The name of the list, ``entry`` of a Bundle.
    """

    def __init__(self, stream: Stream, member: str) -> None:
        self._stream = stream
        self._member = member
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._scan = json.JSONDecoder(parse_constant=_no_constant).raw_decode
        self._text = ""
        self._at = 0
        self._ended = False
        self.members: Resource = {}

    def items(self) -> Iterator[bytes]:
        """Give the JSON text of each item; the other members are in ``members`` when their place has been read.

        Raises
        ------
        UnreadableError
            Where the document stops being JSON, or ends too early.
        """
        self._expect("{")
        seen: set[str] = set()
        if self._peek() == "}":
            self._at += 1
        else:
            separator = ","
            while separator == ",":
                name = self._value()
                if not isinstance(name, str):
                    raise UnreadableError(NOT_JSON)
                if name in seen:
                    raise UnreadableError(REPEATED)
                seen.add(name)
                self._expect(":")
                if name == self._member and self._peek() == "[":
                    yield from self._list()
                else:
                    self.members[name] = self._value()
                separator = self._expect(",}")
        if self._peek():
            raise UnreadableError(NOT_JSON)

    def _list(self) -> Iterator[bytes]:
        self._expect("[")
        self.members[self._member] = []
        if self._peek() == "]":
            self._at += 1
            return
        separator = ","
        while separator == ",":
            start, end = self._whole()
            yield self._text[start:end].encode("utf-8", "surrogatepass")
            separator = self._expect(",]")

    def _value(self) -> object:
        start, end = self._whole()
        return strict(self._text[start:end].encode("utf-8", "surrogatepass"))

    def _whole(self) -> tuple[int, int]:
        """Return where the next value begins and ends, reading on until all of it is there."""
        self._peek()
        while True:
            try:
                _, end = self._scan(self._text, self._at)
            except RecursionError:
                raise UnreadableError(TOO_DEEP) from None
            except ValueError:
                end = -1
            # A number at the end of the window may go on.
            if end >= 0 and (end < len(self._text) or self._ended):
                start, self._at = self._at, end
                return start, end
            waiting = len(self._text) - self._at
            if self._ended:
                raise UnreadableError(NOT_WHOLE)
            if waiting > LARGEST_RESOURCE:
                raise UnreadableError(TOO_LONG)
            self._more(max(WINDOW, waiting))

    def _peek(self) -> str:
        """Return the next character that is no space, without taking it."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more(WINDOW)

    def _expect(self, allowed: str) -> str:
        text = self._peek()
        if not text:
            raise UnreadableError(CUT_SHORT)
        if text not in allowed:
            raise UnreadableError(NOT_JSON)
        self._at += 1
        return text

    def _more(self, size: int) -> None:
        content = self._stream.read(size)
        self._ended = not content
        try:
            text = self._decode.decode(content, self._ended)
        except UnicodeDecodeError:
            raise UnreadableError(NOT_UTF8) from None
        self._text = self._text[self._at :] + text
        self._at = 0


def _no_constant(_name: str) -> NoReturn:
    raise ValueError
