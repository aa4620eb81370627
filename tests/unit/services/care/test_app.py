from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine

from services.care.app import create
from services.care.context import Care
from services.care.settings import Settings

SETTINGS = Settings(
    hospital="north",
    public_url="https://north.example",
    planning_url="https://planning.example",
    ehr_clients=Path("clients.yaml"),
    curated="curated",
)


@pytest.fixture
def client() -> TestClient:
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing", connect_args={"connect_timeout": 1})
    return TestClient(create(Care(SETTINGS, nowhere)))


def test_it_lives_without_the_database_and_is_not_ready(client: TestClient) -> None:
    assert client.get("/healthz").text == "ok"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Database not available"


def test_an_unknown_path_is_a_problem(client: TestClient) -> None:
    answer = client.get("/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    answer = client.post("/cds-services/readmission-risk", content=b" " * (SETTINGS.largest_body_bytes + 1))
    assert answer.status_code == 413
