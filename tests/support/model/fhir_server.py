"""A hospital's FHIR server for tests: real TLS, exports, searches, and faults on order."""

import gzip
import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tests.support.identity.tls import Authority, Pair
from tests.support.model.fhir_server_faults import FakeTime, Fault, busy
from tests.support.model.fhir_server_resources import TYPES, resource
from tests.support.model.fhir_server_tokens import TokenEndpoint

FIRST_TIME = "2025-01-10T00:00:00Z"


@dataclass
class Seen:
    """One request that the server got."""

    host: str
    method: str
    path: str
    query: dict[str, str]
    token: str | None


class FhirServer(TokenEndpoint):
    """The server; what a test sets here holds from the next request."""

    def __init__(self, folder: Path, *, demands_certificate: bool = False) -> None:
        self.authority = Authority()
        self.client: Pair = self.authority.issue("client")
        self.folder = folder
        self.demands_certificate = demands_certificate
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(64)
        self.port = int(self._socket.getsockname()[1])
        self.base = f"https://127.0.0.1:{self.port}/r4"
        self.elsewhere = f"https://localhost:{self.port}"
        self.reset()

    def reset(self) -> None:
        self.time = FakeTime()
        self.seen: list[Seen] = []
        self.faults: dict[str, deque[Fault]] = {}
        self.needs_token = True
        self.forget_clients()
        self.discovery: dict[str, Any] = {"token_endpoint": f"{self.base}/token", "capabilities": ["permission-v2"]}
        self.exports = ["Patient/$export", "$export"]
        self.ignores_since: set[str] = set()
        self.groups: set[str] | None = None
        self.version = "4.0.1"
        self.resources: dict[str, list[dict[str, Any]]] = {kind: [] for kind in TYPES}
        self.deleted: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.transaction_time = FIRST_TIME
        self.polls = ["10% complete", "in progress"]
        self.manifest_change: Callable[[dict[str, Any]], None] = lambda manifest: None
        self.per_file = 3
        self.page = 4
        self.next_base = self.base
        self.jobs: dict[str, dict[str, Any]] = {}
        self.gate: threading.Event | None = None
        self.gated = threading.Event()
        self.compress = False

    def fill(self, count: int, *kinds: str) -> None:
        """Hold some resources of each of these types; default: of every type."""
        for kind in kinds or TYPES:
            self.resources[kind] = [resource(kind, number) for number in range(count)]

    def fault(self, path: str, *faults: Fault) -> None:
        """Let the next answers at a path go wrong in these ways, one after the other."""
        self.faults.setdefault(path, deque()).extend(faults)

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authority.issue("server").write(self.folder / "server.crt", self.folder / "server.key")
        (self.folder / "ca.crt").write_bytes(self.authority.certificate)
        self._app = self._application()
        config = uvicorn.Config(
            self._guarded,
            log_level="critical",
            interface="asgi3",
            date_header=False,
            lifespan="off",
            ssl_certfile=str(self.folder / "server.crt"),
            ssl_keyfile=str(self.folder / "server.key"),
            ssl_ca_certs=str(self.folder / "ca.crt"),
            ssl_cert_reqs=ssl.CERT_REQUIRED if self.demands_certificate else ssl.CERT_OPTIONAL,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    @property
    def ca(self) -> str:
        return self.authority.certificate.decode()

    def everything(self) -> dict[str, int]:
        """Return what a landing place holds that has each version of a resource once."""
        return {
            f"{kind}/{found['id']}/{found['meta']['versionId']}": 1 for kind in TYPES for found in self.resources[kind]
        }

    def paths(self, method: str = "GET") -> list[str]:
        """Return the paths of all requests but those for names and tokens, in order."""
        skipped = ("/r4/metadata", "/r4/.well-known/smart-configuration", "/r4/token")
        return [seen.path for seen in self.seen if seen.method == method and seen.path not in skipped]

    def _application(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.get("/r4/.well-known/smart-configuration")
        def discover() -> Response:
            return JSONResponse(self.discovery)

        @app.post("/r4/token")
        async def token(request: Request) -> Response:
            fields = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
            answer = self.grant(request, fields)
            return self._answer("token", answer) if answer.status_code == 200 else answer

        @app.get("/r4/metadata")
        def metadata() -> Response:
            return self._answer("/r4/metadata", JSONResponse(self._statement()))

        @app.get("/r4/$export")
        @app.get("/r4/Patient/$export")
        @app.get("/r4/Group/{group}/$export")
        def export(request: Request) -> Response:
            return self._answer("$export", self._begin(request))

        @app.get("/r4/status/{job}")
        def status(job: str) -> Response:
            return self._answer("status", self._status(job))

        @app.delete("/r4/status/{job}")
        def forget(job: str) -> Response:
            self.jobs.pop(job, None)
            return self._answer("forget", Response(status_code=202))

        @app.get("/r4/files/{job}/{name}")
        def file(job: str, name: str, request: Request) -> Response:
            return self._answer(name, self._file(job, name, _token(request)))

        @app.get("/moved")
        def moved(to: str) -> Response:
            return Response(status_code=307, headers={"Location": to})

        @app.get("/r4/{kind}")
        def search(kind: str, request: Request) -> Response:
            return self._answer(kind, self._search(kind, request))

        return app

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note each request, and let none pass without a token that needs one."""
        request = Request(scope)
        seen = Seen(
            request.url.hostname or "", request.method, request.url.path, dict(request.query_params), _token(request)
        )
        self.seen.append(seen)
        public = ("/r4/.well-known/smart-configuration", "/r4/token", "/moved")
        free = seen.path in public or "/files/" in seen.path or not self.needs_token
        passed = self._app if free or self.accepts(seen.token) else Response(status_code=401)
        await passed(scope, receive, send)

    def _answer(self, at: str, answer: Response) -> Response:
        waiting = self.faults.get(at)
        return waiting.popleft()(answer) if waiting else answer

    def _statement(self) -> dict[str, Any]:
        rest: dict[str, Any] = {"mode": "server", "operation": [], "resource": []}
        for path in self.exports:
            operation = {"name": "export", "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"}
            if path == "$export":
                rest["operation"].append(operation)
            else:
                rest["resource"].append({"type": path.partition("/")[0], "operation": [operation]})
        return {"resourceType": "CapabilityStatement", "fhirVersion": self.version, "rest": [rest]}

    def _begin(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if request.headers["Accept"] != "application/fhir+json" or request.headers["Prefer"] != "respond-async":
            return JSONResponse({"resourceType": "OperationOutcome", "issue": [{"code": "not-supported"}]}, 400)
        path = request.url.path.removeprefix("/r4/")
        if path.startswith("Group/") and self.groups is not None and path.split("/")[1] not in self.groups:
            return JSONResponse({"resourceType": "OperationOutcome", "issue": [{"code": "not-found"}]}, 404)
        since = None if path in self.ignores_since else asked.get("_since")
        job = str(len(self.jobs) + 1)
        files: dict[str, list[dict[str, Any]]] = {}
        outputs = []
        for kind in asked["_type"].split(","):
            found = _after(self.resources[kind], since)
            for start in range(0, len(found), self.per_file):
                name = f"{kind}-{start // self.per_file + 1}.ndjson"
                files[name] = found[start : start + self.per_file]
                outputs.append({"type": kind, "url": f"{self.base}/files/{job}/{name}", "count": len(files[name])})
        manifest: dict[str, Any] = {
            "transactionTime": self.transaction_time,
            "request": str(request.url),
            "requiresAccessToken": self.needs_token,
            "output": outputs,
            "error": [],
            "deleted": [],
        }
        for group, found in (("error", self.errors), ("deleted", self.deleted if "_since" in asked else [])):
            if found:
                files[f"{group}.ndjson"] = found
                kind = "OperationOutcome" if group == "error" else "Bundle"
                url = f"{self.base}/files/{job}/{group}.ndjson"
                manifest[group].append({"type": kind, "url": url, "count": len(found)})
        self.manifest_change(manifest)
        self.jobs[job] = {"polls": list(self.polls), "manifest": manifest, "files": files}
        return Response(status_code=202, headers={"Content-Location": f"{self.base}/status/{job}"})

    def _status(self, job: str) -> Response:
        if job not in self.jobs:
            return busy(404)(Response())
        if self.jobs[job]["polls"]:
            progress = self.jobs[job]["polls"].pop(0)
            return Response(status_code=202, headers={"X-Progress": progress, "Retry-After": "7"})
        return JSONResponse(self.jobs[job]["manifest"])

    def _file(self, job: str, name: str, token: str | None) -> Response:
        if self.jobs.get(job, {}).get("manifest", {}).get("requiresAccessToken") and not self.accepts(token):
            return Response(status_code=401)
        if job not in self.jobs:
            return busy(404)(Response())
        if self.gate is not None and name.startswith("Encounter"):
            self.gated.set()
            self.gate.wait(30)
        lines = "".join(json.dumps(resource) + "\n" for resource in self.jobs[job]["files"][name]).encode()
        if self.compress:
            return Response(gzip.compress(lines), media_type="application/gzip")
        return Response(lines, media_type="application/fhir+ndjson")

    def _search(self, kind: str, request: Request) -> Response:
        asked = dict(request.query_params)
        since = None if kind in self.ignores_since else asked.get("_lastUpdated", "").removeprefix("ge") or None
        found = _after(self.resources[kind], since)
        start = int(asked.get("start", "0"))
        entries: list[dict[str, Any]] = [
            {"resource": resource, "search": {"mode": "match"}} for resource in found[start : start + self.page]
        ]
        entries.append({"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}})
        links = [{"relation": "self", "url": str(request.url)}]
        if start + self.page < len(found):
            since = f"&_lastUpdated={asked['_lastUpdated']}" if "_lastUpdated" in asked else ""
            links.append({"relation": "next", "url": f"{self.next_base}/{kind}?start={start + self.page}{since}"})
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": links}
        return JSONResponse(bundle, headers={"Date": "Fri, 10 Jan 2025 00:05:00 GMT"})


def _after(resources: list[dict[str, Any]], since: str | None) -> list[dict[str, Any]]:
    return [resource for resource in resources if since is None or resource["meta"]["lastUpdated"] > since]


def _token(request: Request) -> str | None:
    return request.headers.get("Authorization", "").removeprefix("Bearer ") or None
