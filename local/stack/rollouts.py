"""Rollout of a Deployment, as ``kubectl rollout status`` waits for it."""

from typing import Any

from kubernetes import client
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.errors import UserError

SECONDS = 180


def wait(api: client.ApiClient, namespace: str, name: str, seconds: float = SECONDS) -> None:
    """Wait until all pods of a Deployment are those of its template, and ready.

    Raises
    ------
    UserError
        If they are not in time.
    """
    apps = client.AppsV1Api(api)
    retrying = Retrying(
        stop=stop_after_delay(seconds), wait=wait_fixed(0.2), retry=retry_if_result(lambda done: not done)
    )
    try:
        retrying(lambda: finished(apps.read_namespaced_deployment(name, namespace)))
    except RetryError:
        raise UserError(
            f"Deployment {namespace}/{name} had no new pods that are ready within {seconds:.0f} s: `kubectl describe "
            f"-n {namespace} deployment/{name}` and `kubectl logs` of its pods show why."
        ) from None


def finished(deployment: Any) -> bool:
    """Return whether a Deployment runs the pods of its template, all ready, and no other."""
    status, wanted = deployment.status, deployment.spec.replicas or 0
    return bool(
        (status.observed_generation or 0) >= deployment.metadata.generation
        and (status.updated_replicas or 0) >= wanted
        and (status.replicas or 0) == (status.updated_replicas or 0)
        and (status.available_replicas or 0) >= wanted
    )
