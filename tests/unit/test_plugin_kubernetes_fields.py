"""Whose field is whose, where several write to one object."""

from typing import Any

import pytest

from local.plugins.common import PluginError, Props
from local.plugins.kubernetes_api import ApiError, NoKindError, UnreachableError
from local.plugins.kubernetes_fields import created_here, respect_ignored, taken_over
from local.plugins.kubernetes_objects import Kind
from local.plugins.kubernetes_settings import Settings, same_cluster
from local.plugins.kubernetes_write import cannot_foretell

MINE = "pulumi-kubernetes-12345678"


def entry(manager: str, operation: str, fields: Props, **more: str) -> Props:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, **more}


def live(*entries: Props, **fields: Any) -> Props:
    return {"metadata": {"name": "a", "resourceVersion": "7", "managedFields": list(entries)}, **fields}


def test_creation_and_kubectl_edits_are_taken_over() -> None:
    other = entry("kube-controller-manager", "Update", {"f:status": {}}, subresource="status")
    operations = taken_over(
        live(
            entry(MINE, "Apply", {"f:spec": {"f:a": {}}}),
            entry("pulumi-kubernetes", "Update", {"f:spec": {"f:b": {}}}),
            entry("kubectl-edit", "Update", {"f:spec": {"f:c": {}}}),
            entry("kubectl", "Update", {"f:spec": {"f:replicas": {}}}, subresource="scale"),
            other,
        ),
        MINE,
    )
    assert operations is not None
    mine, rest = operations[0]["value"]
    assert mine["manager"] == MINE
    assert mine["operation"] == "Apply"
    assert mine["fieldsV1"] == {"f:spec": {"f:a": {}, "f:b": {}, "f:c": {}, "f:replicas": {}}}
    assert rest == other
    assert operations[1]["value"] == "7"


@pytest.mark.parametrize(
    "foreign",
    [
        entry(MINE, "Apply", {}),
        entry("argocd", "Apply", {}),
        entry("kube-controller-manager", "Update", {}, subresource="scale"),
        entry("kubectl", "Update", {}, subresource="status"),
    ],
)
def test_fields_of_others_are_left_to_them(foreign: Props) -> None:
    assert taken_over(live(foreign), MINE) is None
    assert not created_here(live(foreign))


def test_an_ignored_field_of_another_is_not_sent() -> None:
    scaled = live(entry("hpa", "Update", {"f:spec": {"f:replicas": {}}}), spec={"replicas": 5})
    inputs = {"spec": {"replicas": 1, "paused": True}}
    assert respect_ignored(inputs, scaled, MINE, ["spec.replicas"]) == {"spec": {"paused": True}}


@pytest.mark.parametrize("owner", [entry(MINE, "Apply", {}), entry("pulumi-kubernetes", "Update", {})])
def test_an_ignored_field_of_ours_keeps_its_live_value(owner: Props) -> None:
    scaled = live({**owner, "fieldsV1": {"f:spec": {"f:replicas": {}}}}, spec={"replicas": 5})
    assert respect_ignored({"spec": {"replicas": 1}}, scaled, MINE, ["spec.replicas"]) == {"spec": {"replicas": 5}}
    assert respect_ignored({"spec": {"x": [1]}}, scaled, MINE, ["spec.x[0]", "gone.y"]) == {"spec": {"x": [1]}}


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ApiError(404, "NotFound", 'namespaces "n" not found'), True),
        (ApiError(409, "AlreadyExists", "there"), True),
        (ApiError(403, "Forbidden", "no"), True),
        (ApiError(500, "InternalError", "webhook is down"), True),
        (ApiError(400, "BadRequest", 'the webhook "x" does not support dry run'), True),
        (NoKindError(Kind("a/v1", "B")), True),
        (UnreachableError("down"), True),
        (ApiError(422, "Invalid", "spec.replicas: must be positive"), False),
        (PluginError("other"), False),
    ],
)
def test_a_rehearsal_fails_only_for_faults_of_the_object(error: PluginError, passes: bool) -> None:
    assert cannot_foretell(error) is passes


def test_settings_come_from_the_provider_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    monkeypatch.setenv("PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE", "true")
    settings = Settings.read({"kubeconfig": "a: b\n", "namespace": "n", "enableConfigMapMutable": "false"})
    assert settings.delete_unreachable
    assert not settings.mutable_config_maps
    assert settings.connection == {"kubeconfig": "a: b\n"}
    assert settings.namespace == "n"


@pytest.mark.parametrize("config", [{"enableServerSideApply": "false"}, {"renderYamlToDirectory": "x"}])
def test_what_the_plugin_cannot_do_is_said(config: Props) -> None:
    with pytest.raises(PluginError, match="is not supported"):
        Settings.read(config)


def kubeconfig(server: str) -> Props:
    cluster = f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}]"
    contexts = "contexts: [{name: x, context: {cluster: c}}]"
    return {"kubeconfig": f"{cluster}\n{contexts}\ncurrent-context: x\n"}


def test_another_server_is_another_cluster() -> None:
    assert same_cluster(kubeconfig("https://a"), kubeconfig("https://a"))
    assert not same_cluster(kubeconfig("https://a"), kubeconfig("https://b"))
    assert same_cluster(kubeconfig("https://a"), {"kubeconfig": "not\na kubeconfig"})
    named = {"clusterIdentifier": "hospital"}
    assert same_cluster({**kubeconfig("https://a"), **named}, {**kubeconfig("https://b"), **named})
    assert not same_cluster(named, {"clusterIdentifier": "other"})
