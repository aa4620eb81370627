"""A model server in a process of its own, which the tests of these modules share."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from model.release.signing import LocalSigner
from model.scoring.latest_discharge import latest
from services.planning.open_inference import request_body
from tests.support.model.model_world import world
from tests.support.serving.model_servers import Server, released, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = released(tmp_path_factory.mktemp("release"))
    key = LocalSigner(place.parents[1] / "key").public_keys()["v1"]
    with serving(place, key, tmp_path_factory.mktemp("server")) as found:
        failed = (httpx.TransportError, httpx.HTTPStatusError)
        ready = Retrying(retry=retry_if_exception_type(failed), stop=stop_after_delay(120), reraise=True)
        with found.client() as client:
            ready(lambda: client.get(f"{found.url}/ready").raise_for_status())
        yield found


@pytest.fixture(scope="session")
def planner(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def body() -> dict[str, Any]:
    return request_body(latest(str(world().features), "any").columns)
