"""The model server of a pod: who may ask it, which paths exist, and what it does with bodies that do not fit."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from model.release.signing import LocalSigner
from model.scoring.latest_discharge import latest
from services.inference import LARGEST_BODY, MOST_ROWS
from services.planning.open_inference import request_body
from tests.support.model_servers import NAME, Server, released, serving
from tests.support.model_world import world

pytestmark = pytest.mark.process

# A value of a request, looked for in answers and in the log.
MARKER = "776655.125"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = released(tmp_path_factory.mktemp("release"))
    key = LocalSigner(place.parents[1] / "key").public_keys()["v1"]
    with serving(place, key, tmp_path_factory.mktemp("server")) as found:
        failed = (httpx.TransportError, httpx.HTTPStatusError)
        ready = Retrying(retry=retry_if_exception_type(failed), stop=stop_after_delay(120), reraise=True)
        client = found.client()
        ready(lambda: client.get(f"{found.url}/ready").raise_for_status())
        yield found


@pytest.fixture(scope="module")
def planner(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def body() -> dict[str, Any]:
    return request_body(latest(str(world().features), "any").columns)


@pytest.fixture(autouse=True)
def still_serves(server: Server, planner: httpx.Client, body: dict[str, Any]) -> Iterator[None]:
    yield
    assert planner.post(f"{server.url}/infer", json=body).status_code == 200
    text = server.log.read_text(errors="replace")
    assert MARKER not in text
    assert "Traceback" not in text


def test_another_workload_is_refused(server: Server, body: dict[str, Any]) -> None:
    with server.client("ingestor") as other:
        assert other.post(f"{server.url}/infer", json=body).status_code == 403
        assert other.get(f"{server.url}/ready").status_code == 403


def test_no_certificate_and_no_tls_get_no_answer(server: Server) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/ready", verify=False)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url.replace('https', 'http')}/ready")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path",
    [
        f"/v2/repository/models/{NAME}/unload",
        f"/v2/repository/models/{NAME}/load",
        "/v2/repository/index",
        "/v2/docs",
        "/v2/docs/dataplane.json",
        f"/v2/models/{NAME}/docs",
        f"/v2/models/{NAME}/infer_stream",
        f"/v2/models/{NAME}/generate",
        f"/v2/models/{NAME}/versions/v1/infer",
        "/v2/models/another/infer",
        "/v2",
        "/docs",
        "/openapi.json",
        "/metrics",
        f"/v2/models/{NAME}/%2e%2e/infer",
    ],
)
def test_what_scores_do_not_need_does_not_exist(
    server: Server, planner: httpx.Client, method: str, path: str, body: dict[str, Any]
) -> None:
    address = f"{server.url.partition('/v2/')[0]}{path}"
    assert planner.request(method, address, json=body).status_code in {404, 405}


def changed(body: dict[str, Any], **fields: Any) -> bytes:
    """Return the body with other fields in its first input."""
    inputs = [{**body["inputs"][0], **fields}, *body["inputs"][1:]]
    return json.dumps({"inputs": inputs}).encode()


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"inputs": ["776655.125", "\xff"]}', "application/json", 422),
        (b"\xff776655.125", "text/plain", 415),
        (b'{"inputs": [776655.125]}', "application/json", 422),
        (b'{"inputs": []}', "application/json", 400),
        (b'{"inputs": [{"name": "age", "datatype": "FP64", "shape": [1], "data": {"776655.125": 1}}]}', None, 400),
        (b'{"inputs": ' + b"[" * 100_000, "application/json", 422),
        (b"776655.125", "application/json", 422),
        (b"", "application/json", 422),
        (b'{"x": "' + b"776655.125" * (LARGEST_BODY // 10) + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_does_not_fit_is_refused_without_its_values(
    server: Server, planner: httpx.Client, content: bytes, kind: str | None, status: int
) -> None:
    headers = {"Content-Type": kind or "application/json"}
    answer = planner.post(f"{server.url}/infer", content=content, headers=headers)
    assert answer.status_code == status
    assert MARKER not in answer.text


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"776655.125"', "true", "[776655.125, 2]", "1e400", '{"a": 1}'])
def test_a_value_that_is_no_number_is_refused(
    server: Server, planner: httpx.Client, body: dict[str, Any], value: str
) -> None:
    content = changed(body, data=["the value"]).replace(b'"the value"', value.encode())
    answer = planner.post(f"{server.url}/infer", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert MARKER not in answer.text


def test_more_rows_than_a_request_may_have_are_refused(
    server: Server, planner: httpx.Client, body: dict[str, Any]
) -> None:
    many = {
        "inputs": [
            {**one, "shape": [MOST_ROWS + 1, 1], "data": one["data"] * (MOST_ROWS + 1)} for one in body["inputs"]
        ]
    }
    assert planner.post(f"{server.url}/infer", json=many).status_code == 422


def test_an_unknown_path_is_no_label_of_the_figures(server: Server, planner: httpx.Client) -> None:
    planner.get(f"{server.url}/{MARKER}")
    assert MARKER not in httpx.get(server.figures).text
