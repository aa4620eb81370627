"""Methods, paths, queries and headers that no client of ours sends; none of the requests proves who sends it."""

import json
from collections.abc import Iterator

from tests.hostile.request import TEXTS, HostileRequest, bearer, encoded
from tests.hostile.world import FEEDBACK_PATH, World
from tests.support.care.clinical_path import HOOK_PATH

METHODS = (
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "PATCH",
    "PUT",
    "DELETE",
    "OPTIONS",
    "HEAD",
    "get",
    "Post",
    "PRI",
    "G" * 300,
    "GET\x0b",
    "BREW",
    "M-SEARCH",
    "QuackenbushOyelaran",
)
PIECES = (
    "..",
    ".",
    "%2e%2e",
    "%2e%2e%2f",
    "..%2f",
    "..%5c",
    "%252e%252e",
    "%2f",
    "%5c",
    "%00",
    "%0d%0aSet-Cookie:a=b",
    "%ff",
    "%c0%ae",
    "%ed%a0%80",
    "%",
    "%zz",
    ";a=b",
    "*",
    "",
    "//",
    "~root",
    "$(id)",
    "{entry}",
    "<b>",
    "'--",
    ".git/config",
    "a" * 5000,
    *(encoded(text) for text in TEXTS),
)
QUERIES = ("", "?", "?a", "?a=%00", "?&&&=", "?a=b#c", "?" + "a=b&" * 300, *("?q=" + encoded(text) for text in TEXTS))
NAMES = (
    "Authorization",
    "Cookie",
    "Host",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Client-Cert",
    "X-Original-URL",
    "X-HTTP-Method-Override",
    "X-Request-Id",
    "Traceparent",
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Content-Type",
    "Content-Length",
    "Expect",
    "Upgrade",
    "Sec-Fetch-Site",
    "Origin",
    "Referer",
    "Range",
    "If-None-Match",
    "TE",
    "Trailer",
    "Via",
    "X-" + "Y" * 200,
)
CONTENTS: tuple[str | bytes, ...] = (
    "",
    " ",
    "\t",
    "0",
    "-1",
    "99999999999999999999999999",
    "null",
    "a" * 8_000,
    "a" * 70_000,
    b"\xff\xfe",
    b"\x00",
    b"\x01\x7f",
    b"a\rb",
    b"a\nb: c",
    b"a\r\n b",
    "100-continue",
    "h2c",
    "websocket",
    "127.0.0.1",
    "spiffe://hmlops/north/care",
    "By=spiffe://hmlops/north/envoy;URI=spiffe://hmlops/north/care",
    "() { :; }; /bin/id",
    "Basic YWRtaW46YWRtaW4=",
    "Bearer",
    "Bearer  ",
    "Bearer null",
    "bearer \t",
    "__Host-launch=x; __Host-launch=y",
    "bytes=0-,0-,0-,0-",
    "bytes=99999999999999999999-",
    *TEXTS,
)
CARE_ROUTES = (
    ("POST", HOOK_PATH),
    ("POST", FEEDBACK_PATH),
    ("GET", "/worklist"),
    ("GET", "/worklist/print"),
    ("GET", "/worklist/readmissions"),
    ("GET", "/worklist/break-glass"),
    ("POST", "/worklist/search"),
    ("POST", "/worklist/break-glass"),
    ("POST", "/worklist/drafts"),
    ("POST", "/worklist/sign-out"),
    ("GET", "/callback"),
    ("GET", "/worklist/launch/ticket"),
)
PLANNING_ROUTES = (("POST", "/v1/scores"), ("POST", "/v1/feedback"), ("GET", "/v1/scores/v1-0123456789abcdef"))


def routes(service: str, world: World) -> tuple[tuple[str, str], ...]:
    """Return method and path of the routes that need proof."""
    if service == "planning":
        return PLANNING_ROUTES
    of_entry = tuple(("POST", f"/worklist/entries/{world.entry}/{action}") for action in ("claim", "note", "close"))
    return (*CARE_ROUTES, ("GET", f"/worklist/entries/{world.entry}"), *of_entry)


def methods(world: World, service: str) -> Iterator[HostileRequest]:
    """Use methods that a path does not have."""
    while True:
        known, path = world.source.choice(routes(service, world))
        method = world.source.choice([one for one in METHODS if one != known])
        yield world.builder.request("method", service, method, path, body=world.source.choice((b"", b"{}")))


def paths(world: World, service: str) -> Iterator[HostileRequest]:
    """Ask for paths that are written in another way, or are none."""
    while True:
        method, path = world.source.choice(routes(service, world))
        parts = path.split("/")
        for _ in range(world.source.randint(1, 3)):
            parts.insert(world.source.randint(1, len(parts)), world.source.choice(PIECES))
        target = "/".join(parts) + world.source.choice(QUERIES)
        kind = world.source.random()
        if kind < 0.05:
            target = f"https://{world.source.choice(('north.example', 'attacker.example', 'a@b'))}{target}"
        elif kind < 0.1:
            target = target.lstrip("/") or "*"
        elif kind < 0.15:
            target = target.replace("e", "%65").replace("s", "%73")
        yield world.builder.request("path", service, method, target)


def queries(world: World, service: str) -> Iterator[HostileRequest]:
    """Ask with values that a query does not have."""
    names = ("workflow", "purpose", "show", "unit", "page", "done", "iss", "launch", "state", "code", "error", "x")
    values = ("", "%00", "%ff", "%ed%a0%80", "-1", "9" * 400, "a" * 3000, "' OR 1=1 --", "<b>", "[]", *TEXTS)
    while True:
        _, path = world.source.choice([one for one in routes(service, world) if one[0] == "GET"])
        if service == "care":
            path = world.source.choice((path, "/launch", "/callback"))
        pairs = [
            f"{world.source.choice(names)}={value if '%' in value else encoded(value)}"
            for value in world.source.choices(values, k=world.source.randint(1, 6))
        ]
        yield world.builder.request("query", service, "GET", f"{path}?{'&'.join(pairs)}")


def headers(world: World, service: str) -> Iterator[HostileRequest]:
    """Send headers that are too many, too long, or no headers."""
    while True:
        method, path = world.source.choice(routes(service, world))
        count = world.source.choice((1, 1, 2, 3, 10, 300))
        given: list[tuple[str | bytes, str | bytes]] = []
        for _ in range(count):
            name: str | bytes = world.source.choice(NAMES)
            if world.source.random() < 0.1:
                name = world.source.choice((b"", b" a", b"a b", b"a\x00", b"\xff", b"a:b", b"_", TEXTS[0].encode()))
            given.append((name, world.source.choice(CONTENTS)))
        body = b"{}" if method == "POST" else b""
        yield world.builder.request("header", service, method, path, headers=tuple(given), body=body)


def ehr_tokens(world: World, service: str) -> Iterator[HostileRequest]:
    """Call the hook and its feedback with tokens that prove nothing."""
    hook, feedback = world.hook(), world.card_feedback()
    while True:
        target, tokens, body = world.source.choice(
            ((HOOK_PATH, world.hook_tokens, hook), (FEEDBACK_PATH, world.feedback_tokens, feedback))
        )
        shown = tokens.wrong()
        if "\n" in shown or "\r" in shown:
            continue
        yield world.builder.request(
            "EHR token", service, "POST", target, headers=bearer(shown), body=json.dumps(body).encode()
        )


def people_tokens(world: World, service: str) -> Iterator[HostileRequest]:
    """Ask for the worklist with tokens that prove nothing."""
    while True:
        method, path = world.source.choice([one for one in routes(service, world) if "/worklist" in one[1]])
        form = (("Content-Type", "application/x-www-form-urlencoded"),) if method == "POST" else ()
        yield world.builder.request(
            "sign-in token",
            service,
            method,
            path,
            headers=(*bearer(world.people_tokens.wrong()), *form),
            body=b"note=" + encoded(world.builder.text()).encode() if method == "POST" else b"",
        )
