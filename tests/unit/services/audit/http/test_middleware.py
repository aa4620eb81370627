"""One record for every request: refused, failed, unknown and streamed ones included."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from sqlalchemy import Engine, create_engine
from starlette.staticfiles import StaticFiles

from services.audit import chain
from services.audit.errors import NotRecordedError
from services.audit.http import Caller, Recorder, audit, recorded
from services.audit.records import GENESIS, AuditEntry, Record
from services.database import connections
from services.database.schemas import Schema
from services.problems import Application, Problem
from tests.support.audit.audit_records import ENCOUNTER, features, request, scored
from tests.support.databases.postgres import Database, PostgresServer

UNUSED: Engine = create_engine("sqlite://")


@dataclass(frozen=True)
class ListRecorder(Recorder):
    """A recorder that keeps entries in a list, until it is told to fail."""

    entries: list[AuditEntry] = field(default_factory=list)
    broken: list[bool] = field(default_factory=list)

    def append(self, entry: AuditEntry, features: Sequence[bytes | None] = ()) -> Record:
        if self.broken:
            raise NotRecordedError("The audit record was not written.")
        self.entries.append(entry)
        return Record(len(self.entries), entry.occurred_at, "login", GENESIS, GENESIS, entry.canonical())


router = APIRouter()


@router.get("/patients/{encounter}")
def read(encounter: str, request: Request) -> dict[str, str]:
    audit(request).note(encounter=encounter, workflow="worklist", purpose="TREAT", action="open-patient")
    return {"name": "Margaret"}


@router.post("/scores")
def score(request: Request) -> dict[str, int]:
    record = audit(request).append(scores=(scored(),), features=[features()], outcome="fallback")
    return {"record": record.sequence}


@router.get("/twice")
def twice(request: Request) -> str:
    audit(request).append()
    audit(request).append()
    return "Margaret"


@router.get("/other")
def other(request: Request) -> str:
    audit(request).append(status=403, detail="other-unit")
    return "Margaret"


@router.get("/number/{value}")
def number(value: int) -> int:
    return value


@router.get("/refused")
def refused(request: Request) -> None:
    audit(request).note(outcome="answered")
    raise Problem(403, "Not allowed", "Ask for a role.")


@router.get("/fault")
def fault() -> None:
    raise RuntimeError("Margaret")


@router.get("/wrong")
def wrong(request: Request) -> str:
    audit(request).note(encounter="MRN 123")
    return "Margaret"


@router.get("/stream")
def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"Marg"
        yield b"aret"

    return StreamingResponse(parts())


@router.get("/broken-stream")
def broken_stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"Margaret"
        raise RuntimeError("Margaret")

    return StreamingResponse(parts())


@router.get("/healthz")
def health() -> str:
    return "ok"


def application(recorder: Recorder, folder: Path | None = None) -> FastAPI:
    app = Application(redirect_slashes=False)
    app.include_router(router)
    if folder is not None:
        app.mount("/static", StaticFiles(directory=folder))
    recorded(app, recorder)
    return app


@pytest.fixture
def recorder() -> ListRecorder:
    return ListRecorder(
        "planning", "north", UNUSED, caller=lambda scope: Caller("spiffe://hmlops/north/care", "service")
    )


@pytest.fixture
def client(recorder: ListRecorder, tmp_path: Path) -> TestClient:
    (tmp_path / "page.css").write_text("", encoding="utf-8")
    return TestClient(application(recorder, tmp_path), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("method", "path", "status", "route", "outcome"),
    [
        ("GET", f"/patients/{ENCOUNTER}", 200, "GET /patients/{encounter}", "answered"),
        ("GET", "/number/7", 200, "GET /number/{value}", "answered"),
        ("GET", "/number/Margaret", 422, "GET /number/{value}", "refused"),
        ("GET", "/refused", 403, "GET /refused", "refused"),
        ("GET", "/fault", 500, "GET /fault", "failed"),
        ("GET", "/stream", 200, "GET /stream", "answered"),
        ("GET", "/broken-stream", 500, "GET /broken-stream", "failed"),
        ("GET", "/Margaret/MRN-1", 404, "unmatched", "refused"),
        ("DELETE", "/refused", 405, "DELETE /refused", "refused"),
        ("BREW", "/Margaret", 404, "unmatched", "refused"),
        ("GET", "/static/page.css", 200, "GET /static/{path}", "answered"),
        ("GET", "/openapi.json", 200, "GET /openapi.json", "answered"),
    ],
)
def test_every_request_has_one_record(
    client: TestClient, recorder: ListRecorder, method: str, path: str, status: int, route: str, outcome: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    [entry] = recorder.entries
    assert (entry.route, entry.status, entry.outcome) == (route, status, outcome)
    assert (entry.service, entry.hospital, entry.caller) == ("planning", "north", "spiffe://hmlops/north/care")
    assert answer.headers.get("audit-record", "1") == "1"
    assert "Margaret" not in entry.canonical()


def test_what_a_handler_notes_is_on_record(client: TestClient, recorder: ListRecorder) -> None:
    identity = str(request(7))
    client.get(f"/patients/{ENCOUNTER}", headers={"X-Request-Id": identity})
    [entry] = recorder.entries
    assert (entry.encounter, entry.workflow, entry.purpose) == (ENCOUNTER, "worklist", "TREAT")
    assert (entry.request_id, entry.action) == (UUID(identity), "open-patient")


def test_an_answer_can_contain_the_number_of_its_record(client: TestClient, recorder: ListRecorder) -> None:
    answer = client.post("/scores")
    assert answer.json() == {"record": 1}
    assert answer.headers["audit-record"] == "1"
    [entry] = recorder.entries
    assert (entry.outcome, entry.scores) == ("fallback", (scored(),))


@pytest.mark.parametrize(
    "path", ["/number/7", "/number/x", "/fault", "/stream", "/broken-stream", "/nowhere", f"/patients/{ENCOUNTER}"]
)
def test_without_a_record_nothing_is_answered(client: TestClient, recorder: ListRecorder, path: str) -> None:
    recorder.broken.append(True)
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Audit record not written"
    assert "Margaret" not in answer.text


def test_a_handler_that_appends_without_success_answers_nothing(client: TestClient, recorder: ListRecorder) -> None:
    recorder.broken.append(True)
    assert client.post("/scores").status_code == 503
    assert client.get("/other").status_code == 503


def test_a_second_record_is_refused(client: TestClient, recorder: ListRecorder) -> None:
    answer = client.get("/twice")
    assert answer.status_code == 500
    assert "Margaret" not in answer.text
    assert len(recorder.entries) == 1


def test_an_answer_other_than_the_one_on_record_is_not_sent(client: TestClient, recorder: ListRecorder) -> None:
    answer = client.get("/other")
    assert answer.status_code == 500
    assert "Margaret" not in answer.text
    assert [entry.status for entry in recorder.entries] == [403]


def test_a_note_that_a_record_cannot_hold_answers_nothing(client: TestClient, recorder: ListRecorder) -> None:
    answer = client.get("/wrong")
    assert answer.status_code == 503
    assert "Margaret" not in answer.text
    assert recorder.entries == []


def test_probes_have_no_record(client: TestClient, recorder: ListRecorder) -> None:
    assert client.get("/healthz").status_code == 200
    assert recorder.entries == []
    assert client.get("/healthz/").status_code == 404
    assert client.post("/healthz").status_code == 405
    assert [entry.status for entry in recorder.entries] == [404, 405]


@pytest.mark.process
def test_requests_are_on_record_in_the_database(postgres: PostgresServer) -> None:
    database: Database = postgres.database(Schema.AUDIT)
    client = TestClient(application(Recorder("planning", database.hospital, database.engine("audit-writer"))))
    assert [client.post("/scores").json()["record"] for _ in range(3)] == [1, 2, 3]
    assert client.get("/number/x").headers["audit-record"] == "4"
    with database.engine("audit-reader").connect() as connection:
        assert [record.entry.status for record in chain.records(connection)] == [200, 200, 200, 422]


@pytest.mark.process
def test_without_a_database_nothing_is_answered(postgres: PostgresServer) -> None:
    database: Database = postgres.database(Schema.AUDIT)
    path = database.login_file("audit-writer")

    client = TestClient(
        application(Recorder("planning", database.hospital, connections.engine(database.address, path)))
    )
    path.write_text("{}", encoding="utf-8")
    assert client.get("/number/7").status_code == 503
    path.unlink()
    assert client.get("/number/7").json()["title"] == "Audit record not written"
