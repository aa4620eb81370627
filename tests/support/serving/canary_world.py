"""Planning of a small hospital with a canary: two releases, a model server of each, and databases of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from model.artifact.trust import TRUSTED_KEYS
from model.definitions.features import definitions
from services.database.schemas import Schema
from services.planning.app import create
from services.planning.assembly import Planning, planning
from services.planning.delivery.causes import Causes, causes
from services.planning.delivery.releases import Assigned, AssignedCanary, Releases
from services.planning.tables import STOPS
from tests.support.databases.postgres import PostgresServer
from tests.support.serving.model_servers import FaultyServer, faulty_server, released
from tests.support.serving.planning_world import USE, PlanningWorld, assigned

PERCENT = 50
FEEDBACK = {"workflow": "feedback", "purpose": "TREAT"}
PATIENT_LIMIT_MILLISECONDS = 300.0
"""Limit of latency in tests: on a busy machine a healthy answer takes longer than in production."""


@dataclass(frozen=True)
class Running:
    """The service, its parts, and who asks it."""

    client: TestClient
    parts: Planning
    world: "CanaryWorld"

    def ask(self, encounters: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return the scores of encounters, by pseudonym."""
        answer = self.client.post("/v1/scores", json=USE | {"encounters": list(encounters)})
        assert answer.status_code == 200, answer.text
        return {score["encounter"]: score for score in answer.json()["scores"]}

    def override(self, score: dict[str, Any], code: str) -> None:
        """Override a score, as a clinician does."""
        sent = FEEDBACK | {"encounter": score["encounter"], "record": score["record"], "code": code}
        assert self.client.post("/v1/feedback", json=sent).status_code == 200


@dataclass(frozen=True)
class CanaryWorld:
    """What a test of a canary needs: the hospital, and the canary's release and server."""

    hospital: PlanningWorld
    canary: Assigned
    server: FaultyServer

    def encounter(self, number: int, **fields: Any) -> dict[str, Any]:
        """Return an encounter of its own with the features of one of the features file's rows."""
        row = self.hospital.rows[number % len(self.hospital.rows)]
        features = {name: row[name] for name in definitions().names}
        pseudonym = f"v1-{number:016x}"
        plain = {"encounter": pseudonym, "patient": pseudonym, "features": features, "features_as_of_hours": 0.5}
        return plain | fields

    @contextmanager
    def running(self, releases: Releases | None = None, **canary: Any) -> Iterator[Running]:
        """Run the service with the canary, or with other releases."""
        values = self.canary.model_dump() | {"percent": PERCENT} | canary
        roles = releases or Releases(active=self.hospital.settings.releases.active, canary=AssignedCanary(**values))
        settings = self.hospital.with_settings(releases=roles)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(TRUSTED_KEYS, self.hospital.key)
            parts = planning(settings, lambda _: httpx.Client(), _causes())
            with TestClient(create(parts), raise_server_exceptions=False) as client:
                yield Running(client, parts, self)

    def stops(self) -> list[dict[str, Any]]:
        """Return the rows of the table of stops."""
        with self.hospital.databases[Schema.PLANNING].administrator() as connection:
            return [dict(row) for row in connection.execute(STOPS.select()).mappings()]


def _causes() -> Causes:
    table = causes()
    return table.model_copy(
        update={"latency": table.latency.model_copy(update={"milliseconds": PATIENT_LIMIT_MILLISECONDS})}
    )


@contextmanager
def canary_server(hospital: PlanningWorld, folder: Path) -> Iterator[tuple[str, FaultyServer]]:
    """Release the model again as v2, signed with the hospital's key, and serve it."""
    place = released(hospital.place.parents[1], "v2")
    with faulty_server(place, folder) as server:
        yield str(place), server


def canary_world(hospital: PlanningWorld, place: str, server: FaultyServer, postgres: PostgresServer) -> CanaryWorld:
    """Return a hospital with new databases."""
    databases = postgres.hospital(None, Schema.PLANNING, Schema.AUDIT)
    settings = hospital.with_settings(
        hospital=databases[Schema.AUDIT].hospital,
        planning_database=databases[Schema.PLANNING].login_file("planning-service"),
        audit_database=databases[Schema.AUDIT].login_file("audit-writer"),
    )
    reader = databases[Schema.AUDIT].engine("audit-reader")
    own = replace(hospital, databases=databases, settings=settings, reader=reader)
    return CanaryWorld(own, assigned(Path(place), server.url, "readmission-risk-v2"), server)
