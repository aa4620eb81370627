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
from tests.policy import world
from tests.policy.builders import build
from tests.policy.flows import admitting, pods
from tests.policy.world import pods as world_pods

Json = dict[str, Any]
PORT = 8443
ROLE_VALUES: Json = {"backend": "north/workload-pki", "name": "planner", "maxTtl": "28800"}


def deployment() -> Json:
    container = world_pods.container("planning")
    container["ports"] = [{"name": "https", "containerPort": PORT}]
    container["env"] = [{"name": "TLS_CALLERS", "value": "spiffe://hmlops/north/envoy"}]
    metadata = world_pods.meta("planning", "north", "serving", "planner")
    template = {
        "metadata": {"labels": metadata["labels"], "annotations": secret_table().of("north", "planner")},
        "spec": {**world_pods.pod("planner", container), "serviceAccountName": "planner"},
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


RUNTIME = {"name": "TLS_CALLERS", "value": "spiffe://hmlops/north/planner"}
MONITORING = {
    "namespaceSelector": world_pods.by_name("monitoring"),
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
}
FIGURES = 8082


def model_server() -> tuple[Json, Json]:
    """Return an InferenceService and its ServingRuntime."""
    container = world_pods.container("kserve-container")
    container |= {"ports": [{"name": "https", "containerPort": PORT}], "env": [RUNTIME]}
    runtime = {"metadata": world_pods.meta("own", "north", "serving"), "spec": {"containers": [container]}}
    predictor = {
        "serviceAccountName": "model-server",
        "labels": world_pods.labels("north", "serving", "own"),
        "annotations": secret_table().of("north", "model-server"),
        "model": {"runtime": "own", "env": [{"name": "HMLOPS_RELEASE", "value": "v1@0123456789ab"}]},
    }
    return {"metadata": world_pods.meta("own", "north", "serving"), "spec": {"predictor": predictor}}, runtime


def found_of_model_server(
    change: Callable[[Json, Json], object], *, port: int = PORT, peer: Json | None = None
) -> list[str]:
    """Return the shortcomings of a model server's pods after a change."""
    service, runtime = copy.deepcopy(model_server())
    change(service["spec"]["predictor"], runtime["spec"]["containers"][0])
    graph = admitting(
        peer or pods("north", "serving", "planner"),
        pods("north", "serving", "own"),
        port,
        build("kubernetes:serving.kserve.io/v1beta1:InferenceService", "own", service),
        build("kubernetes:serving.kserve.io/v1alpha1:ServingRuntime", "own", runtime),
        build("vault:pkiSecret/secretBackendRole:SecretBackendRole", "own", {**ROLE_VALUES, "name": "model-server"}),
    )
    context = StackContext(graph, world.settings())
    [own] = [group for group in topology(context, zones()).by_namespace["north-serving"] if group.workload == "own"]
    return list(shortcomings(own, context))


def test_a_model_server_has_what_its_runtime_says() -> None:
    assert found_of_model_server(lambda *_: None) == []


def test_monitoring_may_read_figures_in_plain_http_at_their_port_alone() -> None:
    assert found_of_model_server(lambda *_: None, port=FIGURES, peer=MONITORING) == []
    assert "another port" in "; ".join(found_of_model_server(lambda *_: None, port=FIGURES))
    assert "another port" in "; ".join(found_of_model_server(lambda *_: None, port=8080, peer=MONITORING))
    everybody = {"namespaceSelector": world_pods.by_name("monitoring")}
    assert "another port" in "; ".join(found_of_model_server(lambda *_: None, port=FIGURES, peer=everybody))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda predictor, _: predictor.pop("annotations"), "no certificate"),
        (
            lambda predictor, _: predictor["annotations"].pop("vault.hashicorp.com/agent-inject-secret-tls.key"),
            "no certificate",
        ),
        (lambda _, runtime: runtime.update(env=[]), "other callers"),
        (
            lambda _, runtime: runtime["env"][0].update(value=f"{RUNTIME['value']},spiffe://hmlops/north/trainer"),
            "other callers",
        ),
        (
            lambda predictor, _: predictor["model"]["env"].append(
                {"name": "TLS_CALLERS", "value": "spiffe://hmlops/south/planner"}
            ),
            "other callers",
        ),
        (lambda predictor, _: predictor["model"].update(runtime="risk"), "other callers"),
        (lambda _, runtime: runtime["ports"][0].update(name="http1"), "another port"),
        (lambda _, runtime: runtime["ports"][0].update(containerPort=8080), "another port"),
    ],
)
def test_every_part_of_a_model_server_that_is_missing_is_named(
    change: Callable[[Json, Json], object], message: str
) -> None:
    assert message in "; ".join(found_of_model_server(change))
