"""Bounds of a body, checked before an application reads it."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from services.request_body import RequestBody


async def echo(request: Request) -> Response:
    return Response(await request.body())


CLIENT = TestClient(RequestBody(Starlette(routes=[Route("/", echo, methods=["POST"])]), largest=10))
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Content-Length": "2", "Transfer-Encoding": "chunked"}, 400),
        ({"Content-Length": "11"}, 413),
        ({"Content-Length": "-1"}, 413),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
def test_a_body_is_refused_before_it_is_read(headers: dict[str, str], status: int) -> None:
    answer = CLIENT.post("/", content=b"{}", headers=JSON | headers)
    assert answer.status_code == status
    assert (answer.headers.get("connection") == "close") == (status != 200)
