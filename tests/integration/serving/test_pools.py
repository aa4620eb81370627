"""Pools of the running cluster: scores of the night are on record, and no Job has the priority of the clinical pool."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from infra.cluster import pools
from local.paths import Home
from local.stack import jobs
from local.stack.jobs import Run
from services.batch_scoring.job import ROUTE
from tests.admission.requests import OrdinaryUser, ordinary_user
from tests.integration.care.clinic import Clinic
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no PostgreSQL")
HOSPITAL, NAMESPACE, CRON_JOB = "north", "north-serving", "score"
RUN = Run(NAMESPACE, CRON_JOB, "by-hand")


@pytest.fixture(scope="module")
def api(home: Home) -> Iterator[client.ApiClient]:
    with jobs.connect(home) as found:
        yield found


@pytest.fixture
def user(api: client.ApiClient) -> Iterator[OrdinaryUser]:
    with ordinary_user(api) as found:
        yield found


def pods(api: client.ApiClient) -> list[Any]:
    found: list[Any] = (
        client.CoreV1Api(api).list_pod_for_all_namespaces(label_selector="healthcare-mlops/hospital").items
    )
    return found


def test_every_stay_that_goes_on_is_scored_by_a_job_started_by_hand(api: client.ApiClient, clinic: Clinic) -> None:
    before = clinic.last_record()
    jobs.delete(api, RUN)
    try:
        assert jobs.ensure(api, RUN, tell=lambda _: None)
        said = jobs.logs(api, RUN)
    finally:
        jobs.delete(api, RUN)
    records = [one for one in clinic.records_after(before) if one["route"] == ROUTE]
    scores = [score for record in records for score in record["scores"]]
    assert scores
    scored = [score for score in scores if score["status"] == "scored"]
    assert f"{len(scored)} stays scored" in said
    assert {record["workflow"] for record in records} == {"discharge-worklist"}
    assert all(score["features_digest"] for score in scored)


def test_between_two_runs_the_batch_pool_of_serving_has_no_pod(api: client.ApiClient) -> None:
    """The pool that nobody waits for is empty; what clinicians wait for is not."""
    jobs.delete(api, RUN)
    classes = [pod.spec.priority_class_name for pod in pods(api) if pod.metadata.namespace == NAMESPACE]
    assert pools.priority_class("batch") not in classes
    assert pools.priority_class("clinical") in classes


def test_every_pod_of_a_hospital_has_the_priority_of_its_pool(api: client.ApiClient) -> None:
    values = {pools.priority_class(name): pool.priority for name, pool in pools.table().pools.items()}
    # Pods that have ended may be of a program before this one.
    running = [pod for pod in pods(api) if pod.status.phase in ("Pending", "Running")]
    found = {pod.metadata.name: (pod.spec.priority_class_name, pod.spec.priority) for pod in running}
    assert found
    assert {name: own for name, own in found.items() if own not in values.items()} == {}


@pytest.mark.parametrize("priority", [pools.priority_class("clinical"), None, "system-cluster-critical"])
def test_a_scoring_job_with_another_priority_is_refused(
    api: client.ApiClient, user: OrdinaryUser, priority: str | None
) -> None:
    batch: Any = client.BatchV1Api(api)
    template: Any = batch.api_client.sanitize_for_serialization(
        batch.read_namespaced_cron_job(CRON_JOB, NAMESPACE).spec.job_template
    )
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "urgent", "namespace": NAMESPACE}, **template}
    job["metadata"] = {**template["metadata"], "name": "urgent", "namespace": NAMESPACE}
    job["spec"]["template"]["spec"]["priorityClassName"] = priority
    assert user.create(job).startswith("pod-templates: the pod has the priority class")
