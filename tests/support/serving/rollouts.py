"""Replaces the pods of a workload of the running environment."""

from datetime import UTC, datetime
from typing import Any

from kubernetes import client

# Zone of a workload, by the label of its pods.
WORKLOADS = {
    "planner": "serving",
    "model-server": "serving",
    "care": "phi",
    "gateway-recorder": "platform",
    "envoy": "platform",
}
KSERVE, PLURAL = ("serving.kserve.io", "v1beta1"), "inferenceservices"


class Rollout:
    """The pods of a workload, replaced as ``kubectl rollout restart`` does.

    Parameters
    ----------
    api
        The cluster.
    hospital
        Whose workload.
    workload
        Label of the pods.
    """

    def __init__(self, api: client.ApiClient, hospital: str, workload: str) -> None:
        self._core: Any = client.CoreV1Api(api)
        self._apps: Any = client.AppsV1Api(api)
        self._custom: Any = client.CustomObjectsApi(api)
        self._namespace = f"{hospital}-{WORKLOADS[workload]}"
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
