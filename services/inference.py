"""Model server in its pod: MLServer's model over mutual TLS. ``python -m services.inference FOLDER`` serves a release.

MLServer's own REST and gRPC servers also have documentation pages, streams and the model repository API, with which any
caller unloads the model; here only what scores need exists. Bodies, rows, requests at once and their time are bounded,
and no error or log line has a value of a request. A small request is answered on the event loop; a large one on a
thread, one after another, while the loop goes on with others.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from mlserver import MLServer
from mlserver.cli.serve import load_settings
from mlserver.errors import MLServerError, ModelNotFound
from mlserver.handlers import DataPlane
from mlserver.metrics.prometheus import PrometheusEndpoint
from mlserver.model import MLModel
from mlserver.registry import MultiModelRegistry
from mlserver.settings import Settings
from mlserver.types import InferenceRequest, RequestInput
from mlserver.utils import install_uvloop_event_loop
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_exporter import PrometheusMiddleware

from services.at_once import AtOnce
from services.request_body import RequestBody
from services.transport import ServerSettings
from services.transport import server as tls_server

# A thousand rows of 86 features have 1.7 MB with all digits. More bodies at once than fit into the memory of a pod are
# refused by REQUESTS_AT_ONCE (docs/figures.md).
LARGEST_BODY = 2 << 20
MOST_ROWS = 1000
MOST_INPUTS = 1000
REQUESTS_AT_ONCE = 32
REQUEST_SECONDS = 10.0
# A body of up to this size is answered in a few milliseconds, in which the loop does nothing else.
SMALL_BODY = 64 << 10
LARGE_AT_ONCE = 4
# A model that is absent for so long is not coming back by itself.
ABSENT_SECONDS = 60.0
METHODS = frozenset({"GET", "HEAD", "POST"})
HEALTH_PATHS = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")

log = logging.getLogger("mlserver.readmission")

Handler = Callable[[Request], Awaitable[Response]]


def _error(status: int, text: str) -> JSONResponse:
    """Return an error of the Open Inference Protocol."""
    return JSONResponse({"error": text}, status)


class Protocol:
    """The paths of the Open Inference Protocol v2 that are served.

    Parameters
    ----------
    plane, registry
        MLServer's predictions and models.
    model
        Name of the model.
    clock
        Seconds that only grow.
    """

    def __init__(
        self,
        plane: DataPlane,
        registry: MultiModelRegistry,
        model: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plane, self._registry, self._model, self._clock = plane, registry, model, clock
        self._ready_at = clock()
        self._large = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="large-requests")

    def routes(self) -> list[Route]:
        """Return the routes; ``/healthz`` and ``/readyz`` are for the pod's own probes."""
        path = f"/v2/models/{self._model}"
        return [
            Route("/healthz", self.live),
            Route("/readyz", self.ready),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            Route(path, self.metadata),
            Route(f"{path}/ready", self.ready),
            Route(f"{path}/infer", self.infer, methods=["POST"]),
        ]

    async def live(self, _: Request) -> Response:
        """Answer 503 once the model has been absent for a minute; a busy server is alive."""
        if await self._is_ready() or self._clock() - self._ready_at < ABSENT_SECONDS:
            return JSONResponse({"live": True})
        return _error(503, "The model has been absent for a minute.")

    async def ready(self, _: Request) -> Response:
        """Answer 200 while the release answers its reference inputs as the evaluated pipeline did."""
        return JSONResponse({"ready": True}) if await self._is_ready() else _error(503, "The model is not ready.")

    async def metadata(self, _: Request) -> Response:
        """Return the model's metadata."""
        try:
            metadata: Any = await self._plane.model_metadata(self._model)
        except MLServerError:
            return _error(503, "The model is not ready.")
        return JSONResponse(metadata.model_dump(mode="json", exclude_none=True))

    async def infer(self, request: Request) -> Response:
        """Score the discharges of a request."""
        try:
            body = await request.body()
            return await (self._infer(body) if len(body) <= SMALL_BODY else self._infer_large(body))
        except ClientDisconnect:  # nobody reads this; the figures count it
            return _error(400, "The request ended before its body.")
        except MLServerError as fault:
            absent = isinstance(fault, ModelNotFound) or not await self._is_ready()
            return _error(503, "The model is not ready.") if absent else _error(fault.status_code, str(fault))
        except Exception as fault:  # the text of an unforeseen fault may repeat values
            log.error("A request failed: %s", type(fault).__name__)
            return _error(500, "The request failed.")

    async def _infer_large(self, body: bytes) -> Response:
        if self._large >= LARGE_AT_ONCE:
            return JSONResponse({"error": "Too many large requests at once."}, 503, {"Retry-After": "1"})
        self._large += 1
        work = self._thread.submit(lambda: asyncio.run(self._infer(body)))
        loop = asyncio.get_running_loop()
        # The thread finishes what a client no longer waits for: it counts until then.
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._large_done))
        return await asyncio.wrap_future(work)

    def _large_done(self) -> None:
        self._large -= 1

    async def _infer(self, body: bytes) -> Response:
        try:
            payload = InferenceRequest.model_validate_json(body)
        except ValidationError:
            return _error(422, "The body is no inference request of the Open Inference Protocol v2.")
        if len(payload.inputs) > MOST_INPUTS or any(_rows(item) > MOST_ROWS for item in payload.inputs):
            return _error(422, f"A request has at most {MOST_INPUTS} inputs of {MOST_ROWS} rows; send several.")
        answer: Any = await self._plane.infer(payload, self._model)
        return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")

    async def _is_ready(self) -> bool:
        try:
            model = await self._registry.get_model(self._model)
        except ModelNotFound:
            return False
        if not (model.ready and _answers_its_reference(model)):
            return False
        self._ready_at = self._clock()
        return True


def _rows(item: RequestInput) -> int:
    """Return for how many discharges an input has values, by its data and not by what it says of itself alone."""
    shape = item.shape
    columns = shape[1] if len(shape) == 2 and 0 < shape[1] <= MOST_INPUTS else 1
    data = item.data.root if isinstance(item.data.root, list) else []
    cells = sum(len(row) if isinstance(row, list) else 1 for row in data)
    return max(-(-cells // columns), shape[0] if shape else 0)


def _answers_its_reference(model: MLModel) -> bool:
    check = getattr(model, "answers_its_reference", None)
    return check is None or bool(check())


class _KnownMethods:
    """Middleware that refuses methods that no path has: each would be a label of the figures, which nothing removes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = scope["type"] == "http" and scope["method"] not in METHODS
        await (_error(405, "The method is not allowed.") if refused else self._app)(scope, receive, send)


def application(protocol: Protocol, settings: Settings) -> Starlette:
    """Return the application, with the figures that the alerts read; a path that is not served is no label."""
    figures = Middleware(
        PrometheusMiddleware,
        app_name="mlserver",
        prefix=settings.metrics_rest_server_prefix,
        skip_paths=list(HEALTH_PATHS),
        group_paths=True,
        filter_unhandled_paths=True,
    )
    at_once = Middleware(AtOnce, most=REQUESTS_AT_ONCE, seconds=REQUEST_SECONDS, uncounted=HEALTH_PATHS)
    bounds = Middleware(RequestBody, largest=LARGEST_BODY)
    return Starlette(routes=protocol.routes(), middleware=[Middleware(_KnownMethods), figures, at_once, bounds])


def figures_application(endpoint: PrometheusEndpoint, path: str) -> Starlette:
    """Return the application of the port that Prometheus reads: MLServer's figures, without its documentation pages."""
    return Starlette(routes=[Route(path, endpoint.handle_metrics)])


class _RestServer:
    """REST server of the model server, in place of MLServer's own."""

    def __init__(self, app: Starlette, settings: ServerSettings) -> None:
        # The transport takes uvicorn's types of an ASGI application, which are Starlette's in other words.
        self._server = tls_server(cast(Any, app), settings)

    async def add_custom_handlers(self, model: MLModel) -> MLModel:
        return model

    async def delete_custom_handlers(self, model: MLModel) -> MLModel:
        return model

    async def start(self) -> None:
        await self._server.serve()

    async def stop(self, _: int | None = None) -> None:
        self._server.should_exit = True


class _NoGrpc:
    """Placeholder for MLServer's gRPC server, which serves nothing."""

    async def start(self) -> None:
        pass

    async def stop(self, _: int | None = None) -> None:
        pass


class Server(MLServer):
    """MLServer with its models, metrics and logs, and this module's application in the place of its servers.

    Attributes
    ----------
    application
        What it serves over mutual TLS.
    figures
        What it serves on the port that Prometheus reads; None where the figures are switched off.
    """

    def __init__(self, settings: Settings, model: str, tls: ServerSettings) -> None:
        self._model, self._tls = model, tls
        super().__init__(settings)

    def _create_servers(self) -> None:
        self.application = application(Protocol(self._data_plane, self._model_registry, self._model), self._settings)
        self.figures: Starlette | None = None
        # MLServer calls these methods of its servers, and no others.
        self._rest_server = cast(Any, _RestServer(self.application, self._tls))
        self._grpc_server = cast(Any, _NoGrpc())
        self._kafka_server = None
        if self._metrics_server is not None:
            path = str(self._settings.metrics_endpoint)
            self.figures = figures_application(self._metrics_server._endpoint, path)
            self._metrics_server._app = self.figures


async def serve(folder: str) -> None:
    """Serve the model of a folder until the process is told to stop."""
    settings, models = await load_settings(folder)
    await Server(settings, models[0].name, ServerSettings.from_environment(os.environ)).start(models)


def main(arguments: list[str]) -> int:
    """Run the command line."""
    if len(arguments) != 1:
        print("usage: python -m services.inference FOLDER", file=sys.stderr)
        return 2
    cast(Callable[[], None], install_uvloop_event_loop)()
    asyncio.run(serve(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
