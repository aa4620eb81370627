"""An EHR for tests, over real TLS: a FHIR server that keeps what is written, and a SMART authorization server.

It can stop and come back on its port, and lose the answer to what it did.
"""

import base64
import hashlib
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from tests.support.identity.tls import Authority
from tests.support.serving.http_steps import HttpSteps

CLIENT = "north-worklist"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


@dataclass
class Launch:
    """What a clinician has open in the EHR."""

    patient: str
    encounter: str


class EhrServer:
    """The server; what a test sets here holds from the next request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        folder.mkdir(parents=True, exist_ok=True)
        self.authority.issue("server").write(folder / "server.crt", folder / "server.key")
        (folder / "ca.crt").write_bytes(self.authority.certificate)
        self._socket = self._bound(0)
        self.port = int(self._socket.getsockname()[1])
        self.base = f"https://127.0.0.1:{self.port}/r4"
        self.resources: dict[tuple[str, str], dict[str, Any]] = {}
        self.launches: dict[str, Launch] = {}
        self.codes: dict[str, dict[str, Any]] = {}
        self.tokens: set[str] = set()
        self.redirects: list[str] = []
        self.statuses: list[int] = []
        self.loses_answers = False
        self.transactions = 0
        self.steps = HttpSteps()
        self._app = self._application()
        self._server: uvicorn.Server | None = None

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def start(self) -> None:
        """Begin to answer, on the same port as before."""
        if self._server is not None:
            self._socket = self._bound(self.port)
        config = uvicorn.Config(
            self.steps.of(self._app, "EHR"),
            log_level="critical",
            lifespan="off",
            ssl_certfile=str(self.folder / "server.crt"),
            ssl_keyfile=str(self.folder / "server.key"),
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop to answer; what was written stays."""
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [resource for (name, _), resource in self.resources.items() if name == kind]

    def put(self, *resources: dict[str, Any]) -> None:
        for resource in resources:
            self.resources[(resource["resourceType"], resource["id"])] = resource

    def launch(self, patient: str, encounter: str) -> str:
        """Return the launch token of what a clinician has open."""
        token = secrets.token_urlsafe(8)
        self.launches[token] = Launch(patient, encounter)
        return token

    def _bound(self, port: int) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        made.listen(16)
        return made

    def _application(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.get("/r4/.well-known/smart-configuration")
        def discover() -> dict[str, Any]:
            return {
                "authorization_endpoint": f"{self.base}/authorize",
                "token_endpoint": f"{self.base}/token",
                "capabilities": ["launch-ehr", "client-public", "context-ehr-patient", "context-ehr-encounter"],
                "code_challenge_methods_supported": ["S256"],
            }

        @app.get("/r4/metadata")
        def metadata() -> dict[str, Any]:
            uris = [
                {"url": "authorize", "valueUri": f"{self.base}/authorize"},
                {"url": "token", "valueUri": f"{self.base}/token"},
            ]
            rest = {"mode": "server", "security": {"extension": [{"url": OAUTH_URIS, "extension": uris}]}}
            statement = {"resourceType": "CapabilityStatement", "status": "active", "kind": "instance"}
            more = {"date": "2026-01-01", "fhirVersion": "4.0.1", "format": ["json"], "rest": [rest]}
            return statement | more

        @app.get("/r4/authorize")
        def authorize(request: Request) -> Response:
            return self._authorize(dict(request.query_params))

        @app.post("/r4/token")
        async def token(request: Request) -> Response:
            form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
            return self._token(form)

        @app.post("/r4")
        async def transaction(request: Request) -> Response:
            return self._transaction(await request.json())

        @app.get("/r4/{kind}/{identity}")
        def read(kind: str, identity: str) -> Response:
            found = self.resources.get((kind, identity))
            return JSONResponse(found or {"resourceType": "OperationOutcome", "issue": []}, 200 if found else 404)

        @app.get("/r4/{kind}")
        def search(kind: str, request: Request) -> dict[str, Any]:
            patient = request.query_params.get("patient")
            found = [
                one for one in self.of_type(kind) if one.get("subject", {}).get("reference") == f"Patient/{patient}"
            ]
            return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in found]}

        return app

    def _authorize(self, query: dict[str, str]) -> Response:
        needed = ("client_id", "redirect_uri", "state", "launch", "code_challenge")
        valid = (
            query.get("response_type") == "code"
            and query.get("aud", "").rstrip("/") == self.base
            and query.get("code_challenge_method") == "S256"
            and query.get("client_id") == CLIENT
            and query.get("launch") in self.launches
            and all(query.get(name) for name in needed)
        )
        if not valid:
            return JSONResponse({"error": "invalid_request"}, 400)
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        self.redirects.append(query["redirect_uri"])
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}", 302)

    def _token(self, form: dict[str, str]) -> Response:
        begun = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        valid = (
            begun is not None
            and form.get("grant_type") == "authorization_code"
            and form.get("client_id") == begun["client_id"]
            and form.get("redirect_uri") == begun["redirect_uri"]
            and challenge == begun["code_challenge"]
        )
        if begun is None or not valid:
            return JSONResponse({"error": "invalid_grant"}, 400)
        launch = self.launches[begun["launch"]]
        token = secrets.token_urlsafe(16)
        self.tokens.add(token)
        return JSONResponse(
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": 300,
                "scope": begun["scope"],
                "patient": launch.patient,
                "encounter": launch.encounter,
            }
        )

    def _transaction(self, bundle: dict[str, Any]) -> Response:
        """Create what does not exist yet, all or nothing."""
        if self.statuses:
            return JSONResponse({"resourceType": "OperationOutcome", "issue": []}, self.statuses.pop(0))
        self.transactions += 1
        made: dict[str, str] = {}
        for entry in bundle["entry"]:
            resource, request = entry["resource"], entry["request"]
            existing = self._matching(request["url"], request["ifNoneExist"])
            if existing is None:
                existing = secrets.token_hex(8)
                targets = [
                    {"reference": made.get(one["reference"], one["reference"])} for one in resource.get("target", ())
                ]
                self.put(resource | {"id": existing} | ({"target": targets} if targets else {}))
            made[entry.get("fullUrl", "")] = f"{request['url']}/{existing}"
        if self.loses_answers:
            return Response(status_code=504)
        return JSONResponse({"resourceType": "Bundle", "type": "transaction-response"})

    def _matching(self, kind: str, query: str) -> str | None:
        name, _, token = query.partition("=")
        system, _, value = token.partition("|")
        for resource in self.of_type(kind):
            tokens = [(one["system"], one["value"]) for one in resource.get("identifier", ())]
            if name == "_tag":
                tokens = [(one["system"], one["code"]) for one in resource.get("meta", {}).get("tag", ())]
            if (system, value) in tokens:
                return str(resource["id"])
        return None


def running(folder: Path) -> Iterator[EhrServer]:
    """Give a server that answers, for a fixture."""
    server = EhrServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Clock:
    """A clock that a test sets."""

    now: Any = field(default=None)

    def __call__(self) -> Any:
        return self.now
