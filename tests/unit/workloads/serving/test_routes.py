"""The route table: rows that agree with the workflows, the zones and each other, and the routes of a hospital."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from infra.settings import FurtherModel, Release, SettingsError
from tests.support.stack.mocked_stack import settings
from workloads.serving.routes import TABLE, WORKFLOWS, Proof, check, parse, table
from workloads.zones import workload_table

MODEL = "readmission-risk"
PLANNING = {"planning": replace(workload_table.row("planning"), ports={"https": 8443})}
V1 = Release("v1", "0" * 12)
BOOSTED = FurtherModel(name="boosted", release="v2@000000000000", applications=("north-research",))
BY_MODEL = "/v1/models/{model}/scores"
ROUTES = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
WORKFLOW_ROWS = yaml.safe_load(WORKFLOWS.read_text(encoding="utf-8"))


def changed(route: str, change: dict[str, Any]) -> dict[str, Any]:
    routes: dict[str, Any] = deepcopy(ROUTES)
    routes["routes"][route] |= change
    return routes


def test_queued_workflows_have_a_route_that_no_workload_answers() -> None:
    queued = {name for name, row in WORKFLOW_ROWS["workflows"].items() if row["mode"] == "queued"}
    assert {route.workflow for route in table().routes.values() if route.queued} == queued


def test_each_workflow_has_a_route() -> None:
    assert {route.workflow for route in table().routes.values()} == WORKFLOW_ROWS["workflows"].keys()


def test_each_kind_of_proof_has_a_route() -> None:
    assert {route.proof for route in table().routes.values()} == set(Proof)


@pytest.mark.parametrize(
    ("route", "change", "says"),
    [
        ("worklist", {"workflow": "unheard-of"}, "workflow unheard-of is not described"),
        ("worklist", {"proof": "oauth", "scope": "a.b"}, "application person proves itself by sign-in"),
        ("worklist", {"scope": "worklist.read"}, "a scope belongs to proof oauth"),
        ("scores", {"scope": None}, "a scope belongs to proof oauth"),
        ("scores", {"scope": "all things"}, "scope"),
        ("worklist", {"workload": None, "at_once": None}, "a queued workflow has no workload"),
        ("note-extraction", {"workload": "planning", "at_once": 1}, "a queued workflow has no workload"),
        ("feedback", {"models": {MODEL: ["v1"]}}, "workflow feedback asks no model"),
        ("scores", {"models": {}}, "asks a model; add models"),
        ("scores", {"models": {MODEL: ["latest"]}}, "models"),
        ("feedback", {"data": "raw"}, "route feedback sends raw data, and workflow feedback allows at most curated"),
        ("scores", {"data": "identity"}, "data"),
        ("scores", {"paths": {}}, "paths"),
        ("scores", {"paths": {"DELETE": ["/v1/scores"]}}, "paths"),
        ("scores", {"paths": {"POST": ["/v1/../scores"]}}, "paths"),
        ("scores", {"paths": {"POST": ["/"]}}, "paths"),
        (
            "scores",
            {"paths": {"POST": ["/cds-services/readmission-risk"]}},
            "both have POST /cds-services/readmission-",
        ),
        ("scores", {"rate": {"burst": 0, "per": "Second"}}, "rate.burst"),
        ("scores", {"rate": {"burst": 10, "per": "Year"}}, "rate.per"),
        ("scores", {"payload": "1GB"}, "payload"),
        ("scores", {"timeout": 0}, "timeout"),
        ("scores", {"at_once": 0}, "at_once"),
        ("scores", {"at_once": None}, "at_once belongs to routes that a workload answers"),
        ("note-extraction", {"at_once": 4}, "at_once belongs to routes that a workload answers"),
        ("scores", {"cache": True}, "cache"),
        ("scores", {"per_model": True}, "is in each path of routes per_model and of no other"),
        ("scores", {"paths": {"POST": [BY_MODEL]}}, "is in each path of routes per_model and of no other"),
        ("model-scores", {"paths": {"POST": [BY_MODEL, "/v1/all"]}}, "is in each path of routes per_model"),
        (
            "note-extraction",
            {"per_model": True, "paths": {"POST": [BY_MODEL]}},
            "routes of proof oauth that a workload",
        ),
        ("scores", {"clients": ["north-research"]}, "the applications of a hospital are in its entry; remove clients"),
    ],
)
def test_a_route_that_contradicts_the_tables_is_refused(route: str, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        parse(changed(route, change), WORKFLOW_ROWS, "raw")


def test_a_route_sends_no_more_than_may_pass_the_gateway() -> None:
    with pytest.raises(ValidationError, match="the gateway's zone allows at most curated"):
        parse(ROUTES, WORKFLOW_ROWS, "curated")


def test_a_hospital_has_the_routes_of_workloads_that_exist() -> None:
    queued = {name for name, route in table().routes.items() if route.queued}
    assert table().served({}, MODEL, V1).keys() == queued
    assert table().served(PLANNING, MODEL, V1).keys() == queued | {"scores"}
    portless = {"planning": replace(PLANNING["planning"], ports={"http": 8080})}
    assert table().served(portless, MODEL, V1).keys() == queued


def test_a_release_beside_the_active_one_may_answer_the_same_routes(tmp_path: Path) -> None:
    def change(written: dict[str, Any]) -> None:
        written["hospitals"][0] |= {
            "release": "v1@000000000000",
            "canary": {"release": "v9@000000000000", "percent": 5},
            "shadow": {"release": "v8@000000000000"},
            "previous": "v2@000000000000",
        }

    with pytest.raises(SettingsError) as refused:
        check(settings("dev", tmp_path, change))
    assert str(refused.value) == (
        "Stack dev: hospital north: canary v9@000000000000 may not answer the routes discharge-hook, worklist, scores; "
        "add v9 to their models in workloads/serving/routes.yaml, or choose another release."
    )


def test_a_further_model_has_a_route_of_its_own_for_its_applications() -> None:
    served = table().served(PLANNING, MODEL, V1, [BOOSTED])
    assert served.keys() - table().served(PLANNING, MODEL, V1).keys() == {"model-scores-boosted"}
    own, first = served["model-scores-boosted"], served["scores"]
    assert (own.paths, own.clients) == ({"POST": ("/v1/models/boosted/scores",)}, ("north-research",))
    assert (own.workload, own.scope, own.workflow) == (first.workload, first.scope, first.workflow)
    assert first.clients is None
    assert "model-scores-boosted" not in table().served({}, MODEL, V1, [BOOSTED])


def test_a_further_model_of_a_version_that_no_route_allows_is_refused(tmp_path: Path) -> None:
    def change(written: dict[str, Any]) -> None:
        model = {"name": "boosted", "release": "v9@000000000000", "applications": ["north-research"]}
        written["hospitals"][0] |= {"release": "v1@000000000000", "models": [model]}

    with pytest.raises(SettingsError) as refused:
        check(settings("dev", tmp_path, change))
    assert str(refused.value) == (
        "Stack dev: hospital north: the model boosted v9@000000000000 may not answer the routes model-scores; add v9 "
        "to their models in workloads/serving/routes.yaml, or choose another release."
    )


@pytest.mark.parametrize(
    ("model", "release", "routes"),
    [
        (MODEL, V1, {"scores"}),
        (MODEL, Release("v9", "0" * 12), set()),
        ("mortality", V1, set()),
        (MODEL, None, {"scores"}),
    ],
)
def test_a_release_that_a_route_does_not_name_takes_the_route_away(
    model: str, release: Release | None, routes: set[str]
) -> None:
    served = table().served(PLANNING, model, release)
    assert {name for name, route in served.items() if not route.queued} == routes


def test_the_file_explains_each_of_its_fields() -> None:
    comments = "".join(line for line in TABLE.read_text(encoding="utf-8").splitlines(keepends=True) if line[0:1] == "#")
    fields = {field for row in ROUTES["routes"].values() for field in row}
    assert [field for field in fields if f"# {field} " not in comments] == []
