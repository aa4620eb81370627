"""The API server and the enforcer agree on what a NetworkPolicy may hold."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from kubernetes import client

from local.netpol.events import Events
from local.netpol.model import Direction, Policy, Selector
from local.netpol.parse import parse_policy
from local.netpol.watch import ClusterApi
from local.paths import Home
from local.stack import jobs
from tests.netpol import policies

NAMESPACE = "default"

Json = dict[str, Any]
Stored = Callable[[str, Any], Json | None]


@pytest.fixture(scope="module")
def stored(home: Home) -> Iterator[Stored]:
    """Return a policy as the API server would store it, or nothing where it refuses it."""
    with jobs.connect(home) as api:
        path = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies?dryRun=All"
        # The client's own models would refuse most of what is tried before the server sees it.
        request: Any = api.call_api

        def ask(name: str, spec: Any) -> Json | None:
            document = {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": name},
                "spec": spec,
            }
            headers = {"Accept": "application/json", "Content-Type": "application/json"}
            answer = request("POST", f"{api.configuration.host}{path}", headers, document)
            body: Json = json.loads(answer.read())
            assert answer.status in (201, 400, 422), body
            return body if answer.status == 201 else None

        yield ask


@settings(max_examples=50, deadline=None, database=None)
@given(policies.policies())
def test_the_api_server_allows_what_is_tried_and_it_can_be_enforced(stored: Stored, written: Json) -> None:
    answer = stored(written["metadata"]["name"], written["spec"])
    assert answer is not None
    assert parse_policy(answer).problem == ""


@pytest.mark.parametrize("spec", [spec for spec, _ in policies.UNDEFINED], ids=str)
def test_the_api_server_stores_nothing_that_is_undefined(stored: Stored, spec: Any) -> None:
    answer = stored("undefined", spec)
    assert answer is None or parse_policy(answer).problem == ""


@pytest.mark.parametrize(
    "block",
    [
        {"cidr": "010.001.0.0/16"},
        {"cidr": "10.1.2.3/16", "except": ["10.1.009.0/24"]},
        {"cidr": "10.0.0.0/8", "except": ["::ffff:10.1.0.0/112"]},
        {"cidr": "::ffff:10.1.0.0/112"},
    ],
    ids=str,
)
def test_ranges_that_some_api_servers_take_can_be_enforced(stored: Stored, block: Json) -> None:
    answer = stored("range", {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]})
    assert answer is None or parse_policy(answer).problem == ""


def test_the_controllers_identity_writes_the_event_of_a_closed_policy(home: Home) -> None:
    closed = Policy(NAMESPACE, "a" * 253, Selector(), {Direction.INGRESS: ()}, "uid", "a field is unknown")
    said: list[str] = []
    events = Events(ClusterApi(str(home.pki / "netpol.kubeconfig")), said.append)
    events.note([closed])
    events.write_next()
    assert said == []
    with jobs.connect(home) as api:
        core: Any = client.CoreV1Api(api)
        about = f"involvedObject.name={closed.name}"
        found = core.list_namespaced_event(NAMESPACE, field_selector=about).items
        assert {(item.reason, item.type) for item in found} == {("PolicyNotEnforced", "Warning")}
        assert all(item.message.startswith("a field is unknown; ") for item in found)
        for item in found:
            core.delete_namespaced_event(item.metadata.name, NAMESPACE)
