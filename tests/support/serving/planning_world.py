"""The planning service of a small hospital: a release, a model server, the online features and its databases."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from model.artifact.trust import TRUSTED_KEYS
from model.features.feature_file import load
from model.release.signing import LocalSigner
from services.audit import chain
from services.audit.records import Record
from services.database.schemas import Schema
from services.planning.app import create
from services.planning.assembly import planning
from services.planning.delivery.releases import Assigned, Releases
from services.planning.settings import Settings
from tests.support.databases.postgres import Database, PostgresServer
from tests.support.model.model_world import world
from tests.support.serving.model_servers import NAME, FaultyServer, faulty_server, free_port, released

UNKNOWN = "v1-" + "0" * 16
USE = {"workflow": "discharge-worklist", "purpose": "TREAT"}
LONG_BUDGET = 5000
"""Milliseconds: a busy machine is not what most tests are about."""


@dataclass(frozen=True)
class PlanningWorld:
    """What a test of the service needs."""

    place: Path
    key: str
    server: FaultyServer
    databases: dict[Schema, Database]
    settings: Settings
    reader: Engine
    rows: tuple[dict[str, Any], ...]

    def assigned(self, url: str) -> Assigned:
        """Return its release, with a model server."""
        return assigned(self.place, url)

    def with_settings(self, **values: Any) -> Settings:
        return Settings.model_validate(self.settings.model_dump() | values)

    def records(self, after: int = 0) -> list[Record]:
        """Return the audit records from one on."""
        with self.reader.connect() as connection:
            return list(chain.records(connection, after=after))

    def last(self) -> int:
        """Return the number of the last audit record."""
        return max((record.sequence for record in self.records()), default=0)

    def encounter(self, number: int, **fields: Any) -> dict[str, Any]:
        """Return a request for one of the features file's rows, which the service looks up."""
        row = self.rows[number]
        return {"encounter": row["index_id"], "patient": row["patient_id"]} | fields


def assigned(place: Path, url: str, model: str = NAME) -> Assigned:
    """Return a release as the variable RELEASES has it."""
    return Assigned(release=f"{place.parent.name}@{place.name}", model=model, url=url, files=str(place))


@contextmanager
def planning_world(postgres: PostgresServer, folder: Path) -> Iterator[PlanningWorld]:
    """Give the world; the model server runs until its end."""
    place = released(folder)
    table, _ = load(str(world().features))
    databases = postgres.hospital(None, Schema.PLANNING, Schema.AUDIT)
    settings = Settings(
        hospital=databases[Schema.AUDIT].hospital,
        online_features=str(world().features),
        database_server=postgres.address,
        planning_database=databases[Schema.PLANNING].login_file("planning-service"),
        audit_database=databases[Schema.AUDIT].login_file("audit-writer"),
        budget_milliseconds=LONG_BUDGET,
    )
    with faulty_server(place, folder) as server:
        yield PlanningWorld(
            place=place,
            key=LocalSigner(folder / "key").public_keys()["v1"],
            server=server,
            databases=databases,
            settings=settings.model_copy(update={"releases": Releases(active=assigned(place, server.url))}),
            reader=databases[Schema.AUDIT].engine("audit-reader"),
            rows=tuple(table.to_pylist()),
        )


@contextmanager
def running(
    made: PlanningWorld, settings: Settings | None = None, model_client: httpx.Client | None = None
) -> Iterator[TestClient]:
    """Give a client of the service, as the pod runs it but for its transport."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TRUSTED_KEYS, made.key)
        app = create(planning(settings or made.settings, lambda _: model_client or httpx.Client()))
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client


@contextmanager
def listening(made: PlanningWorld) -> Iterator[str]:
    """Run the service on a port of its own, without TLS, and give its URL."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TRUSTED_KEYS, made.key)
        app = create(planning(made.settings, lambda _: httpx.Client()))
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            transient = retry_if_exception_type(httpx.TransportError)
            ready = Retrying(retry=transient, stop=stop_after_delay(60), reraise=True)
            ready(httpx.get, f"http://127.0.0.1:{port}/readyz", timeout=30).raise_for_status()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(60)
