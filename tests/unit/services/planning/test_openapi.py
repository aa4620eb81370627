"""The OpenAPI document: complete, and kept under generated requests, valid and hostile."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from services.planning.app import create
from services.planning.assembly import planning
from services.problems import MEDIA_TYPE, _names
from tests.support.serving.planning_world import PlanningWorld, listening

pytestmark = pytest.mark.process

SHORTEST_IDENTIFIER = 5
CASES = 60
"""Generated requests of each operation, valid ones and as many others."""


@pytest.fixture(scope="module")
def api(hospital: PlanningWorld) -> Iterator[Any]:
    hospital.server.fail("none")
    with listening(hospital) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json", wait_for_schema=30)


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/scores"),
        ("POST", "/v1/models/{model}/scores"),
        ("GET", "/v1/scores/{encounter}"),
        ("POST", "/v1/feedback"),
    ],
)
def test_generated_requests_are_answered_as_documented(api: Any, method: str, path: str, mode: GenerationMode) -> None:
    operation = api[path][method]
    statuses = Counter[int]()

    @settings(max_examples=CASES, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case[Any]) -> None:
        response = case.call()
        case.validate_response(response, checks=CHECKS)
        statuses[response.status_code] += 1
        if response.status_code >= 400:
            known = _names(api.raw_schema)
            for sent in texts([case.body, case.path_parameters, case.query]) - known:
                assert len(sent) < SHORTEST_IDENTIFIER or sent not in response.text

    send()
    assert statuses.total() >= CASES
    # What is generated reaches the service, and does not fail at its first check alone.
    assert mode is GenerationMode.NEGATIVE or set(statuses) - {422}


def texts(value: object) -> set[str]:
    """Return the texts in what was sent, names included."""
    if isinstance(value, dict):
        return set().union(*(texts(item) for pair in value.items() for item in pair))
    if isinstance(value, list):
        return set().union(*map(texts, value))
    return {value} if isinstance(value, str) else set()


@pytest.fixture(scope="module")
def document(hospital: PlanningWorld) -> dict[str, Any]:
    return create(planning(hospital.settings, lambda _: httpx.Client())).openapi()


def test_every_operation_documents_its_answers(document: dict[str, Any]) -> None:
    operations = {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {path for _, path in operations} == {
        "/v1/scores",
        "/v1/models/{model}/scores",
        "/v1/scores/{encounter}",
        "/v1/feedback",
        "/healthz",
        "/readyz",
    }
    for (method, path), operation in operations.items():
        assert operation["summary"]
        assert operation["description"]
        responses = operation["responses"]
        assert "default" in responses
        assert ("503" in responses) == (path != "/healthz")
        assert method != "post" or {"400", "403", "413", "415", "422"} <= responses.keys()
        for status, response in responses.items():
            assert response["description"]
            [kind] = response["content"]
            assert kind == ("application/json" if status == "200" else MEDIA_TYPE)
            assert response["content"][kind]["schema"]


def test_every_field_that_needs_words_has_them(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, one in schemas.items():
        assert one.get("description"), name
    assert {"example"} <= schemas["ScoreRequest"].keys() & schemas["FeedbackRequest"].keys()
    assert schemas["ProblemDetails"]["example"]


def test_a_rank_cannot_be_read_as_a_score(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    of_a_score = {"risk", "decision", "action", "reasons", "threshold", "release"}
    assert of_a_score <= schemas["Scored"]["properties"].keys()
    assert not of_a_score & schemas["Fallback"]["properties"].keys()
    assert not (of_a_score | {"lace"}) & schemas["NotScored"]["properties"].keys()
    assert not {"lace", "fallback_reason"} & schemas["Scored"]["properties"].keys()
    assert all(schemas[name]["additionalProperties"] is False for name in ("Scored", "Fallback", "NotScored"))
    assert json.dumps(schemas["ScoreResponse"]).count("discriminator") == 1
