"""FastAPI application of care, composed of its routers; the only service that sees names and scores together."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse

from services.audit.http import recorded
from services.care import accesses, launch, readmissions, todays_stays
from services.care.background import POLL_SECONDS, Background, Task
from services.care.cds_hooks import routes as cds_hooks
from services.care.context import Care
from services.care.delivery.outbox import Courier
from services.care.identity import IdentityLookup
from services.care.worklist import placements
from services.care.worklist import routes as worklist
from services.care.worklist_ports import PlanningScores, SmartLaunches, on_record
from services.problems import Application
from services.request_body import RequestBody

log = logging.getLogger("services.care")

FORM = "application/x-www-form-urlencoded"
MEDIA_TYPES = frozenset({"application/json", FORM})


def create(care: Care) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    care : Care
        What the routes work with.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        background = Background(tasks(care))
        background.start()
        yield
        background.stop()
        care.engine.dispose()

    app = Application(
        title="Care", version="1", redirect_slashes=False, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.care = care
    for router in routers(care):
        app.include_router(router)
    app.add_middleware(RequestBody, largest=care.settings.largest_body_bytes, media_types=MEDIA_TYPES)
    app.add_middleware(accesses.AccessedIdentities)
    # The outermost: nothing leaves without a record.
    recorded(app, care.recorder)
    return app


def routers(care: Care) -> tuple[APIRouter, ...]:
    """Return the routers of the application, in the order in which they are asked."""
    all_routers = [_health(care), cds_hooks.router(care), launch.router(care)]
    settings = care.settings.worklist
    if settings is not None:
        lookup, scores = IdentityLookup(care.engine, care.cipher), PlanningScores(care.planning)
        all_routers.append(
            worklist.router(
                settings,
                care.engine,
                lookup,
                scores,
                on_record,
                launches=SmartLaunches(care),
                keys=care.sign_in_keys,
                clock=care.clock,
            )
        )
    return tuple(all_routers)


def tasks(care: Care) -> tuple[Task, ...]:
    """Return what care does without a request."""
    courier = Courier(care.engine, care.cipher, care.receivers, care.clock)
    periodic = [Task("Delivery of messages", POLL_SECONDS, courier.deliver_due)]
    if care.settings.worklist is not None:
        scores, waiting = PlanningScores(care.planning), todays_stays.Waiting()

        def tidy() -> None:
            with care.engine.begin() as connection:
                placements.tidy(connection)

        periodic += [
            Task("Scoring of today's stays", 60, lambda: todays_stays.score(care, waiting)),
            Task("Delivery of overrides", 30, lambda: placements.send_feedback(care.engine, scores, log.warning)),
            Task("Recording of readmissions", 3600, lambda: readmissions.record(care)),
            Task("Removal of old drafts and sessions", 3600, tidy),
        ]
    return tuple(periodic)


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
