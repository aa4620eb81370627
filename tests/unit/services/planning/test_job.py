"""The client of the model server: it waits for a server that comes up and says plainly when none does."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from model.errors import UserError
from model.scoring.latest_discharge import Discharge
from services.planning import job
from services.planning.job import ask, main
from services.transport import SpiffeId
from tests.support.model_world import world

DISCHARGE = Discharge("v1-abc", "v1-def", {"age": [70.0], "sodium_last": [None]})
GOOD: dict[str, Any] = {
    "model_name": "readmission-risk-v1",
    "model_version": "v1",
    "parameters": {"release": "0123456789ab"},
    "outputs": [
        {"name": "risk", "data": [0.25]},
        {"name": "decision", "data": ["high"]},
        {"name": "action", "data": ["call"]},
        {"name": "reasons", "data": ['[{"feature": "age"}]']},
    ],
}


@contextmanager
def answering(*replies: tuple[int, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Serve the replies in turn, the last one for ever, and note what was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, body = replies[min(len(asked), len(replies)) - 1]
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v2/models/m/infer", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_answer_is_read() -> None:
    with answering((200, GOOD)) as (url, asked):
        found = ask(httpx.Client(), url, DISCHARGE)
    assert (found.patient, found.risk, found.decision, found.release) == ("v1-abc", 0.25, "high", "0123456789ab")
    assert asked[0]["inputs"][1] == {"name": "sodium_last", "datatype": "FP64", "shape": [1, 1], "data": [None]}


def test_a_server_that_comes_up_is_waited_for() -> None:
    with answering((503, {}), (404, {}), (200, GOOD)) as (url, asked):
        assert ask(httpx.Client(), url, DISCHARGE).risk == 0.25
    assert len(asked) == 3


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_stays_away_is_one_sentence(status: int) -> None:
    with answering((status, {})) as (url, _), pytest.raises(UserError, match="check the InferenceService"):
        ask(httpx.Client(), url, DISCHARGE, patience=0.3)


def test_no_server_is_one_sentence() -> None:
    with pytest.raises(UserError, match="does not answer"):
        ask(httpx.Client(), "http://127.0.0.1:1/v2/models/m/infer", DISCHARGE, patience=0.2)


def test_a_refusal_is_not_repeated() -> None:
    with answering((400, {"error": "The features do not fit."})) as (url, asked):
        with pytest.raises(UserError, match=r"status 400: The features do not fit\."):
            ask(httpx.Client(), url, DISCHARGE)
        assert len(asked) == 1


@pytest.mark.parametrize("body", [b"hello", {}, GOOD | {"outputs": []}])
def test_an_answer_of_something_else_is_one_sentence(body: Any) -> None:
    with answering((200, body)) as (url, _), pytest.raises(UserError, match="not from this model"):
        ask(httpx.Client(), url, DISCHARGE)


def test_the_command_prints_one_json_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, str]] = []

    def client(url: str, server: SpiffeId) -> httpx.Client:
        asked.append((url, str(server)))
        return httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=GOOD)))

    monkeypatch.setattr(job, "client", client)
    monkeypatch.setenv("MODEL_URL", "https://model-server")
    monkeypatch.setenv("FEATURES", str(world().features))
    monkeypatch.setenv("HOSPITAL", "north")
    monkeypatch.setattr(sys, "argv", ["planning", "score", "--patient", "any"])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    assert asked == [("https://model-server/v2/models/readmission-risk-v1/infer", "spiffe://hmlops/north/model-server")]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert found["hospital"] == "north"
    assert found["patient"].startswith("v1-")


def test_the_model_server_is_not_asked_without_tls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--features", str(world().features), "--url", "http://127.0.0.1:1", "--hospital", "north"]
    monkeypatch.setattr(sys, "argv", ["planning", "score", *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "is not https" in capsys.readouterr().err


def test_an_unknown_patient_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["planning", "score", "--patient", "x", "--features", str(world().features), "--url", "https://127.0.0.1:1"]
    monkeypatch.setattr(job, "client", lambda *_: httpx.Client())
    monkeypatch.setenv("HOSPITAL", "north")
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("error: There is no discharge of patient x")
