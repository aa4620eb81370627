"""Runs of CronJobs as Jobs: creation, waiting, logs and the reason of a failure."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.errors import UserError
from local.paths import Home

JOB_SECONDS = 900
_REASON_LENGTH = 300


def connect(home: Home) -> client.ApiClient:
    """Return a client of the cluster with the administrator's identity."""
    settings = client.Configuration()
    load: Any = config.load_kube_config
    load(config_file=str(home.kubeconfig), client_configuration=settings)
    return client.ApiClient(settings)


@dataclass(frozen=True)
class Run:
    """Run of a CronJob as a Job.

    Parameters
    ----------
    namespace, cronjob
        The CronJob whose template is used.
    key
        Key of the run; a run with the same key is not repeated.
    """

    namespace: str
    cronjob: str
    key: str

    @property
    def name(self) -> str:
        """Name of the Job."""
        return f"{self.cronjob}-{self.key}"


def _outcome(job: Any) -> str:
    for condition in job.status.conditions or []:
        if condition.status == "True" and condition.type in ("Complete", "Failed"):
            return str(condition.type)
    return ""


def _create(api: client.ApiClient, run: Run) -> None:
    batch = client.BatchV1Api(api)
    template = batch.read_namespaced_cron_job(run.cronjob, run.namespace).spec.job_template
    metadata = client.V1ObjectMeta(
        name=run.name,
        labels=template.metadata.labels if template.metadata else None,
        annotations={"cronjob.kubernetes.io/instantiate": "manual"},
    )
    batch.create_namespaced_job(run.namespace, client.V1Job(metadata=metadata, spec=copy.deepcopy(template.spec)))


def _read(api: client.ApiClient, run: Run) -> Any:
    try:
        return client.BatchV1Api(api).read_namespaced_job(run.name, run.namespace)
    except ApiException as error:
        if error.status == 404:
            return None
        raise


def delete(api: client.ApiClient, run: Run) -> None:
    """Delete the Job with its pods, if it exists, and wait until it has been deleted."""
    if _read(api, run) is None:
        return
    client.BatchV1Api(api).delete_namespaced_job(run.name, run.namespace, propagation_policy="Foreground")
    wait = Retrying(stop=stop_after_delay(90), wait=wait_fixed(0.5), retry=retry_if_result(lambda job: job is not None))
    wait(lambda: _read(api, run))


def _pods(api: client.ApiClient, run: Run) -> list[Any]:
    selector = f"batch.kubernetes.io/job-name={run.name}"
    pods = client.CoreV1Api(api).list_namespaced_pod(run.namespace, label_selector=selector).items
    return sorted(pods, key=lambda pod: pod.metadata.creation_timestamp, reverse=True)


def logs(api: client.ApiClient, run: Run) -> str:
    """Return the log of the Job's last container; empty if the node no longer has it."""
    for pod in _pods(api, run):
        try:
            text: str = client.CoreV1Api(api).read_namespaced_pod_log(
                pod.metadata.name, run.namespace, container=pod.spec.containers[0].name
            )
        except ApiException:
            continue
        return text
    return ""


def _why(api: client.ApiClient, run: Run) -> str:
    """Return the most specific reason why a Job does not progress."""
    core = client.CoreV1Api(api)
    for pod in _pods(api, run):
        statuses = [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]
        for status in statuses:
            waiting = status.state.waiting if status.state else None
            if waiting and waiting.reason not in ("PodInitializing", "ContainerCreating"):
                return f"{status.name}: {waiting.reason} {waiting.message or ''}".strip()
            ended = status.state.terminated if status.state else None
            if ended and ended.exit_code != 0:
                try:
                    text = core.read_namespaced_pod_log(pod.metadata.name, run.namespace, container=status.name)
                except ApiException:
                    text = ""
                lines = [line for line in text.splitlines() if line.strip()]
                reason = lines[-1][:_REASON_LENGTH] if lines else ended.reason
                return f"{status.name} ended with {ended.exit_code}: {reason}"
    events = core.list_namespaced_event(run.namespace).items
    about = [
        event for event in events if str(event.involved_object.name).startswith(run.name) and event.type == "Warning"
    ]
    return str(about[-1].message)[:_REASON_LENGTH] if about else "no pod was started"


def ensure(api: client.ApiClient, run: Run, *, tell: Callable[[str], None], seconds: int = JOB_SECONDS) -> bool:
    """Run the Job unless it has run already; wait until it is complete.

    Returns
    -------
    bool
        Whether it ran now.

    Raises
    ------
    UserError
        If it fails or does not end, with the reason from its pod.
    """
    job = _read(api, run)
    if job is not None and _outcome(job) == "Complete":
        return False
    if job is not None and _outcome(job) == "Failed":
        delete(api, run)
        job = None
    tell(f"{run.namespace}: {run.cronjob}")
    if job is None:
        _create(api, run)
    wait = Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.5), retry=retry_if_result(lambda done: not done))
    try:
        outcome = wait(lambda: _outcome(_read(api, run)))
    except RetryError as error:
        raise UserError(f"Job {run.namespace}/{run.name} did not end in {seconds} s: {_why(api, run)}.") from error
    if outcome == "Failed":
        raise UserError(
            f"Job {run.namespace}/{run.name} failed: {_why(api, run)} (full log: "
            f"`kubectl logs -n {run.namespace} job/{run.name} --all-containers`)."
        )
    return True
