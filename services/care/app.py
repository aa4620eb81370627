"""FastAPI application of care, composed of its routers; the only service that sees names and scores together."""

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse

from services import problems
from services.care.context import Care
from services.request_body import RequestBody

FORM = "application/x-www-form-urlencoded"
MEDIA_TYPES = frozenset({"application/json", FORM})


def create(care: Care) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    care : Care
        What the routes work with.
    """
    app = FastAPI(title="Care", version="1.0.0", redirect_slashes=False, docs_url=None, redoc_url=None)
    problems.install(app)
    app.add_middleware(RequestBody, largest=care.settings.largest_body_bytes, media_types=MEDIA_TYPES)
    app.state.care = care
    for router in routers(care):
        app.include_router(router)
    return app


def routers(care: Care) -> tuple[APIRouter, ...]:
    """Return the routers of the application, in the order in which they are asked."""
    return (_health(care),)


def _health(care: Care) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz", response_class=PlainTextResponse)
    def healthz() -> str:
        return "ok"

    @router.get("/readyz", response_class=PlainTextResponse)
    def readyz() -> str:
        care.check()
        return "ready"

    return router
