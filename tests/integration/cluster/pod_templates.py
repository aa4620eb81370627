"""Pod templates of the stack's workloads, for pods that run a few lines of a test's."""

import copy
from typing import Any

from kubernetes import client

ZONE = {
    "ingestor": "phi",
    "features": "data",
    "trainer": "data",
    "promoter": "data",
    "model-server": "serving",
    "planner": "serving",
}
"""Zone of a workload, by its ServiceAccount."""
_CRON_JOB = {"ingestor": "ingest", "features": "features", "trainer": "train", "promoter": "release"}


def pod_template(api: client.ApiClient, hospital: str, account: str) -> Any:
    """Return the pod template of a hospital's CronJob or Deployment, by its ServiceAccount, as a pod that runs once.

    A service's readiness probe stays, so that its Service sends no requests to the test's pod.
    """
    namespace = f"{hospital}-{ZONE[account]}"
    if account in _CRON_JOB:
        batch: Any = client.BatchV1Api(api)
        template = batch.read_namespaced_cron_job(_CRON_JOB[account], namespace).spec.job_template.spec.template
    else:
        apps: Any = client.AppsV1Api(api)
        template = apps.read_namespaced_deployment(account, namespace).spec.template
    template = copy.deepcopy(template)
    template.spec.restart_policy = "Never"
    for container in template.spec.containers:
        container.liveness_probe = container.startup_probe = container.lifecycle = None
    return template
