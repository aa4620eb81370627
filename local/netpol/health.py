"""Health endpoint of the enforcer."""

import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.errors import UserError


@dataclass
class Health:
    """State of the controller.

    Parameters
    ----------
    problem
        Reason why the cluster's current state is not enforced; empty if it is.
    closed
        Objects that are not enforced as written, with the reason: traffic of their pods is denied, which a restart
        of the controller would not change.
    """

    problem: str = "the first full list is still under way; pods are denied everything"
    closed: tuple[str, ...] = ()


def serve(address: str, health: Health) -> ThreadingHTTPServer:
    """Serve ``GET /healthz`` on ``host:port`` in a separate thread."""
    host, _, port = address.removesuffix("/healthz").rpartition(":")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = HTTPStatus.SERVICE_UNAVAILABLE if health.problem else HTTPStatus.OK
            if self.path != "/healthz":
                status = HTTPStatus.NOT_FOUND
            body = "".join(f"{line}\n" for line in (health.problem or "ok", *health.closed)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Do not log probes."""

    try:
        server = ThreadingHTTPServer((host, int(port)), Handler)
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(
            f"--health-address {address}: {error}; name a free host:port such as 127.0.0.1:28082"
        ) from error
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
