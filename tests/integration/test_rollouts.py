"""Each workload that answers is replaced while requests pass: none fails, and none is without its record."""

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes import client

from local.hospitals.patient_record import Stay
from local.paths import Home
from model.warehouse.tables import FEATURES, SCHEMA
from tests.integration.clinic import Clinic, Json
from tests.integration.gateway_callers import Callers
from tests.integration.live_load import DISCOVERY, HOOK, REFUSED, SCORES, LiveLoad, unrecorded
from tests.integration.support import eventually
from tests.support.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway")
HOSPITAL, UNIT = "north", "medicine"
# Zone of a workload, by the label of its pods.
WORKLOADS = {
    "planner": "serving",
    "model-server": "serving",
    "care": "phi",
    "gateway-recorder": "platform",
    "envoy": "platform",
}
# A card takes care seconds of processor time: it is asked for now and then, where care or what it calls is replaced.
WITH_CARDS, CARD_PAUSE_SECONDS = {"planner", "care"}, 5.0
SECONDS = 150
KSERVE, PLURAL = ("serving.kserve.io", "v1beta1"), "inferenceservices"
Property = Callable[[str, object], None]


@pytest.fixture(scope="module")
def clinic(home: Home) -> Clinic:
    return Clinic(home, HOSPITAL)


@pytest.fixture(scope="module")
def stay(clinic: Clinic) -> Stay:
    return clinic.stay(UNIT)


class Rollout:
    """The pods of a workload, replaced as ``kubectl rollout restart`` does.

    Parameters
    ----------
    api
        The cluster.
    workload
        Label of the pods.
    """

    def __init__(self, api: client.ApiClient, workload: str) -> None:
        self._core: Any = client.CoreV1Api(api)
        self._apps: Any = client.AppsV1Api(api)
        self._custom: Any = client.CustomObjectsApi(api)
        self._namespace = f"{HOSPITAL}-{WORKLOADS[workload]}"
        self._selector = f"app.kubernetes.io/name={workload}"
        before = self._pods()
        self._before = {pod.metadata.name for pod in before}
        self._deployments = {name: owner for name, owner in map(self._deployment, before)}

    def start(self) -> None:
        """Give the pods another template."""
        annotations = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
        for name, owner in self._deployments.items():
            if owner is None:
                template = {"metadata": {"annotations": annotations}}
                self._apps.patch_namespaced_deployment(name, self._namespace, {"spec": {"template": template}})
            else:
                # KServe keeps the Deployment as the InferenceService says.
                predictor = {"spec": {"predictor": {"annotations": annotations}}}
                self._custom.patch_namespaced_custom_object(*KSERVE, self._namespace, PLURAL, owner, predictor)

    def done(self) -> bool:
        """Return whether new pods are ready and the old ones are gone."""
        now = self._pods()
        ready = [all(one.ready for one in pod.status.container_statuses or ()) for pod in now]
        return (
            len(now) >= len(self._deployments) and all(ready) and not self._before & {pod.metadata.name for pod in now}
        )

    def _pods(self) -> list[Any]:
        """Return the pods, those that end included."""
        pods = self._core.list_namespaced_pod(self._namespace, label_selector=self._selector).items
        return [pod for pod in pods if pod.status.phase in ("Pending", "Running")]

    def _deployment(self, pod: Any) -> tuple[str, str | None]:
        """Return the name of a pod's Deployment, and of the InferenceService that it is of."""
        [of_pod] = pod.metadata.owner_references
        [of_set] = self._apps.read_namespaced_replica_set(of_pod.name, self._namespace).metadata.owner_references
        owners = self._apps.read_namespaced_deployment(of_set.name, self._namespace).metadata.owner_references or ()
        service = next((one.name for one in owners if one.kind == "InferenceService"), None)
        return of_set.name, service


@pytest.fixture(scope="module")
def wanted(clinic: Clinic) -> Json:
    """An encounter of the features file, for which planning asks the model server."""
    query = f"SELECT index_id AS encounter, patient_id AS patient FROM {SCHEMA}.{FEATURES} ORDER BY 1 LIMIT 1"
    [row] = clinic.rows("warehouse", query)
    return row


@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_request_is_lost_when_its_pod_is_replaced(
    clinic: Clinic,
    home: Home,
    api: client.ApiClient,
    stay: Stay,
    wanted: Json,
    workload: str,
    record_property: Property,
) -> None:
    before, rollout = clinic.last_record(), Rollout(api, workload)
    clients = (SCORES, DISCOVERY, REFUSED, *((HOOK,) if workload in WITH_CARDS else ()))
    with LiveLoad(clinic, Callers(home, HOSPITAL), stay, clients, wanted, CARD_PAUSE_SECONDS) as load:
        load.wait(lambda _: all(load.answered(name, 0) for name in (SCORES, DISCOVERY, REFUSED)))
        rollout.start()
        eventually(rollout.done, SECONDS)
        after = time.monotonic()
        load.wait(lambda _: all(len(load.answered(name, after)) > 1 for name in (SCORES, DISCOVERY, REFUSED)))
    record_property("requests", json.dumps(Counter(one.client for one in load.attempts)))
    # On a busy machine the gateway may not wait for a card, which is made and recorded all the same.
    assert [one for one in load.attempts if not one.expected and (one.client, one.status) != (HOOK, 504)] == []
    assert unrecorded(clinic, load.attempts, before) == []
    # The model server was asked, and nobody got a fallback because it could not be.
    assert "scored" in {one.value for one in load.attempts if one.client == SCORES}
    assert "model-unavailable" not in {one.get("fallback_reason") for one in clinic.records_after(before)}
    # What the gateway refused is on record, also where its recorder was replaced.
    refused = sum(one.client == REFUSED for one in load.attempts)
    eventually(lambda: _refusals(clinic, before) >= refused)


def _refusals(clinic: Clinic, before: int) -> int:
    """Return how many refusals of the gateway are on record."""
    return sum((one["service"], one["status"]) == ("gateway", 401) for one in clinic.records_after(before))
