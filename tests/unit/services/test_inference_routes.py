"""Every route of the model server: the list of them, and requests of every shape that none may fail with."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest
from mlserver.cli.serve import load_settings
from starlette.applications import Starlette
from starlette.routing import Route

from services import inference
from services.planning.open_inference import MODEL_SERVER
from services.transport import Credentials, ServerSettings, SpiffeId, TlsFiles
from tests.support.identity.workload_certificates import files
from tests.support.repository import REPOSITORY
from tests.support.serving.model_servers import HOSPITAL, NAME, Server

pytestmark = pytest.mark.process

PAGE = REPOSITORY / "docs" / "model-server.md"
# A value of a request, looked for in answers, in the log and in the figures.
MARKER = "776655.125"
MODEL_PATH = f"/v2/models/{NAME}"
INFER = f"{MODEL_PATH}/infer"
PATHS = (
    "/healthz",
    "/readyz",
    "/v2/health/live",
    "/v2/health/ready",
    MODEL_PATH,
    f"{MODEL_PATH}/ready",
    INFER,
    f"/{MARKER}",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", MARKER)
TYPES = (
    None,
    "application/json",
    "application/json; charset=utf-16",
    "application/JSON;" + " " * 200 + "q",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; charset=latin-1",
    MARKER,
)
BODIES = (
    b"",
    b"{}",
    b"null",
    b"[]",
    b"\xff\xfe" + MARKER.encode(),
    b'"' + MARKER.encode() + b'"',
    b"\x00" * 64,
    MARKER.encode("utf-16"),
    b'{"inputs": ' + b"[" * 5000,
    b'{"inputs": null, "outputs": [{"name": "' + MARKER.encode() + b'"}]}',
    b'{"inputs": [{"name": "age", "shape": [' + b"9" * 400 + b'], "datatype": "FP64", "data": [1]}]}',
    b'{"inputs": [{"name": "age", "shape": [-1], "datatype": "BYTES", "data": ["' + MARKER.encode() + b'"]}]}',
    b'{"inputs": [{"name": "age", "shape": [1], "datatype": "' + MARKER.encode() + b'", "data": [1]}]}',
    b'{"id": {"x": 1}, "parameters": [1], "inputs": [1]}',
    b'{"inputs": [], "inputs": {"a": ' + MARKER.encode() + b"}}",
    b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n" + MARKER.encode() + b"\r\n--x--",
)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"Accept": MARKER, "Accept-Encoding": "br, gzip;q=nan", "Accept-Language": "\x7f"},
    {"Content-Encoding": "gzip"},
    {"Range": "bytes=0-1,9999-", "If-Match": MARKER, "If-Modified-Since": MARKER},
    {"Expect": MARKER},
    {"X-Request-Id": MARKER, "Traceparent": MARKER, "X-Forwarded-For": MARKER, "Forwarded": f"for={MARKER}"},
    {"Host": MARKER},
    {"Host": ""},
    {"Cookie": "; ".join([f"a={MARKER}"] * 200)},
    {"Authorization": f"Basic {MARKER}", "Connection": "x-unknown"},
    {"Origin": f"https://{MARKER}", "Access-Control-Request-Method": "POST"},
    {"X-HTTP-Method-Override": "DELETE", "Upgrade": "h2c", "Connection": "Upgrade"},
)
# Whole requests that no client library sends.
RAW = (
    b"GET {path} HTTP/1.0\r\n\r\n",
    b"GET {path} HTTP/1.1\r\n\r\n",
    b"GET {path}\r\n\r\n",
    b"GET {path} HTTP/3.9\r\nHost: x\r\n\r\n",
    b"get {path} HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET https://776655.125{path} HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET {path}?x=776655.125&%ff=%00#776655.125 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET {path}/../..//%2e%2e/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\nHost: 776655.125\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\nA\xff\xfe: 776655.125\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\nA: 7766\x0055.125\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\nA: b\r\n 776655.125\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\nA: " + b"776655.125" * 10_000 + b"\r\n\r\n",
    b"GET {path}?" + b"776655.125" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n776655.125",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n776655.125",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n776655.125\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\na;x=y\r\n776655.125\r\n0\r\nContent-Length: 3\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT {path} HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03776655.125\r\n\r\n",
)


def registered(app: Starlette) -> Iterator[tuple[str, str]]:
    """Yield method and path of the routes of an application, with the model's name as in the page."""
    for route in app.routes:
        assert isinstance(route, Route), route
        for method in sorted(route.methods or ()):
            yield method, route.path.replace(NAME, "{model}")


def listed(port: str) -> set[tuple[str, str]]:
    """Return method and path of the rows of the page that a port has."""
    rows = re.findall(r"^\| (\w+) \| ([A-Z, ]+) \| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    return {(method, path) for of, methods, path in rows if of == port for method in methods.split(", ")}


def test_the_page_lists_the_routes_that_the_server_registers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSERVER_PARALLEL_WORKERS", "0")
    monkeypatch.setenv("MLSERVER_METRICS_DIR", str(server.folder))
    own = files(server.folder / "listed")
    server.authority.issue(own, str(SpiffeId(HOSPITAL, MODEL_SERVER)))

    async def made() -> inference.Server:
        settings, _ = await load_settings(str(server.release))
        return inference.Server(settings, NAME, ServerSettings((), own))

    loop = asyncio.new_event_loop()
    one = loop.run_until_complete(made())
    loop.close()
    assert one.figures is not None
    assert set(registered(one.application)) == listed("https")
    assert set(registered(one.figures)) == listed("metrics")
    assert {path.replace(NAME, "{model}") for path in PATHS[:-1]} == {path for _, path in listed("https")}


@pytest.fixture
def own(server: Server) -> TlsFiles:
    """The certificate of planning."""
    found = files(server.folder / "planner")
    server.authority.issue(found, str(SpiffeId(HOSPITAL, "planner")))
    return found


@pytest.fixture(autouse=True)
def still_serves(server: Server, planner: httpx.Client, body: dict[str, Any]) -> Iterator[None]:
    before = planner.post(f"{server.url}/infer", json=body)
    assert before.status_code == 200
    yield
    assert planner.post(f"{server.url}/infer", json=body).json()["outputs"] == before.json()["outputs"]
    assert planner.get(f"{server.url}/ready").status_code == 200
    for text in (server.log.read_text(errors="replace"), httpx.get(server.figures).text):
        assert MARKER not in text
        assert "Traceback" not in text


def fits(answer: httpx.Response) -> bool:
    """Return whether an answer is none of a fault, and repeats nothing of its request."""
    return (answer.status_code < 500 or answer.status_code == 503) and MARKER not in answer.text


def shapes(path: str) -> Iterator[tuple[str, str | None, bytes, dict[str, str]]]:
    """Yield method, media type, body and headers: all pairs of type and body where scores are asked for."""
    if path == INFER:
        yield from (("POST", kind, content, {}) for kind, content in product(TYPES, BODIES))
    for number, (method, headers) in enumerate(product(METHODS, HEADERS)):
        yield method, TYPES[number % len(TYPES)], BODIES[number % len(BODIES)], headers
    for number, method in enumerate(METHODS):
        for kind in TYPES:
            yield method, kind, BODIES[(number + 1) % len(BODIES)], {}


@pytest.mark.parametrize("path", PATHS)
def test_no_request_is_a_fault_of_the_server(server: Server, planner: httpx.Client, path: str) -> None:
    address = f"{server.url.partition('/v2/')[0]}{path}"
    wrong: list[object] = []
    for method, kind, content, headers in shapes(path):
        sent = headers | ({"Content-Type": kind} if kind else {})
        answer = planner.request(method, address, content=content, headers=sent)
        if not fits(answer):
            wrong.append((method, kind, content[:60], headers, answer.status_code))
    assert wrong == []


def answered(server: Server, own: TlsFiles, content: bytes) -> bytes:
    """Return what the server answers to bytes, until it closes the connection or the client has sent all."""
    address = httpx.URL(server.url)
    context = Credentials(own, server=False).context()
    context.check_hostname = False
    with (
        socket.create_connection((address.host, address.port or 443), timeout=1) as plain,
        context.wrap_socket(plain) as connection,
    ):
        try:
            connection.sendall(content)
            return connection.recv(65536)
        except TimeoutError:
            return b""
        except OSError:  # it closes the connection on what is no request
            return b""


@pytest.mark.parametrize("path", PATHS)
def test_no_bytes_are_a_fault_of_the_server(server: Server, own: TlsFiles, path: str) -> None:
    for raw in RAW:
        answer = answered(server, own, raw.replace(b"{path}", path.encode()))
        status = re.match(rb"HTTP/1\.1 (\d{3})", answer)
        assert not answer or status, raw[:80]
        assert not status or int(status[1]) < 500 or int(status[1]) == 503, (raw[:80], status[1])
        assert MARKER.encode() not in answer, raw[:80]


def test_methods_are_no_labels_of_the_figures(server: Server, planner: httpx.Client) -> None:
    for method in METHODS:
        planner.request(method, f"{server.url}/infer")
    shown = set(re.findall(r'method="([^"]*)"', httpx.get(server.figures).text))
    assert shown <= inference.METHODS


def test_a_body_of_one_row_in_pieces_is_answered(server: Server, own: TlsFiles, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [content[start : start + 500] for start in range(0, len(content), 500)]
    chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)
    assert answered(server, own, head.encode() + chunks + b"0\r\n\r\n").startswith(b"HTTP/1.1 200")
