"""The official Kubernetes provider against the embedded cluster: objects, drift, imports, charts, deletions."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.cluster import charts, pki
from local.paths import Home
from tests.integration.stack.plugin_stack import Stack, kubectl, own_stack

pytestmark = pytest.mark.integration

HIDDEN = "a-value-that-nobody-may-read"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with own_stack(tmp_path) as made:
        yield made


LIFECYCLE = f"""
k8s.core.v1.ConfigMap("settings", metadata={{"name": "settings", "namespace": here}}, data={{"a": "1"}})
k8s.core.v1.ConfigMap("auto", metadata={{"namespace": here}}, data={{"a": "1"}})
k8s.core.v1.Secret("cred", metadata={{"name": "cred", "namespace": here}},
    string_data={{"k": pulumi.Output.secret("{HIDDEN}")}})
k8s.core.v1.ResourceQuota("quota", metadata={{"name": "quota", "namespace": here}},
    spec={{"hard": {{"pods": "5", "requests.cpu": "2000m"}}}})
k8s.networking.v1.NetworkPolicy("deny", metadata={{"name": "deny", "namespace": here}},
    spec={{"pod_selector": {{}}, "policy_types": ["Ingress", "Egress"], "ingress": []}})
k8s.apps.v1.Deployment("web", metadata={{"name": "web", "namespace": here}},
    spec={{"replicas": 0, "selector": {{"match_labels": {{"app": "web"}}}}, "template": {{
        "metadata": {{"labels": {{"app": "web"}}}},
        "spec": {{"containers": [{{"name": "c", "image": "absent.example/x:1",
            "env": [{{"name": "K", "value": pulumi.Output.secret("{HIDDEN}")}}]}}]}}}}}})
found = k8s.core.v1.ConfigMap.get("found", "kube-system/kube-root-ca.crt")
pulumi.export("authority", found.data.apply(list))
for number in range(12):
    k8s.core.v1.ServiceAccount(f"worker-{{number}}", metadata={{"name": f"worker-{{number}}", "namespace": here}})
"""


def test_a_stack_is_made_seen_to_drift_repaired_and_removed(stack: Stack) -> None:
    stack.write(LIFECYCLE)
    stack.up()
    stack.unchanged()
    assert "ca.crt" in stack.pulumi("stack", "output", "authority")
    assert len(kubectl("get", "serviceaccounts", "-n", stack.namespace, "-o", "name").split()) == 13

    written = b"".join(path.read_bytes() for path in stack.folder.parent.rglob("*.json*"))
    assert b"worker-11" in written
    assert HIDDEN.encode() not in written
    assert b"YS12YWx1ZS10aGF0LW5vYm9keS1tYXktcmVhZA" not in written

    kubectl("annotate", "configmap", "settings", "-n", stack.namespace, "somebody=else")
    kubectl(
        *("patch", "networkpolicy", "deny", "-n", stack.namespace, "--type=merge"),
        *("-p", '{"spec": {"policyTypes": ["Ingress"]}}'),
    )
    kubectl("delete", "serviceaccount", "worker-3", "-n", stack.namespace)
    refreshed = stack.pulumi("refresh", "--yes", "--skip-preview", "--diff", "--suppress-progress")
    assert "policyTypes" in refreshed
    steps = stack.steps()
    assert {name: step["op"] for name, step in steps.items()} == {"deny": "update", "worker-3": "create"}
    assert list(steps["deny"]["detailedDiff"]) == ["spec.policyTypes[1]"]
    stack.up()
    stack.unchanged()
    assert "Egress" in kubectl("get", "networkpolicy", "deny", "-n", stack.namespace, "-o", "yaml")
    assert "somebody" in kubectl("get", "configmap", "settings", "-n", stack.namespace, "-o", "yaml")

    stack.pulumi("destroy", "--yes", "--skip-preview", "--suppress-progress")
    assert kubectl("get", "namespace", stack.namespace, "--ignore-not-found") == ""
    assert stack.resources() == []


def test_an_immutable_field_is_replaced(stack: Stack) -> None:
    program = """
    k8s.core.v1.ConfigMap("fixed", metadata={{"name": "fixed", "namespace": here}}, data={{"a": "{value}"}})
    k8s.core.v1.ConfigMap("auto", metadata={{"namespace": here}}, data={{"a": "{value}"}})
    k8s.core.v1.Service("front", metadata={{"name": "front", "namespace": here}},
        spec={{"ports": [{{"port": {port}}}]}})
    """
    stack.write(program.format(value=1, port=80))
    stack.up()
    before = {resource["urn"].split("::")[-1]: resource["id"] for resource in stack.resources() if "id" in resource}
    stack.write(program.format(value=2, port=81))
    steps = stack.steps()
    assert steps["front"]["op"] == "update"
    assert list(steps["front"]["detailedDiff"]) == ["spec.ports[0].port"]
    assert steps["fixed"]["replaceReasons"] == ["data.a"]
    stack.up()
    stack.unchanged()
    after = {resource["urn"].split("::")[-1]: resource["id"] for resource in stack.resources() if "id" in resource}
    assert after["fixed"] == before["fixed"]
    assert after["auto"] != before["auto"]
    names = kubectl("get", "configmaps", "-n", stack.namespace, "-o", "jsonpath={.items[*].metadata.name}").split()
    assert set(names) == {"fixed", after["auto"].split("/")[1], "kube-root-ca.crt"}


def test_a_kind_and_its_objects_in_one_program(stack: Stack) -> None:
    kind = f"Widget{stack.namespace[-8:]}"
    plural = kind.lower() + "s"
    stack.write(f"""
    k8s.apiextensions.v1.CustomResourceDefinition("kind", metadata={{"name": "{plural}.plugin.example"}},
        spec={{"group": "plugin.example", "scope": "Namespaced",
              "names": {{"kind": "{kind}", "plural": "{plural}", "singular": "{kind.lower()}"}},
              "versions": [{{"name": "v1", "served": True, "storage": True, "schema": {{"open_apiv3_schema":
                  {{"type": "object", "x_kubernetes_preserve_unknown_fields": True}}}}}}]}})
    k8s.apiextensions.CustomResource("object", api_version="plugin.example/v1", kind="{kind}",
        metadata={{"name": "one", "namespace": here}}, spec={{"size": 1, "on": False}})
    """)
    stack.up()
    stack.unchanged()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--suppress-progress")
    stack.pulumi("destroy", "--yes", "--skip-preview", "--suppress-progress")
    assert kubectl("get", "crd", f"{plural}.plugin.example", "--ignore-not-found") == ""


def test_a_preview_refuses_what_the_server_would(stack: Stack) -> None:
    stack.write("")
    stack.up()
    stack.write("""
    k8s.core.v1.Service("bad", metadata={"name": "bad", "namespace": here}, spec={"ports": [{"port": 99999}]})
    """)
    said = stack.pulumi("preview", "--suppress-progress", fails=True)
    assert "spec.ports[0].port: Invalid value: 99999" in said
    assert "rpc error" not in said
    assert "Traceback" not in said


def test_an_object_that_the_state_does_not_know_is_taken_up(stack: Stack) -> None:
    stack.write("")
    stack.up()
    # As an update leaves it that was killed before it noted what it had made.
    kubectl("create", "quota", "zone", "-n", stack.namespace, "--hard=pods=7")
    stack.write("""
    k8s.core.v1.ResourceQuota("zone", metadata={"name": "zone", "namespace": here}, spec={"hard": {"pods": "5"}})
    """)
    stack.up()
    stack.unchanged()
    assert kubectl("get", "quota", "zone", "-n", stack.namespace, "-o", "jsonpath={.spec.hard.pods}") == "5"


def test_an_object_is_imported(stack: Stack) -> None:
    stack.write("")
    stack.up()
    kubectl("create", "configmap", "settings", "-n", stack.namespace, "--from-literal=a=1")
    named = ("kubernetes:core/v1:ConfigMap", "settings", f"{stack.namespace}/settings")
    stack.pulumi("import", *named, "--yes", "--protect=false", "--generate-code=false")
    stack.write("""
    k8s.core.v1.ConfigMap("settings", metadata={"name": "settings", "namespace": here}, data={"a": "1"})
    """)
    assert not [name for name, step in stack.steps().items() if step["op"] in ("create", "replace", "delete")]


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: sample\nversion: 1.0.0\n",
    "templates/settings.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-chart}\ndata: {a: {{ .Values.a | quote }}}\n"
    ),
}


def test_manifests_and_charts_become_resources(stack: Stack) -> None:
    for name, text in CHART.items():
        path = stack.folder / "sample" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    program = """
    k8s.yaml.v2.ConfigGroup("group", objs=[
        {{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "of-group", "namespace": here}},
          "data": {{"a": "{value}"}}}},
        {{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "of-group", "namespace": here}},
          "spec": {{"replicas": 0, "selector": {{"matchLabels": {{"app": "web"}}}}, "template": {{
              "metadata": {{"labels": {{"app": "web"}}}},
              "spec": {{"containers": [{{"name": "c", "image": "127.0.0.1:1/absent:1"}}]}}}}}}}}])
    k8s.helm.v4.Chart("chart", chart="./sample", namespace=here, values={{"a": "{value}"}})
    """
    stack.write(program.format(value="1"))
    stack.up()
    stack.unchanged()
    types = {resource["type"] for resource in stack.resources()}
    assert {"kubernetes:core/v1:ConfigMap", "kubernetes:apps/v1:Deployment"} <= types
    stack.write(program.format(value="2"))
    assert len(stack.steps()) == 2
    stack.up()
    for name in ("of-group", "of-chart"):
        assert kubectl("get", "configmap", name, "-n", stack.namespace, "-o", "jsonpath={.data.a}") == "2"


RELEASES = """
first = k8s.helm.v3.Release("cert-manager", name="cert-manager", chart="oci://quay.io/jetstack/charts/cert-manager",
    version="{version}", namespace=here, values={{"crds": {{"enabled": True}}}}, atomic=True, timeout=60)
k8s.helm.v3.Release("vault", name="vault", chart="vault", version="0.34.1", namespace=here, atomic=True, timeout=60,
    repository_opts={{"repo": "https://helm.releases.hashicorp.com"}}, opts=pulumi.ResourceOptions(depends_on=[first]))
"""


def test_charts_are_installed_from_a_rehearsal_s_repositories(stack: Stack, tmp_path: Path) -> None:
    own = Home(tmp_path / "rehearsal")
    own.root.mkdir()
    charts.marker(own).touch()
    pki.ensure(own, charts.identity())
    serving = charts.server(own.pki / "charts.crt", own.pki / "charts.key", 0)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    proxy = f"http://127.0.0.1:{serving.server_port}"
    asking = {key: proxy if key.lower() == "https_proxy" else text for key, text in charts.variables(own).items()}
    here = replace(stack, environment={**stack.environment, **asking})
    try:
        here.write(RELEASES.format(version="v1.21.2"))
        here.up()
        here.unchanged()
        here.write(RELEASES.format(version="v1.0.0"))
        assert "v1.0.0" in here.pulumi("preview", "--suppress-progress", fails=True)
        here.pulumi("destroy", "--yes", "--skip-preview", "--suppress-progress")
    finally:
        serving.shutdown()
        serving.server_close()


def test_a_deletion_that_is_held_names_the_finalizer(stack: Stack) -> None:
    stack.write("""
    k8s.core.v1.ConfigMap("held", metadata={"name": "held", "namespace": here, "finalizers": ["plugin.example/hold"],
        "annotations": {"pulumi.com/timeoutSeconds": "5"}}, data={})
    """)
    stack.up()
    said = stack.pulumi("destroy", "--yes", "--skip-preview", "--suppress-progress", fails=True)
    assert "finalizers might be preventing deletion (plugin.example/hold)" in said
    kubectl(
        "patch", "configmap", "held", "-n", stack.namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    stack.pulumi("destroy", "--yes", "--skip-preview", "--suppress-progress")
