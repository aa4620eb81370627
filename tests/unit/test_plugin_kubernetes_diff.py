"""What the Kubernetes plugin takes for a change, and which changes need a replacement."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.plugins.common import UNKNOWN, Diff, Kind, Props, path_text
from local.plugins.common import Path as PropertyPath
from local.plugins.kubernetes_diff import (
    compare,
    immutable,
    observed_inputs,
    pruned,
    quantity,
    without_ignored,
)
from local.plugins.kubernetes_objects import id_of, inputs_of, kind_of, kind_of_type, live_of, normal

OFFICIAL = Path(__file__).parents[3] / "shared" / "reference" / "official-kubernetes-state.json"
SIGNATURE = "4dabf18193072939515e22adb298388d"


def thing(api_version: str, kind: str, /, **fields: Any) -> Props:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "namespace": "n"}, **fields}


def diff(old: Props, new: Props, live: Props | None = None, **options: Any) -> Diff:
    return compare(old, live or old, new, namespaced=True, immutable_paths=immutable(new, **options))


def texts(found: Diff) -> dict[str, Kind]:
    return {path_text(path): change for path, change in found.changes.items()}


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (thing("v1", "ConfigMap", data={"a": "1"}), thing("v1", "ConfigMap", data={"a": "2"}), "data.a"),
        (thing("v1", "Secret", type="Opaque"), thing("v1", "Secret", type="x/y"), "type"),
        (
            thing("batch/v1", "Job", spec={"template": {"spec": {"containers": [{"name": "c", "image": "a"}]}}}),
            thing("batch/v1", "Job", spec={"template": {"spec": {"containers": [{"name": "c", "image": "b"}]}}}),
            "spec.template.spec.containers[0].image",
        ),
        (
            thing("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a.b/c": "x"}}}),
            thing("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a.b/c": "y"}}}),
            'spec.selector.matchLabels["a.b/c"]',
        ),
        (
            thing("storage.k8s.io/v1", "StorageClass", provisioner="a"),
            thing("storage.k8s.io/v1", "StorageClass", provisioner="b"),
            "provisioner",
        ),
        (
            thing("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "a"}),
            thing("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "b"}),
            "roleRef.name",
        ),
        (
            thing("v1", "Service", spec={"clusterIP": "10.0.0.1"}),
            thing("v1", "Service", spec={"clusterIP": "10.0.0.2"}),
            "spec.clusterIP",
        ),
        (
            thing("v1", "PersistentVolumeClaim", spec={"storageClassName": "a"}),
            thing("v1", "PersistentVolumeClaim", spec={"storageClassName": "b"}),
            "spec.storageClassName",
        ),
        (
            thing("apps/v1", "StatefulSet", spec={"serviceName": "a"}),
            thing("apps/v1", "StatefulSet", spec={"serviceName": "b"}),
            "spec.serviceName",
        ),
    ],
)
def test_immutable_fields_replace(old: Props, new: Props, path: str) -> None:
    found = diff(old, new)
    assert texts(found) == {path: Kind.UPDATE}
    assert {path_text(p) for p in found.replaces} == {path}
    assert found.delete_before_replace


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (
            thing("apps/v1", "Deployment", spec={"replicas": 1}),
            thing("apps/v1", "Deployment", spec={"replicas": 2}),
            "spec.replicas",
        ),
        (
            thing("v1", "ResourceQuota", spec={"hard": {"cpu": "1"}}),
            thing("v1", "ResourceQuota", spec={"hard": {"cpu": "2"}}),
            "spec.hard.cpu",
        ),
        (
            thing("batch/v1", "CronJob", spec={"schedule": "a"}),
            thing("batch/v1", "CronJob", spec={"schedule": "b"}),
            "spec.schedule",
        ),
        (
            thing("v1", "PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "1Gi"}}}),
            thing("v1", "PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "2Gi"}}}),
            "spec.resources.requests.storage",
        ),
    ],
)
def test_other_fields_update(old: Props, new: Props, path: str) -> None:
    found = diff(old, new)
    assert texts(found) == {path: Kind.UPDATE}
    assert not found.replaces


def test_a_mutable_config_map_is_updated_unless_it_says_otherwise() -> None:
    old, new = thing("v1", "ConfigMap", data={"a": "1"}), thing("v1", "ConfigMap", data={"a": "2"})
    assert not diff(old, new, mutable_config_maps=True).replaces
    fixed = {**new, "immutable": True}
    assert diff({**old, "immutable": True}, fixed, mutable_config_maps=True).replaces == {("data", "a")}


def test_removing_all_of_an_immutable_part_replaces() -> None:
    old = thing("v1", "Service", spec={"clusterIP": "10.0.0.1"})
    assert diff(old, thing("v1", "Service")).replaces == {("spec",)}


def test_another_name_or_namespace_replaces_without_deleting_first() -> None:
    old = thing("v1", "ConfigMap")
    moved = {**old, "metadata": {"name": "a", "namespace": "m"}}
    found = diff(old, moved)
    assert {path_text(p) for p in found.replaces} == {"metadata.namespace"}
    assert not found.delete_before_replace


def test_an_autonamed_object_is_replaced_beside_itself() -> None:
    about = {"name": "a-1", "namespace": "n", "annotations": {"pulumi.com/autonamed": "true"}}
    old = thing("v1", "ConfigMap", data={"a": "1"}) | {"metadata": about}
    assert not diff(old, {**old, "data": {"a": "2"}}).delete_before_replace


def test_what_the_server_adds_is_no_change() -> None:
    old = thing("v1", "Service", spec={"ports": [{"port": 80}]})
    live = thing("v1", "Service", spec={"ports": [{"port": 80, "protocol": "TCP"}], "clusterIP": "10.0.0.1"}, status={})
    assert not diff(old, old, live).changes


def test_drift_is_a_change() -> None:
    old = thing("apps/v1", "Deployment", spec={"replicas": 1, "paused": True})
    live = thing("apps/v1", "Deployment", spec={"replicas": 3})
    assert texts(diff(old, old, live)) == {"spec.replicas": Kind.UPDATE, "spec.paused": Kind.ADD}


def test_named_items_are_found_wherever_they_are() -> None:
    shape = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    live = {"env": [{"name": "injected"}, {"name": "B", "value": "2"}, {"name": "A", "value": "9"}]}
    assert pruned(live, shape) == {"env": [{"name": "A", "value": "9"}, {"name": "B", "value": "2"}]}


@pytest.mark.parametrize(
    ("one", "same"),
    [("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), (2, "2"), ("1e3", "1k")],
)
def test_quantities_are_compared_by_value(one: str | int, same: str) -> None:
    assert quantity(one) == quantity(same)
    old = thing("v1", "ResourceQuota", spec={"hard": {"cpu": one}})
    assert not diff(old, old, thing("v1", "ResourceQuota", spec={"hard": {"cpu": same}})).changes


def test_what_is_no_quantity_is_compared_as_text() -> None:
    assert quantity("x1") is None
    old = thing("v1", "ConfigMap", data={"a": "1000m"})
    assert diff(old, old, thing("v1", "ConfigMap", data={"a": "1"})).changes


@pytest.mark.parametrize(
    "spec",
    [{"ingress": []}, {"hostNetwork": False}, {"nodeSelector": {}}, {"initialDelaySeconds": 0}, {"serviceName": ""}],
)
def test_empty_values_that_the_server_drops_are_no_change(spec: Props) -> None:
    old = thing("v1", "X", spec={"kept": 1, **spec})
    live = thing("v1", "X", spec={"kept": 1})
    assert not diff(old, old, live).changes
    seen = observed_inputs(live, old)
    assert not diff(seen, old, live).changes


def test_an_empty_selector_is_a_statement() -> None:
    old = thing("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "x": 1})
    live = thing("networking.k8s.io/v1", "NetworkPolicy", spec={"x": 1})
    assert texts(diff(old, old, live)) == {"spec.podSelector": Kind.ADD}


def test_a_value_that_is_not_known_yet_is_a_change() -> None:
    old = thing("v1", "ConfigMap", data={"a": "1"})
    assert texts(diff(old, thing("v1", "ConfigMap", data={"a": UNKNOWN}))) == {"data.a": Kind.UPDATE}
    assert texts(diff(old, thing("v1", "ConfigMap", data=UNKNOWN))) == {"data": Kind.UPDATE}


def test_ignored_changes_are_left_out() -> None:
    found = Diff({("spec", "replicas"): Kind.UPDATE, ("data",): Kind.UPDATE}, frozenset([("data",)]), True)
    kept = without_ignored(found, ("spec.replicas",), path_text)
    assert set(kept.changes) == {("data",)}
    assert without_ignored(found, ("spec", "data"), path_text) == Diff()


def plain(value: Any) -> Any:
    """Return a value of the state file without encryption: all secrets read alike."""
    if isinstance(value, dict):
        return {"k": "secret"} if SIGNATURE in value else {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_a_state_of_the_official_plugin_reads_as_unchanged() -> None:
    if not OFFICIAL.exists():
        pytest.skip("the recorded state of the official plugin is not on this machine")
    resources = json.loads(OFFICIAL.read_text())["deployment"]["resources"]
    seen = 0
    for resource in resources:
        if not resource["type"].startswith("kubernetes:"):
            continue
        seen += 1
        inputs, state = plain(resource["inputs"]), plain(resource["outputs"])
        kind = kind_of_type(resource["type"])
        live = live_of(state)
        assert kind == kind_of(inputs)
        assert normal(inputs, kind) == inputs, "a check would rewrite the inputs"
        namespaced = "/" in resource["id"]
        paths: tuple[PropertyPath, ...] = immutable(inputs)
        found = compare(inputs_of(state, {}), live, inputs, namespaced=namespaced, immutable_paths=paths)
        assert found == Diff(), resource["urn"]
        assert id_of(live) == resource["id"]
        assert observed_inputs(live, inputs) == inputs, "a refresh would rewrite the inputs"
    assert seen > 10
