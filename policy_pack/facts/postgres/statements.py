"""PostgreSQL statements that create a login: its privileges and role options; what is not understood is named."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<text>'(?:[^'\\]|'')*')
    |(?P<template>\{\{\w+\}\})
    |(?P<word>[A-Za-z_][\w$]*)
    |(?P<number>\d+)
    |(?P<sign>[,.()*=])
    """,
    re.VERBOSE,
)
LOGIN = "{{name}}"
_PASSWORD, _EXPIRATION = "{{password}}", "{{expiration}}"
_WORDS_SHOWN = 6
# Options of a role that give nothing.
_PLAIN = frozenset(["WITH", "LOGIN", "NOLOGIN", "INHERIT", "NOINHERIT", "ENCRYPTED"])
_REFUSING = frozenset(["NOSUPERUSER", "NOCREATEDB", "NOCREATEROLE", "NOREPLICATION", "NOBYPASSRLS"])
_GIVING = frozenset(["SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS"])
_MEMBERS = ("IN", "ROLE", "GROUP", "ADMIN", "USER")
ROLE_OPTION = "role option"


@dataclass(frozen=True, order=True)
class Privilege:
    """A privilege of a login.

    Parameters
    ----------
    privilege
        In lower case, such as ``select``; for a role that it is a member of, ``all privileges of the role``.
    kind
        ``table``, ``schema``, ``database``, ``role``, `ROLE_OPTION`, or another word of the statement.
    object
        The object as written, without quotes, such as ``ALL TABLES IN SCHEMA readmission``.
    schema
        The schema of a table; for a schema or a database, its name. Empty where the statement names none.
    """

    privilege: str
    kind: str
    object: str
    schema: str = ""


@dataclass(frozen=True)
class _Word:
    text: str
    quoted: bool = False

    @property
    def keyword(self) -> str:
        """The word in upper case; empty for a text or name in quotes, which is no keyword."""
        return "" if self.quoted else self.text.upper()


class _UnreadError(ValueError):
    """A statement is not understood."""


def privileges(statements: Sequence[str]) -> tuple[list[Privilege], list[str]]:
    """Return the privileges that statements give, and the beginning of those that are not understood."""
    read: list[Privilege] = []
    unread: list[str] = []
    for text in statements:
        for statement in _split(text):
            try:
                read += _of_statement(_words(statement))
            except (_UnreadError, IndexError):
                # The rest may contain anything, so it is not shown.
                unread.append(" ".join(statement.split()[:_WORDS_SHOWN]))
    return read, unread


def _split(text: str) -> list[str]:
    """Return the statements of a text: a semicolon in quotes ends none."""
    parts = re.findall(r"""(?:[^;'"]|'(?:[^']|'')*'|"(?:[^"]|"")*"|['"])+""", text)
    return [part.strip() for part in parts if part.strip()]


def _words(statement: str) -> list[_Word]:
    words, position = [], 0
    while position < len(statement):
        match = _TOKEN.match(statement, position)
        if match is None:
            raise _UnreadError
        if match.lastgroup == "quoted":
            words.append(_Word(match[0][1:-1].replace('""', '"'), quoted=True))
        elif match.lastgroup != "space":
            is_text = match.lastgroup == "text"
            words.append(_Word(match[0][1:-1] if is_text else match[0], is_text))
        position = match.end()
    return words


def _starts(words: list[_Word], *keywords: str) -> bool:
    return tuple(word.keyword for word in words[: len(keywords)]) == keywords


def _find(words: list[_Word], keyword: str) -> int:
    """Return the position of the first keyword; the number of words where there is none."""
    return next((number for number, word in enumerate(words) if word.keyword == keyword), len(words))


def _of_statement(words: list[_Word]) -> list[Privilege]:
    if _starts(words, "GRANT"):
        return list(_grant(words[1:], ""))
    if _starts(words, "ALTER", "DEFAULT", "PRIVILEGES"):
        at = _find(words, "GRANT")
        return list(_grant(words[at + 1 :], _future_schema(words[3:at])))
    if words[0].keyword in ("CREATE", "ALTER") and words[1].keyword in ("ROLE", "USER"):
        return list(_role(words[2:], created=words[0].keyword == "CREATE"))
    raise _UnreadError


def _future_schema(words: list[_Word]) -> str:
    if not words:
        return "any schema"
    if _starts(words, "IN", "SCHEMA") and len(words) == 3:
        return words[2].text
    raise _UnreadError


def _grant(words: list[_Word], future: str) -> Iterator[Privilege]:
    to = _find(words, "TO")
    on, grantee = _find(words[:to], "ON"), " ".join(word.text for word in words[to + 1 :])
    if not grantee:
        raise _UnreadError
    if on == to:
        for name in _names(words[:to]):
            yield Privilege("all privileges of the role", "role", f"role {name}")
    else:
        kind, schemas, text = _object(words[on + 1 : to])
        if future:
            text, schemas = f"future {text} in schema {future}", [future]
        for privilege in _privileges(words[:on]):
            for schema in schemas:
                yield Privilege(privilege, kind, text, schema)
    if grantee != LOGIN:
        yield Privilege("grant to others", ROLE_OPTION, f"GRANT to {grantee}")


def _privileges(words: list[_Word]) -> list[str]:
    """Return privileges in lower case; columns in brackets belong to the privilege before them."""
    text = re.sub(r"\([^)]*\)", "", " ".join(word.text for word in words)).lower()
    parts = [" ".join(part.split()) for part in text.split(",")]
    if not all(re.fullmatch(r"[a-z]+( [a-z]+)?", part) for part in parts):
        raise _UnreadError
    return sorted(parts)


def _object(words: list[_Word]) -> tuple[str, list[str], str]:
    """Return the kind of an object, its schemas, and its text."""
    text = "".join(word.text if word.text in ".," else f" {word.text}" for word in words)
    text = re.sub(r"\. ", ".", text).strip()
    if words[0].keyword == "ALL" and _starts(words[2:], "IN", "SCHEMA"):
        return _singular(words[1]), _names(words[4:]), text
    kinds = ("TABLE", "TABLES", "SCHEMA", "DATABASE", "SEQUENCE", "SEQUENCES", "FUNCTION", "FUNCTIONS", "ROUTINE")
    if words[0].keyword in kinds:
        names = _names(words[1:]) if len(words) > 1 else [""]
        kind = _singular(words[0])
        return kind, names if kind in ("schema", "database") else [_schema(name) for name in names], text
    if len(words) > 1 and words[1].text not in ".,":
        # Another kind of object, such as FOREIGN SERVER or LARGE OBJECT.
        return words[0].text.lower(), [""], text
    return "table", [_schema(name) for name in _names(words)], text


def _singular(word: _Word) -> str:
    return word.text.lower().removesuffix("s")


def _schema(name: str) -> str:
    return name.rpartition(".")[0]


def _names(words: list[_Word]) -> list[str]:
    """Return names separated by commas; the parts of a name are separated by dots."""
    text = [""]
    for word in words:
        if word.text == "," and not word.quoted:
            text.append("")
        else:
            text[-1] += word.text
    if not all(text):
        raise _UnreadError
    return text


def _role(words: list[_Word], *, created: bool) -> Iterator[Privilege]:
    """Return what the options of CREATE ROLE or ALTER ROLE give."""
    if words[0].text != LOGIN:
        yield Privilege("create or change", ROLE_OPTION, f"role {words[0].text}")
    options = words[1:]
    if created:
        yield from _missing(options)
    while options:
        if options[0].keyword in _MEMBERS:
            for name in _names(options[2 if options[0].keyword == "IN" else 1 :]):
                yield Privilege("all privileges of the role", "role", f"role {name}")
            return
        if options[0].keyword in _GIVING:
            yield Privilege(options[0].text.lower(), ROLE_OPTION, options[0].keyword)
        options = options[_length(options) :]


def _length(options: list[_Word]) -> int:
    """Return the number of words of the first option."""
    if options[0].keyword in _PLAIN | _REFUSING | _GIVING:
        return 1
    if options[0].keyword == "PASSWORD":
        return 2
    if _starts(options, "VALID", "UNTIL") or _starts(options, "CONNECTION", "LIMIT"):
        return 3
    raise _UnreadError


def _missing(options: list[_Word]) -> Iterator[Privilege]:
    """Return what a new login lacks: a password that Vault generates, and the end of its lease."""
    pairs = {(word.keyword, value.text) for word, value in pairwise(options)}
    if ("PASSWORD", _PASSWORD) not in pairs:
        yield Privilege("a password that is not generated", ROLE_OPTION, "PASSWORD")
    if ("UNTIL", _EXPIRATION) not in pairs:
        yield Privilege("a login that does not expire", ROLE_OPTION, "VALID UNTIL")
