"""The care service with a hospital's databases and OpenBao, and a stay whose discharge the EHR announces."""

from collections.abc import Iterator
from typing import Any

import pytest

from model.synthesis.run import synthesize
from tests.support.care.care_world import SCORED, CareWorld, care_world, fixed, hook, prefetch
from tests.support.care.discharges import Stay, stays
from tests.support.databases.postgres import PostgresServer

PROBLEM = "application/problem+json"


@pytest.fixture(scope="package")
def stay(tmp_path_factory: pytest.TempPathFactory) -> Stay:
    folder = tmp_path_factory.mktemp("fhir")
    synthesize(patients=12, seed=5, out=str(folder))
    return stays(folder)[0]


@pytest.fixture(scope="package")
def running(postgres: PostgresServer, stay: Stay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CareWorld]:
    with care_world(postgres, tmp_path_factory.mktemp("care")) as made:
        yield made.at(fixed(now(stay)))


@pytest.fixture
def world(running: CareWorld) -> CareWorld:
    running.planning.score, running.planning.status, running.planning.fault = dict(SCORED), 200, None
    running.planning.requests.clear()
    return running


def now(stay: Stay) -> Any:
    return stay.start + (stay.end - stay.start) * 0.8


def body(stay: Stay) -> dict[str, Any]:
    """Return a hook with a whole prefetch."""
    identity = stay.encounter["id"]
    return hook(stay.patient["id"], identity, prefetch(stay.patient, identity, stay.known_at(now(stay))))
