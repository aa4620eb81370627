"""Problem details (RFC 9457): how every service answers an error, and what an error never says.

A client gets one JSON object (``application/problem+json``) with type, title, status and detail. Neither the answer nor
the log has a stack trace, a value of the request, or a name that only the request uses. Published packages for FastAPI
put the text of the exception and the rejected values into the answer and the traceback into the log, so the
handlers are the project's own.
"""

import http
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem-type:hmlops:"
MOST_ERRORS = 20
"""Validation errors that one answer lists."""
UNNAMED = "?"
"""Stands for a name that the API does not define: what a client writes there may identify a person."""

_DETAILS = {
    400: "The request cannot be read; send JSON in UTF-8.",
    404: "There is nothing at this address; see /openapi.json.",
    405: "This address does not have this method; see the Allow header.",
}
_SCHEMA_NAME = "ProblemDetails"

log = logging.getLogger("services")


class InvalidField(BaseModel):
    """A part of the request that does not match the schema."""

    model_config = ConfigDict(extra="forbid")

    where: str = Field(description="The part, with dots; ? for a name that the API does not define.")
    code: str = Field(description="What is wrong with it, as pydantic calls it.", examples=["string_too_long"])


class ProblemDetails(BaseModel):
    """The body of every error answer (RFC 9457)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "type": TYPE_PREFIX + "unknown-encounter",
                "title": "Unknown encounter",
                "status": 404,
                "detail": "This hospital has no encounter of this pseudonym; check it.",
            }
        },
    )

    type: str = Field(description="The kind of problem, as a URI.")
    title: str = Field(description="The kind of problem in words; the same for every problem of the kind.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str = Field(description="What is wrong and how to correct it.")
    errors: list[InvalidField] | None = Field(None, description="What does not match the schema.")


class Problem(HTTPException):
    """An error that a client gets as problem details.

    Parameters
    ----------
    status : int
        The HTTP status, 400 to 599.
    title : str
        The kind of problem; the same text for every problem of the kind.
    detail : str
        What is wrong and how to correct it; without any value of the request.
    headers : mapping, optional
        Headers of the answer, such as Retry-After.
    errors : sequence of InvalidField
        The parts of the request that do not match the schema.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[InvalidField] = (),
    ) -> None:
        super().__init__(status, detail)
        self.status, self.title = status, title
        self.headers: dict[str, str] = dict(headers or {})
        self.errors = list(errors)

    def __str__(self) -> str:
        return self.title

    @property
    def type(self) -> str:
        """The kind of problem as a URI, from its title."""
        return TYPE_PREFIX + re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    def response(self) -> JSONResponse:
        """Return the answer."""
        body = ProblemDetails(
            type=self.type, title=self.title, status=self.status, detail=self.detail, errors=self.errors or None
        )
        content = body.model_dump(exclude_none=True)
        return JSONResponse(content, self.status, headers=self.headers, media_type=MEDIA_TYPE)


class Application(FastAPI):
    """A FastAPI application that answers every error as problem details, and documents them.

    Middleware that is added is outside of it, and sees the answer to an unhandled exception as well.
    """

    def setup(self) -> None:
        """Add the routes of the documentation, and the handlers of errors."""
        super().setup()
        self.add_exception_handler(Problem, _problem)
        self.add_exception_handler(HTTPException, _http_error)
        self.add_exception_handler(RequestValidationError, _invalid)
        self.add_middleware(_Unhandled)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, in which every error is problem details."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= problem.pop("$defs") | {_SCHEMA_NAME: problem}
            for path in document["paths"].values():
                for operation in path.values():
                    _document(operation["responses"])
        return super().openapi()


class _Unhandled:
    """Middleware that answers an exception that nothing handles, and logs its type and place alone.

    A handler of ``Exception`` would not do: Starlette raises the exception again after it, and the server then logs it
    with its text.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:  # the last handler
            if scope["type"] != "http":
                raise
            log.error("Unhandled %s at %s", type(error).__name__, _place(error))
            if not started:
                problem = Problem(500, "Internal error", "The service has a fault; its log names the place.")
                await problem.response()(scope, receive, send)


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Problem):  # registered for this type alone
        raise error
    return error.response()


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):  # registered for this type alone
        raise error
    phrase = http.HTTPStatus(error.status_code).phrase
    detail = _DETAILS.get(error.status_code, f"The service answers {phrase}.")
    return Problem(error.status_code, phrase, detail, headers=error.headers).response()


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):  # registered for this type alone
        raise error
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return Problem(400, http.HTTPStatus(400).phrase, _DETAILS[400]).response()
    names = _names(request.app.openapi())
    errors = [InvalidField(where=_where(fault["loc"], names), code=fault["type"]) for fault in faults[:MOST_ERRORS]]
    more = len(faults) - len(errors)
    detail = "The request does not match the schema in /openapi.json" + (f"; {more} more errors." if more else ".")
    return Problem(422, "Invalid request", detail, errors=errors).response()


def _where(location: Iterable[str | int], names: frozenset[str]) -> str:
    return ".".join(str(part) if isinstance(part, int) or part in names else UNNAMED for part in location)


def _names(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that the API defines: of parameters, of fields, and where each is."""
    names = {"body", "path", "query", "header", "cookie"}
    for schema in document.get("components", {}).get("schemas", {}).values():
        names |= schema.get("properties", {}).keys()
    for path in document["paths"].values():
        for operation in path.values():
            names |= {parameter["name"] for parameter in operation.get("parameters", ())}
    return frozenset(names)


def _document(responses: dict[str, Any]) -> None:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{_SCHEMA_NAME}"}}}
    if "422" in responses:
        responses["422"]["description"] = "The request does not match the schema."
    for status, response in responses.items():
        if status[0] in "45":
            response["content"] = content
    responses["default"] = {"description": "Any other error.", "content": content}


def _place(error: Exception) -> str:
    """Return module and line where an exception was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
