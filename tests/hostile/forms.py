"""Forms of the worklist as no page sends them, from a coordinator who signed in."""

from collections.abc import Iterator
from typing import Any

from services.care.worklist.actions import ACTIONS
from tests.hostile.bodies import MEBIBYTE
from tests.hostile.request import TEXTS, HostileRequest, bearer, encoded
from tests.hostile.world import World

FIELDS = ("version", "assignee", "due_on", "code", "note", "search", "show", "unit", "reason", "record_number", "form")
VALUES = (
    "",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "%",
    "+",
    "-1",
    "0",
    "1",
    "2147483648",
    "9" * 400,
    "9999-12-31",
    "0000-00-00",
    "accepted",
    "lower-risk",
    "urgent-care",
    "a" * 4001,
    "%F0%9F%92%A9" * 1500,
    "%27%20OR%201=1%20--",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "%0d%0aSet-Cookie:%20a=b",
    *(encoded(text) for text in TEXTS),
)
ENTRIES = ("0", "x" * 300, "00000000-0000-0000-0000-000000000000", "%00", "..%2f", "' OR 1=1 --".replace(" ", "%20"))
SITES = ("cross-site", "same-site", "none", "x")


def forms(world: World, _service: str) -> Iterator[HostileRequest]:
    """Send forms with fields of wrong form, with tokens of other forms, and of other sites."""
    token = world.form_token()
    while True:
        kind = world.source.random()
        entry = world.entry if world.source.random() < 0.7 else world.source.choice(ENTRIES)
        action = world.source.choice((*ACTIONS, "delete", "%00", "break-glass"))
        target = f"/worklist/entries/{entry}/{action}"
        if kind < 0.3:
            target = world.source.choice(("/worklist/search", "/worklist/break-glass", "/worklist/drafts"))
        yield _form(world, target, token)


def _form(world: World, target: str, good: str) -> HostileRequest:
    token = good if world.source.random() < 0.6 else world.source.choice(_tokens(good))
    fields = [f"form_token={token}"] if token is not None else []
    for name in world.source.sample(FIELDS, world.source.randint(0, 5)):
        fields.append(f"{name}={world.source.choice(VALUES)}")
    kind = world.source.random()
    if kind < 0.03:
        fields.append("note=" + "a" * world.source.choice((48_000, 70_000, MEBIBYTE)))
    elif kind < 0.06:
        fields += [f"f{number}=x" for number in range(world.source.choice((39, 41, 5_000)))]
    elif kind < 0.09:
        fields *= 3
    body = "&".join(fields).encode()
    if kind > 0.97:
        body = world.source.randbytes(200)
    given: list[tuple[Any, Any]] = [*bearer(world.sign_in()), ("Content-Type", "application/x-www-form-urlencoded")]
    if world.source.random() < 0.1:
        given.append(("Sec-Fetch-Site", world.source.choice(SITES)))
    return world.builder.request("form", "care", "POST", target, headers=tuple(given), body=body, admitted=True)


def _tokens(good: str) -> tuple[str | None, ...]:
    return (None, "", "x", good[:-1], good + "x", good[::-1], good.partition(".")[0], "%00", "IiI.x", "a" * 5000)
