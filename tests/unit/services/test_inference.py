"""The model server of a pod: who may ask it, which paths exist, and what it does with bodies that do not fit."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay

from model.scoring import Scorer
from services.inference import LARGEST_BODY, MOST_ROWS, REQUESTS_AT_ONCE, SMALL_BODY
from services.planning.open_inference import tensor_body
from tests.support.serving.model_servers import NAME, Server

pytestmark = pytest.mark.process

# A value of a request, looked for in answers and in the log.
MARKER = "776655.125"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def tensor(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    contract = Scorer.open(str(server.release)).contract
    columns = {item["name"]: item["data"] for item in body["inputs"]}
    return tensor_body(contract.order, [[columns[name][0] for name in contract.names]])


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
    answer = planner.post(f"{server.url}/infer", content=content, headers=JSON)
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


def outputs(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


@pytest.mark.parametrize("nested", [True, False])
def test_a_tensor_is_answered_as_named_features_are(
    server: Server, planner: httpx.Client, body: dict[str, Any], tensor: dict[str, Any], nested: bool
) -> None:
    [one] = tensor["inputs"]
    rows = one["data"] * 3
    data = rows if nested else [value for row in rows for value in row]
    asked = {"inputs": [{**one, "shape": [3, one["shape"][1]], "data": data}]}
    named = outputs(planner.post(f"{server.url}/infer", json=body))
    found = outputs(planner.post(f"{server.url}/infer", json=asked))
    assert found == {name: values * 3 for name, values in named.items()}


def tensor_with(tensor: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"inputs": [{**tensor["inputs"][0], **fields}]}).encode()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"parameters": {}}, "order"),
        ({"parameters": {"order": "0" * 64}}, "order"),
        ({"parameters": {"order": ["776655.125"]}}, "order"),
        ({"shape": [86]}, "shape"),
        ({"shape": [1, 2]}, "shape"),
        ({"shape": [0, 86]}, "shape"),
        ({"shape": [-1, 86]}, "shape"),
        ({"shape": [2, 86]}, "another number of values"),
        ({"data": []}, "another number of values"),
        ({"data": [776655.125]}, "another number of values"),
        ({"data": [[776655.125]]}, "different lengths"),
        ({"data": [[776655.125] * 86, 3]}, "different lengths"),
        ({"data": ["776655.125"] * 86}, "not numbers"),
        ({"data": [True] * 86}, "not numbers"),
        ({"data": [[[776655.125]] * 86]}, "not numbers"),
        ({"data": [776655.125] * 86}, "possible"),
        ({"data": [10**400] * 86}, "too large"),
        ({"data": {"776655.125": 1}}, "data"),
        ({"datatype": "BYTES"}, "FP64"),
        ({"name": "another"}, "numbers or null"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused_without_its_values(
    server: Server, planner: httpx.Client, tensor: dict[str, Any], fields: dict[str, Any], says: str
) -> None:
    content = tensor_with(tensor, **fields)
    answer = planner.post(f"{server.url}/infer", content=content, headers=JSON)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert MARKER not in answer.text


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_tensor_with_a_value_that_is_no_number_is_refused(
    server: Server, planner: httpx.Client, tensor: dict[str, Any], value: str
) -> None:
    data = [["the value", *tensor["inputs"][0]["data"][0][1:]]]
    content = tensor_with(tensor, data=data).replace(b'"the value"', value.encode())
    answer = planner.post(f"{server.url}/infer", content=content, headers=JSON)
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize("stated", [1, MOST_ROWS + 1])
def test_a_tensor_of_more_rows_than_a_request_may_have_is_refused(
    server: Server, planner: httpx.Client, tensor: dict[str, Any], stated: int
) -> None:
    [one] = tensor["inputs"]
    content = tensor_with(tensor, shape=[stated, one["shape"][1]], data=one["data"] * (MOST_ROWS + 1))
    answer = planner.post(f"{server.url}/infer", content=content, headers=JSON)
    assert answer.status_code == 422


def test_a_large_request_is_answered_while_small_ones_are(
    server: Server, planner: httpx.Client, body: dict[str, Any], tensor: dict[str, Any]
) -> None:
    [one] = tensor["inputs"]
    content = tensor_with(tensor, shape=[MOST_ROWS, one["shape"][1]], data=one["data"] * MOST_ROWS)
    assert len(content) > SMALL_BODY
    named = outputs(planner.post(f"{server.url}/infer", json=body))
    with ThreadPoolExecutor(6) as pool:
        large = [
            pool.submit(
                planner.post, f"{server.url}/infer", content=content, headers={"Content-Type": "application/json"}
            )
            for _ in range(3)
        ]
        small = [pool.submit(planner.post, f"{server.url}/infer", json=body) for _ in range(20)]
        assert all(outputs(answer.result()) == named for answer in small)
        assert all(outputs(answer.result())["risk"] == named["risk"] * MOST_ROWS for answer in large)


def test_bodies_that_never_come_hold_no_more_than_their_share(
    server: Server, planner: httpx.Client, body: dict[str, Any]
) -> None:
    """Hold every place with a body whose end does not come: others are told at once, and probes are answered."""
    with server.unfinished_requests(REQUESTS_AT_ONCE):
        full = Retrying(retry=retry_if_result(lambda status: status != 503), stop=stop_after_delay(8), reraise=True)
        assert full(lambda: planner.post(f"{server.url}/infer", json=body).status_code) == 503
        assert planner.get(f"{server.url}/ready").status_code == 503
        assert planner.get(f"{server.url.partition('/v2/')[0]}/readyz").status_code == 200
    free = Retrying(retry=retry_if_result(lambda status: status != 200), stop=stop_after_delay(60), reraise=True)
    assert free(lambda: planner.post(f"{server.url}/infer", json=body).status_code) == 200


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/", "/v2", "/a/metrics"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_port_of_figures_has_nothing_but_figures(server: Server, path: str, method: str) -> None:
    address = server.figures.replace("/metrics", path)
    assert httpx.request(method, address).status_code == 404
    assert httpx.post(server.figures).status_code == 405
    assert "rest_server_requests_total" in httpx.get(server.figures).text


def test_an_unknown_path_is_no_label_of_the_figures(server: Server, planner: httpx.Client) -> None:
    planner.get(f"{server.url}/{MARKER}")
    assert MARKER not in httpx.get(server.figures).text
