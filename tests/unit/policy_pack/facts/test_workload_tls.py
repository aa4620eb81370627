"""Pods that serve mutual TLS themselves: what makes them, and every field set wrong."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from policy_pack.facts import workload_tls
from policy_pack.facts.network.topology import topology
from policy_pack.facts.secret_table import secret_table
from policy_pack.facts.workload_tls import shortcomings
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Resource
from tests.policy import world, world_cluster
from tests.policy.builders import build
from tests.policy.flows import admitting, pods

Json = dict[str, Any]
PORT = 8443
ROLE_VALUES: Json = {"backend": "north/workload-pki", "name": "planner", "maxTtl": "28800"}


def deployment() -> Json:
    container = world_cluster.container("planning")
    container["ports"] = [{"name": "https", "containerPort": PORT}]
    container["env"] = [{"name": "TLS_CALLERS", "value": "spiffe://hmlops/north/envoy"}]
    metadata = world_cluster.meta("planning", "north", "serving", "planner")
    template = {
        "metadata": {"labels": metadata["labels"], "annotations": secret_table().of("north", "planner")},
        "spec": {**world_cluster.pod("planner", container), "serviceAccountName": "planner"},
    }
    return {"metadata": metadata, "spec": {"selector": {"matchLabels": metadata["labels"]}, "template": template}}


def found(
    monkeypatch: pytest.MonkeyPatch, props: Json, *, role: Json | None = None, port: int = PORT, peer: bool = True
) -> list[str]:
    """Return the shortcomings of planning's pods."""
    monkeypatch.setattr(workload_tls, "_sources", lambda _: {"envoy"} if peer else set())
    more: list[Resource] = [build("kubernetes:apps/v1:Deployment", "north-planning", props)]
    values = ROLE_VALUES if role is None else role
    if values:
        more.append(build("vault:pkiSecret/secretBackendRole:SecretBackendRole", "planner", values))
    graph = admitting(pods("north", "platform", "envoy"), pods("north", "serving", "planner"), port, *more)
    context = StackContext(graph, world.settings())
    groups = topology(context, zones()).by_namespace["north-serving"]
    [own] = [group for group in groups if group.resource and group.resource.kind == "k8s:apps/Deployment"]
    return list(shortcomings(own, context))


def test_a_service_with_a_certificate_and_callers_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, deployment()) == []


def _template(change: Callable[[Json], object]) -> Callable[[Json], object]:
    return lambda props: change(props["spec"]["template"])


def _container(change: Callable[[Json], object]) -> Callable[[Json], object]:
    return lambda props: change(props["spec"]["template"]["spec"]["containers"][0])


def _annotation(name: str, value: str | None) -> Callable[[Json], object]:
    def change(template: Json) -> None:
        key = f"vault.hashicorp.com/{name}"
        if value is None:
            del template["metadata"]["annotations"][key]
        else:
            template["metadata"]["annotations"][key] = value

    return _template(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_template(lambda one: one["metadata"].pop("annotations")), "no certificate"),
        (_annotation("agent-inject", "false"), "no certificate"),
        (_annotation("agent-inject-secret-tls.key", None), "no certificate"),
        (_annotation("agent-inject-template-tls.ca", "{{ any }}"), "no certificate"),
        (_annotation("role", "north-ingestor"), "no certificate"),
        (_template(lambda one: one["spec"].update(serviceAccountName="features")), "no certificate"),
        (_container(lambda one: one.update(env=[])), "other callers"),
        (_container(lambda one: one["env"][0].update(value="")), "other callers"),
        (_container(lambda one: one["env"][0].update(value="spiffe://hmlops/south/envoy")), "other callers"),
        (_container(lambda one: one["env"][0].update(value="spiffe://hmlops/north/*")), "other callers"),
        (
            _container(
                lambda one: one["env"].append({"name": "TLS_CALLERS", "value": "spiffe://hmlops/north/trainer"})
            ),
            "other callers",
        ),
        (_container(lambda one: one["ports"][0].update(name="http1")), "another port"),
        (_container(lambda one: one["ports"][0].update(containerPort=8080)), "another port"),
    ],
)
def test_every_part_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Json], object], message: str
) -> None:
    props = copy.deepcopy(deployment())
    change(props)
    assert message in "; ".join(found(monkeypatch, props))


@pytest.mark.parametrize(
    "role",
    [
        {},
        {**ROLE_VALUES, "backend": "south/workload-pki"},
        {**ROLE_VALUES, "name": "other"},
        {**ROLE_VALUES, "backend": "north/pki"},
    ],
)
def test_the_role_of_the_service_account_must_exist(monkeypatch: pytest.MonkeyPatch, role: Json) -> None:
    assert "no PKI role north/workload-pki/planner" in "; ".join(found(monkeypatch, deployment(), role=role))


def test_a_connection_to_another_port_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "another port" in "; ".join(found(monkeypatch, deployment(), port=9000))


def test_a_caller_that_the_zone_table_does_not_allow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "other callers" in "; ".join(found(monkeypatch, deployment(), peer=False))
