"""Routes of gateways and described workflows: what each request is for, its data, and who answers it."""

from dataclasses import replace
from typing import Any

import pytest

from policy_pack.facts.workflow_table import WorkflowTable, workflow_table
from policy_pack.stack.graph import Graph, Resource
from tests.policy import world
from tests.policy.builders import STACK, build
from tests.policy.evaluation import results

MODULE = "policy_pack.controls.workloads.workflows.workflow_table"
NAMESPACE = "north-platform"
CARE = {"name": "care", "namespace": "north-phi", "port": 8443}
PLANNER = {"name": "planner", "namespace": "north-serving", "port": 8443}
QUEUED = {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "queued"}


def gateway_object(kind: str, name: str, spec: dict[str, Any]) -> Resource:
    return build(f"kubernetes:{kind}", name, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})


def route(method: str, path: str, kind: str = "Exact", **rule: Any) -> Resource:
    match = {"method": method, "path": {"type": kind, "value": path}}
    spec = {"parentRefs": [{"name": "gateway"}], "rules": [{"matches": [match], **rule}]}
    return gateway_object("gateway.networking.k8s.io/v1:HTTPRoute", "extra", spec)


def answer(status: int = 501) -> Resource:
    spec = {"directResponse": {"statusCode": status}}
    return gateway_object("gateway.envoyproxy.io/v1alpha1:HTTPRouteFilter", "queued", spec)


def messages(*resources: Resource) -> list[str]:
    found = results(Graph([*world.resources(), *resources], STACK), None, "ML-05")
    return [result.message for result in found]


def test_requests_of_a_workflow_may_go_to_its_workload() -> None:
    assert messages() == []
    assert messages(route("POST", "/v1/scores", backendRefs=[PLANNER])) == []


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [("GET", "/v1/scores", "Exact"), ("POST", "/v1/scores", "PathPrefix"), ("POST", "/v1/other", "Exact")],
)
def test_requests_of_no_workflow_are_refused(method: str, path: str, kind: str) -> None:
    [message] = messages(route(method, path, kind, backendRefs=[PLANNER]))
    assert message == f"answers {method} {path} ({kind}), which is no request of a workflow (routes.yaml)"


def test_a_route_without_matches_is_refused() -> None:
    extra = route("POST", "/v1/scores", backendRefs=[PLANNER])
    bare = gateway_object("gateway.networking.k8s.io/v1:HTTPRoute", "bare", {"rules": [{"backendRefs": [PLANNER]}]})
    assert messages(extra, bare) == ["answers every request, and no workflow describes them all"]


def test_another_workload_may_not_answer() -> None:
    extra = route("POST", "/v1/scores", backendRefs=[{**PLANNER, "name": "other"}])
    [message] = messages(extra)
    assert message.endswith("other answers, and the workflow discharge-worklist is answered by planner")
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy", "namespace": NAMESPACE}}}
    [message] = messages(route("POST", "/v1/scores", backendRefs=[PLANNER], filters=[mirror]))
    assert f"{NAMESPACE}/copy answers" in message


def test_a_queued_workflow_is_answered_501() -> None:
    entry = {"type": "ExtensionRef", "extensionRef": QUEUED}
    queued = route("POST", "/v1/notes", filters=[entry])
    assert messages(queued, answer()) == []
    assert "does not answer 501" in messages(queued, answer(200))[0]
    assert "does not answer 501" in messages(queued)[0]
    assert "does not answer 501" in messages(route("POST", "/v1/notes"))[0]
    [message] = messages(route("POST", "/v1/notes", filters=[entry], backendRefs=[PLANNER]), answer())
    assert message.endswith("planner answers, and the workflow note-extraction is answered by no workload")


def test_paths_of_the_sign_in_are_the_gateway_s_own() -> None:
    extra = route("GET", "/oauth2/callback", backendRefs=[CARE])
    assert "which is no request of a workflow" in messages(extra)[0]
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "extra"}
    sign_in = {"redirectURL": "https://north.example/oauth2/callback", "logoutPath": "/signout"}
    policy = gateway_object(
        "gateway.envoyproxy.io/v1alpha1:SecurityPolicy", "extra", {"targetRefs": [target], "oidc": sign_in}
    )
    assert messages(extra, policy) == []
    assert "which is no request of a workflow" in messages(route("GET", "/other", backendRefs=[CARE]), policy)[0]


def scores(**changes: Any) -> WorkflowTable:
    """Return the tables, with a changed route of scores."""
    rows = tuple(replace(row, **changes) if row.name == "scores" else row for row in workflow_table().routes)
    return replace(workflow_table(), routes=rows)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (scores(workflow="research"), "workflows.yaml does not describe the workflow research"),
        (scores(workflow="feedback", data="raw"), "raw data, and the workflow feedback allows at most curated"),
        (scores(data="raw"), "it sends raw data, and at most curated may pass through the zone serving"),
    ],
)
def test_tables_that_contradict_each_other_are_refused(
    table: WorkflowTable, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, lambda: table)
    found = messages()
    assert any(says in message for message in found)
