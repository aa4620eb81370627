"""``python -m tests.support.serving.faulty_model_server RELEASE PORT [TLS_PORT]``: a model server with chosen faults.

It speaks the Open Inference Protocol v2 over HTTP as the real one does, and takes a fault by ``POST /fault``. On the
second port it answers mutual TLS, with the certificate that ``TLS_*_FILE`` name.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from model.scoring import Scorer
from services.transport import Credentials, TlsFiles

LONG_SECONDS = 30.0
LATE_SECONDS = 0.5
"""Of an answer that comes late and within the budget."""
NO_NUMBER = '[{"feature": "age", "text": "age", "value": NaN, "direction": "raises"}]'
scorer = Scorer.open(sys.argv[1])
fault = "none"
asked = 0
released = threading.Event()
earlier_risk: list[float] = []


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Return what the release says of a request."""
    [tensor] = body["inputs"]
    scores = scorer.score(scorer.contract.tensor(tensor["data"], tensor["shape"], tensor["parameters"]["order"]))
    outputs: dict[str, list[Any]] = {
        "risk": [score.risk for score in scores],
        "decision": [score.decision for score in scores],
        "action": [score.action for score in scores],
        "reasons": [json.dumps([asdict(reason) for reason in score.reasons]) for score in scores],
        "warnings": [json.dumps(score.warnings) for score in scores],
    }
    return {
        "model_name": scorer.name,
        "model_version": scorer.version,
        "parameters": {"release": scorer.files.short, "evaluated": True, "caution": ""},
        "outputs": [
            {"name": name, "datatype": "BYTES", "shape": [len(d), 1], "data": d} for name, d in outputs.items()
        ],
    }


def data_of(reply: dict[str, Any], name: str) -> list[Any]:
    """Return the data of an output."""
    return next(output["data"] for output in reply["outputs"] if output["name"] == name)


def change_risks(reply: dict[str, Any], risks: list[float]) -> None:
    """Answer other risks, with the decisions and actions that the release's thresholds give them."""
    data_of(reply, "risk")[:] = risks
    bands = [scorer._band(risk) for risk in risks]
    data_of(reply, "decision")[:] = [name for name, _ in bands]
    data_of(reply, "action")[:] = [action for _, action in bands]


def shift_risks(reply: dict[str, Any]) -> None:
    """Answer greater risks: another distribution of scores."""
    change_risks(reply, [risk**0.5 for risk in data_of(reply, "risk")])


def exchange_risks(reply: dict[str, Any]) -> None:
    """Answer each encounter with the risk of the one before it: the same distribution, of the wrong patients."""
    risks = [*earlier_risk, *data_of(reply, "risk")]
    earlier_risk[:] = risks[-1:]
    change_risks(reply, risks[:-1] if len(risks) > len(data_of(reply, "risk")) else risks)


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "shifted-risks": shift_risks,
    "exchanged-risks": exchange_risks,
    "other-digest": lambda reply: reply["parameters"].update(release="0123456789ab"),
    "no-digest": lambda reply: reply["parameters"].pop("release"),
    "other-version": lambda reply: reply.update(model_version="v2"),
    "other-model": lambda reply: reply.update(model_name="sepsis-v1"),
    "other-thresholds": lambda reply: data_of(reply, "decision").reverse(),
    "no-risk": lambda reply: reply["outputs"].pop(0),
    "too-few": lambda reply: data_of(reply, "risk").pop(),
    "risk-above-one": lambda reply: data_of(reply, "risk").__setitem__(0, 1.5),
    "risk-of-text": lambda reply: data_of(reply, "risk").__setitem__(0, "0.5"),
    "bad-reasons": lambda reply: data_of(reply, "reasons").__setitem__(0, "[{}]"),
    "deep-reasons": lambda reply: data_of(reply, "reasons").__setitem__(0, "[" * 100_000),
    "reason-without-number": lambda reply: data_of(reply, "reasons").__setitem__(0, NO_NUMBER),
}


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        """Return how many requests for scores came in."""
        self.reply(200, str(asked).encode())

    def do_POST(self) -> None:
        """Take a fault, or answer a request for scores."""
        global fault, asked
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/fault":
            fault = body.decode()
            (released.set if fault == "none" else released.clear)()
            self.reply(200, b"")
            return
        asked += 1
        if fault in SLOW:
            SLOW[fault](self)
            self.close_connection = True
        elif fault == "closed":
            self.close_connection = True
        elif fault in WHOLE:
            status, content = WHOLE[fault]
            self.reply(status, content, Location=self.path)
        else:
            if fault == "late":
                released.wait(LATE_SECONDS)
            reply = answer(json.loads(body))
            if fault in CHANGES:
                CHANGES[fault](reply)
            self.reply(200, json.dumps(reply).encode())

    def reply(self, status: int, content: bytes, **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
        del format, args


def nothing(_: Handler) -> None:
    """Answer nothing for a long time."""
    released.wait(LONG_SECONDS)


def slow_body(handler: Handler) -> None:
    """Send a byte of the body from time to time, for ever: each read ends in time, and the whole does not."""
    handler.send_response(200)
    handler.end_headers()
    while not released.wait(0.05):
        handler.wfile.write(b" ")


def slow_headers(handler: Handler) -> None:
    """Send a header from time to time, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not released.wait(0.05):
        handler.wfile.write(b"X-Header: 1\r\n")


SLOW = {"slow": nothing, "slow-body": slow_body, "slow-headers": slow_headers}
WHOLE = {
    "status-500": (500, b'{"error": "fault"}'),
    "status-400": (400, b'{"error": "fault"}'),
    "redirect": (307, b""),
    "not-json": (200, b"<html>"),
    "too-large": (200, b" " * (5 * 1024 * 1024)),
}


def serve_tls(port: int) -> None:
    """Answer mutual TLS on a port as well."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    context = Credentials(TlsFiles.from_environment(os.environ), server=True).context()
    # The handshake is the handler's: one client that does not finish it must not keep others waiting.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    if len(sys.argv) > 3:
        serve_tls(int(sys.argv[3]))
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
