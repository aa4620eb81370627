"""Errors of a service: one form, with nothing of the request in the answer or the log."""

import logging
from typing import Annotated

import pytest
from fastapi import HTTPException, Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict

from services.problems import MEDIA_TYPE, MOST_ERRORS, Application, InvalidField, Problem, ProblemDetails
from services.request_body import RequestBody

SECRET = "Erika-Mustermann"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int
    values: dict[str, float] = {}


def application() -> Application:
    app = Application(redirect_slashes=False)
    app.add_middleware(RequestBody, largest=200)

    @app.post("/things/{number}")
    def post(number: int, body: Body, size: Annotated[int, Query()] = 1) -> int:
        return number + body.count + size

    @app.get("/fails")
    def fails() -> None:
        raise ValueError(SECRET)

    @app.get("/refuses")
    def refuses() -> None:
        raise Problem(503, "Audit record not written", "Try again.", headers={"Retry-After": "1"})

    @app.get("/raises")
    def raises() -> None:
        raise HTTPException(418, detail=SECRET)

    return app


@pytest.fixture
def client() -> TestClient:
    return TestClient(application())


def test_a_problem_is_answered_as_it_was_raised(client: TestClient) -> None:
    answer = client.get("/refuses")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "type": "urn:problem-type:hmlops:audit-record-not-written",
        "title": "Audit record not written",
        "status": 503,
        "detail": "Try again.",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", f"/{SECRET}", 404, "Not Found"),
        ("GET", "/fails/", 404, "Not Found"),
        ("PUT", "/fails", 405, "Method Not Allowed"),
        ("GET", "/raises", 418, "I'm a Teapot"),
        ("GET", "/fails", 500, "Internal error"),
    ],
)
def test_every_other_error_has_the_same_form(
    client: TestClient, caplog: pytest.LogCaptureFixture, method: str, path: str, status: int, title: str
) -> None:
    caplog.set_level(logging.INFO, "services")
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    details = ProblemDetails.model_validate(answer.json())
    assert (details.status, details.title) == (status, title)
    assert SECRET not in answer.text + caplog.text
    assert answer.headers.get("allow") == ("GET" if status == 405 else None)


def test_an_unhandled_exception_is_logged_by_type_and_place(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/fails")
    [record] = [record for record in caplog.records if record.name == "services"]
    assert record.getMessage().startswith(f"Unhandled ValueError at {__name__}:")
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"count": SECRET}, "body.count"),
        ({"count": 1, SECRET: 2}, "body.?"),
        ({"count": 1, "values": {SECRET: "x"}}, "body.values.?"),
        ({}, "body.count"),
        ([SECRET], "body"),
    ],
)
def test_a_body_that_does_not_match_names_the_field_alone(client: TestClient, body: object, where: str) -> None:
    answer = client.post("/things/1", json=body)
    assert answer.status_code == 422
    details = ProblemDetails.model_validate(answer.json())
    assert [error.where for error in details.errors or ()] == [where]
    assert SECRET not in answer.text


@pytest.mark.parametrize(("path", "where"), [(f"/things/{SECRET}", "path.number"), ("/things/1?size=x", "query.size")])
def test_a_parameter_that_does_not_match_names_it_alone(client: TestClient, path: str, where: str) -> None:
    answer = client.post(path, json={"count": 1})
    assert answer.status_code == 422
    assert [error["where"] for error in answer.json()["errors"]] == [where]
    assert SECRET not in answer.text


def test_a_few_errors_are_listed_and_the_rest_counted() -> None:
    app = Application()

    @app.post("/")
    def post(body: Body) -> None:
        del body

    answer = TestClient(app).post("/", json={"values": {str(place): "x" for place in range(MOST_ERRORS)}})
    assert len(answer.json()["errors"]) == MOST_ERRORS
    assert answer.json()["detail"].endswith("; 1 more errors.")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"count": 1}', "application/json; charset=utf-8", 200),
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 190, "application/json", 400),
        (b'{"count": 1}', "text/plain", 415),
        (b'{"count": 1}', "", 415),
        (b"x" * 201, "application/json", 413),
        (b"x" * 201, "text/plain", 413),
    ],
)
def test_a_body_is_bounded(client: TestClient, content: bytes, kind: str, status: int) -> None:
    answer = client.post("/things/1", content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == status
    assert answer.headers["content-type"] == ("application/json" if status == 200 else MEDIA_TYPE)


def test_a_body_without_a_length_is_bounded(client: TestClient) -> None:
    parts = iter([b"x" * 150, b"x" * 150])
    assert client.post("/things/1", content=parts).status_code == 413


@pytest.mark.parametrize("length", ["-1", "x", "9" * 40, "²"])
def test_a_length_that_is_no_number_is_refused(client: TestClient, length: str) -> None:
    headers = {b"Content-Length": length.encode("latin-1"), b"Content-Type": b"application/json"}
    assert client.post("/things/1", content=b"{}", headers=headers).status_code == 413


def test_the_document_describes_every_error(client: TestClient) -> None:
    document = application().openapi()
    schemas = document["components"]["schemas"]
    assert {"ProblemDetails", "InvalidField"} <= schemas.keys()
    assert not {"HTTPValidationError", "ValidationError"} & schemas.keys()
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                assert status == "200" or response["content"] == {
                    MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
                }


def test_the_type_names_the_kind_of_problem() -> None:
    problem = Problem(404, "Unknown encounter: (new)", "Check it.", errors=[InvalidField(where="body", code="missing")])
    assert problem.type == "urn:problem-type:hmlops:unknown-encounter-new"
    assert str(problem) == problem.title
