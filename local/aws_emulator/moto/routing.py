"""Routing of REST requests: operation names from AWS service models, by method and path."""

from functools import cache
from typing import Any, Final

from botocore.exceptions import DataNotFoundError, UnknownServiceError
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import HTTPException

from local.aws_emulator.moto.backend import Call, environ

# Services whose signing name differs from the name of their model.
_MODELS: Final = {"access-analyzer": "accessanalyzer", "monitoring": "cloudwatch"}


def route(call: Call) -> tuple[str, dict[str, Any]] | None:
    """Return the operation and its path parameters, or None if the model has no such request."""
    router = _router(_MODELS.get(call.service, call.service))
    if router is None:
        return None
    try:
        operation, parameters = router.match(Request(environ(call)))
    except HTTPException:
        return None
    return str(operation.name), dict(parameters)


@cache
def _router(model: str) -> Any:
    try:
        return get_service_router(model)
    except (DataNotFoundError, UnknownServiceError):
        return None
