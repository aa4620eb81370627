"""HTTP messages of the emulator: requests, responses and AWS error responses."""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

ACCOUNT: Final = "123456789012"
PARTITION: Final = "aws"
TOKEN_REVIEW: Final = "/_emulator/token-review"

_JSON_CODES: Final = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
}


@dataclass(frozen=True)
class Request:
    """HTTP request with its complete body; header names are lower-case, dashes and underscores as sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    tls: str = "1.3"
    peer: str = "127.0.0.1"

    @property
    def path(self) -> str:
        """The path as sent, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query string as sent."""
        return self.target.partition("?")[2]

    @property
    def parameters(self) -> dict[str, str]:
        """Query parameters; the last value of a repeated one."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def form(self) -> list[tuple[str, str]]:
        """Parameters of a form body, in order."""
        if not self.header("content-type").startswith("application/x-www-form-urlencoded"):
            return []
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    def header(self, name: str) -> str:
        """Return a header's value, empty if it was not sent."""
        return next((value for key, value in self.headers if key == name), "")

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> "Request":
        """Return the same request with other headers."""
        return replace(self, headers=tuple(headers))


@dataclass(frozen=True)
class Answer:
    """HTTP response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class AwsError(Exception):
    """Error response of AWS."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def refusal(error: AwsError, request: Request, service: str) -> Answer:
    """Render an error in the protocol of the service."""
    identity = str(uuid.uuid4())
    if request.method == "HEAD":
        return Answer(error.status, (("x-amz-request-id", identity),), b"")
    if service == "s3":
        return _xml(error, f"<Error>{_fields(error)}<RequestId>{identity}</RequestId></Error>", identity)
    if service == "ec2":
        inner = f"<Errors><Error>{_fields(error)}</Error></Errors><RequestID>{identity}</RequestID>"
        return _xml(error, f"<Response>{inner}</Response>", identity)
    if request.header("x-amz-target") or not request.form:
        return _json(error, request, identity)
    inner = f"<Error><Type>Sender</Type>{_fields(error)}</Error><RequestId>{identity}</RequestId>"
    return _xml(error, f"<ErrorResponse>{inner}</ErrorResponse>", identity)


def _fields(error: AwsError) -> str:
    return f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"


def _xml(error: AwsError, text: str, identity: str) -> Answer:
    headers = (("Content-Type", "application/xml"), ("x-amz-request-id", identity))
    return Answer(error.status, headers, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode())


def _json(error: AwsError, request: Request, identity: str) -> Answer:
    code = _JSON_CODES.get(error.code, error.code)
    headers = (
        ("Content-Type", "application/x-amz-json-1.1"),
        ("x-amzn-ErrorType", code),
        ("x-amzn-RequestId", identity),
    )
    # The JSON protocol (operation in a header) uses status 400 for all client errors.
    flat = bool(request.header("x-amz-target")) and 400 <= error.status < 500
    status = 400 if flat else error.status
    return Answer(status, headers, json.dumps({"__type": code, "message": error.message}).encode())


def as_list(value: Any) -> list[Any]:
    """Return a policy element, written as one value or as a list, as a list."""
    return list(value) if isinstance(value, list | tuple) else [value]


Context = Mapping[str, tuple[str, ...]]
"""Condition keys, lower-case, with their values."""
