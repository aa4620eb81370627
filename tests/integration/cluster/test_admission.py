"""Admission: every violation of ``docs/admission.md`` is refused, and deployer and controllers do their work."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from local.hospitals.pipeline import bucket
from local.paths import Home
from local.stack import jobs
from tests.admission.attacks import HOME, POD_SHAPES, PodShape, attacked_objects
from tests.admission.requests import ADMITTED, OrdinaryUser, ordinary_user
from tests.admission.table import PAGE, reasons, rows, stack
from tests.policy.changes.planting import Stack

_DEPLOYER = {"user": "somebody", "groups": "system:masters"}


@pytest.fixture(scope="module")
def user(home: Home) -> Iterator[OrdinaryUser]:
    with jobs.connect(home) as api, ordinary_user(api) as found:
        yield found


@pytest.fixture(scope="module")
def dev() -> Stack:
    return stack()


def test_the_page_says_what_the_server_refuses(user: OrdinaryUser, dev: Stack) -> None:
    found = list(rows(dev, user))
    assert [row.text for row in found if row.text not in PAGE.read_text(encoding="utf-8")] == []
    assert len([row for row in found if row.admission.startswith("yes")]) > 200
    assert [row.title for row in found if "no" in (row.admission, row.controls)] == []
    given = {text for row in found for text in (row.admission, row.controls)}
    assert [one.reason for one in (*reasons().admission, *reasons().preview) if f"no: {one.reason}" not in given] == []


@pytest.mark.parametrize("shape", POD_SHAPES, ids=lambda shape: shape.kind)
def test_a_pod_of_a_workload_is_admitted(user: OrdinaryUser, dev: Stack, shape: PodShape) -> None:
    assert user.create(shape.manifest(dev.graph)) == ADMITTED


@pytest.mark.parametrize("title", ["an image of its own", "another hospital's release", "a release of elsewhere"])
def test_the_deployer_serves_releases_of_the_hospital_alone(user: OrdinaryUser, dev: Stack, title: str) -> None:
    manifest = attacked_objects(dev.graph)[f"InferenceService: {title}"]
    assert user.create(manifest, **_DEPLOYER).startswith("inference-services: ")
    manifest["spec"]["predictor"]["model"].pop("image", None)
    manifest["spec"]["predictor"]["model"]["storageUri"] = (
        f"s3://{bucket('north', 'models')}/readmission/v1/0123456789ab"
    )
    assert user.create(manifest, **_DEPLOYER) == ADMITTED


@pytest.mark.parametrize("access", ["exec?command=true", "attach", "portforward?ports=8080", "proxy"])
def test_an_ordinary_user_enters_no_pod(user: OrdinaryUser, home: Home, access: str) -> None:
    path = f"/api/v1/namespaces/{HOME}/pods/{_model_pod(home)}/{access}"
    assert user.request("POST", path, dry=False).startswith("pod-access: nobody but the break-glass role")


def test_an_ordinary_user_adds_no_debug_container(user: OrdinaryUser, home: Home) -> None:
    path = f"/api/v1/namespaces/{HOME}/pods/{_model_pod(home)}"
    with jobs.connect(home) as api:
        core: Any = client.CoreV1Api(api)
        pod = api.sanitize_for_serialization(core.read_namespaced_pod(path.rpartition("/")[2], HOME))
    container = pod["spec"]["containers"][0]
    kept = {key: container[key] for key in ("image", "securityContext")}
    pod["spec"]["ephemeralContainers"] = [{"name": "debug", **kept}]
    assert user.request("PUT", f"{path}/ephemeralcontainers", pod).startswith("debug-containers: nobody but")


def test_an_ordinary_user_gets_no_token(user: OrdinaryUser) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["elsewhere"]}}
    path = f"/api/v1/namespaces/{HOME}/serviceaccounts/planner/token"
    assert user.request("POST", path, body).startswith("tokens: ")


def test_an_ordinary_user_changes_no_label_of_a_zone(user: OrdinaryUser, home: Home) -> None:
    with jobs.connect(home) as api:
        core: Any = client.CoreV1Api(api)
        namespace = api.sanitize_for_serialization(core.read_namespace(HOME))
    for label in ("healthcare-mlops/hospital", "healthcare-mlops/zone"):
        changed = {**namespace["metadata"], "labels": {**namespace["metadata"]["labels"], label: "other"}}
        answer = user.request("PUT", f"/api/v1/namespaces/{HOME}", {**namespace, "metadata": changed})
        assert answer.startswith("namespaces: ")
    assert user.request("DELETE", f"/api/v1/namespaces/{HOME}").startswith("namespaces: ")


def test_the_server_finds_no_mistake_in_the_policies(home: Home) -> None:
    with jobs.connect(home) as api:
        admission: Any = client.AdmissionregistrationV1Api(api)
        found = admission.list_validating_admission_policy().items
    own = [one for one in found if one.metadata.name.startswith("healthcare-mlops-")]
    assert len(own) > 10
    warnings = {one.metadata.name: getattr(one.status.type_checking, "expression_warnings", None) for one in own}
    assert {name: warning for name, warning in warnings.items() if warning} == {}


def _model_pod(home: Home) -> str:
    with jobs.connect(home) as api:
        core: Any = client.CoreV1Api(api)
        pods = core.list_namespaced_pod(HOME, label_selector="app.kubernetes.io/name=model-server").items
    return str(pods[0].metadata.name)
