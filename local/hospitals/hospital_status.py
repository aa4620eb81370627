"""Status of each hospital: its model server, and the last Job of each of its CronJobs."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubernetes import client

from local.hospitals.served import Served
from local.stack.settings import ACTIVE, PROJECT

HOSPITAL_LABEL = f"{PROJECT}/hospital"
_MODEL = "readmission-risk"
SERVICE_LABEL = "serving.kserve.io/inferenceservice"
# A Job without a running pod for this long is considered stuck.
WAIT_SECONDS = 180
_TIMEOUT = 5
_HEALTHY_WAITS = ("ContainerCreating", "PodInitializing")

Json = Mapping[str, Any]
Get = Callable[[str], Json]


@dataclass(frozen=True)
class Finding:
    """Status of one model server or CronJob of a hospital.

    Parameters
    ----------
    hospital, subject
        The hospital, and its model server or CronJob.
    state
        State of a healthy subject.
    problem, advice
        The problem, and a command or step that fixes it; empty if healthy.
    """

    hospital: str
    subject: str
    state: str = ""
    problem: str = ""
    advice: str = ""


def reader(api: client.ApiClient) -> Get:
    """Return a function that reads documents from the API server."""

    def get(path: str) -> Json:
        host: str = api.configuration.host
        request: Any = api.call_api
        answer = request("GET", f"{host}{path}", {"Accept": "application/json"}, _request_timeout=_TIMEOUT)
        document: Json = json.loads(answer.read())
        return document

    return get


@dataclass(frozen=True)
class Cluster:
    """Kubernetes objects of all hospitals."""

    services: tuple[Json, ...]
    pods: tuple[Json, ...]
    cronjobs: tuple[Json, ...]
    jobs: tuple[Json, ...]
    deployments: tuple[Json, ...] = ()

    @classmethod
    def read(cls, get: Get) -> "Cluster":
        """Read the objects from the API server."""

        def items(path: str, label: str = HOSPITAL_LABEL) -> tuple[Json, ...]:
            return tuple(get(f"{path}?labelSelector={label}").get("items") or ())

        return cls(
            services=items("/apis/serving.kserve.io/v1beta1/inferenceservices"),
            pods=items("/api/v1/pods"),
            cronjobs=items("/apis/batch/v1/cronjobs"),
            jobs=items("/apis/batch/v1/jobs"),
            deployments=items("/apis/apps/v1/deployments"),
        )


def findings(
    cluster: Cluster,
    hospitals: Iterable[Json],
    models: Mapping[str, Sequence[Served]],
    now: datetime | None = None,
) -> list[Finding]:
    """Return the status of all hospitals of the stack.

    Parameters
    ----------
    cluster
        Objects of the API server.
    hospitals
        The entries of the stack's file.
    models
        Releases of each hospital's entry.
    now
        Current time.
    """
    moment = now or datetime.now(UTC)
    return [
        finding
        for entry in hospitals
        for finding in (
            *_models(cluster, entry, models.get(entry["name"], ())),
            *_services(cluster, entry["name"]),
            *_runs(cluster, entry["name"], moment),
        )
    ]


def _of(objects: Iterable[Json], hospital: str) -> list[Json]:
    return [entry for entry in objects if entry["metadata"].get("labels", {}).get(HOSPITAL_LABEL) == hospital]


def _models(cluster: Cluster, entry: Json, models: Sequence[Served]) -> Iterator[Finding]:
    hospital = entry["name"]
    services = {str(one["metadata"]["name"]): one for one in _of(cluster.services, hospital)}
    if entry.get("leaving"):
        yield Finding(hospital, "model", f"leaving: {entry['leaving']}")
        return
    if not models:
        yield Finding(hospital, "model", problem="no release is named", advice="`make up` trains one and serves it")
    for model in models:
        name = f"{_MODEL}-{model.release.partition('@')[0]}"
        yield _model(cluster, model, services.pop(name, None))
    for name in sorted(services):
        advice = "`make up` removes it"
        yield Finding(
            hospital, f"model server {name}", problem="the hospital's entry names no such release", advice=advice
        )


def _model(cluster: Cluster, model: Served, service: Json | None) -> Finding:
    subject = f"{'model' if model.role == ACTIVE else model.role} {model.release}"
    if service is None:
        return Finding(model.hospital, subject, problem="there is no InferenceService", advice="`make up` deploys it")
    problem = _server_problem(cluster, service) or _service_problem(service)
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    advice = f"`kubectl describe inferenceservice -n {namespace} {name}`, then `kubectl logs` of its pod"
    if "not loaded" in problem:
        advice = f"`kubectl rollout restart deployment -n {namespace} {name}-predictor` loads it again"
    if model.stopped:
        problem, advice = model.stopped, f"`make rollback HOSPITAL={model.hospital}` withdraws it"
    return Finding(model.hospital, subject, model.remark or "ready, evaluated", problem, advice if problem else "")


def _services(cluster: Cluster, hospital: str) -> Iterator[Finding]:
    """Yield the status of each service; the model server's Deployment is KServe's."""
    for one in sorted(_of(cluster.deployments, hospital), key=lambda entry: str(entry["metadata"]["name"])):
        meta, status = one["metadata"], one.get("status") or {}
        if SERVICE_LABEL in meta.get("labels", {}) or not one["spec"].get("replicas", 1):
            continue
        available, wanted = status.get("availableReplicas") or 0, one["spec"].get("replicas", 1)
        place = f"-n {meta['namespace']} deployment/{meta['name']}"
        if available:
            yield Finding(hospital, meta["name"], f"{available} of {wanted} ready")
        else:
            advice = f"`kubectl describe {place}`, then `kubectl logs {place} --all-containers`"
            yield Finding(hospital, meta["name"], problem="no pod is ready", advice=advice)


def _service_problem(service: Json) -> str:
    conditions = {entry["type"]: entry for entry in (service.get("status") or {}).get("conditions") or ()}
    ready = conditions.get("Ready")
    if ready and ready["status"] == "True":
        return ""
    unmet = [entry for entry in conditions.values() if entry["status"] != "True" and entry.get("message")]
    why = unmet[0]["message"] if unmet else (ready or {}).get("reason") or "no state yet"
    return f"the InferenceService is not ready: {why}"


def _server_problem(cluster: Cluster, service: Json) -> str:
    """Return what is wrong with a model server; its readiness probe asks it by mutual TLS."""
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    servers = 0
    for pod in cluster.pods:
        meta, status = pod["metadata"], pod.get("status") or {}
        if meta["namespace"] != namespace or meta.get("labels", {}).get(SERVICE_LABEL) != name:
            continue
        if meta.get("deletionTimestamp") or not status.get("podIP"):
            continue
        servers += 1
        if not any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions") or ()):
            return f"{meta['name']} has not loaded the model (its readiness probe fails)"
    return "" if servers else "no model server runs"


def _runs(cluster: Cluster, hospital: str, now: datetime) -> Iterator[Finding]:
    jobs = _of(cluster.jobs, hospital)
    for cronjob in sorted(_of(cluster.cronjobs, hospital), key=lambda entry: str(entry["metadata"]["name"])):
        name = cronjob["metadata"]["name"]
        own = [job for job in jobs if _belongs(job, cronjob, cluster.cronjobs)]
        if not own:
            yield Finding(hospital, name, "has not run")
            continue
        yield _run(hospital, name, max(own, key=lambda job: str(job["metadata"]["creationTimestamp"])), cluster, now)


def _belongs(job: Json, cronjob: Json, cronjobs: Iterable[Json]) -> bool:
    """Return whether a Job belongs to a CronJob, by its owner or, without one, by the longest matching name."""
    meta, wanted = job["metadata"], cronjob["metadata"]
    if meta["namespace"] != wanted["namespace"]:
        return False
    owners = [owner["uid"] for owner in meta.get("ownerReferences") or ()]
    if owners:
        return wanted["uid"] in owners
    names = [
        entry["metadata"]["name"]
        for entry in cronjobs
        if entry["metadata"]["namespace"] == meta["namespace"]
        and str(meta["name"]).startswith(f"{entry['metadata']['name']}-")
    ]
    return bool(names) and max(names, key=len) == wanted["name"]


def _run(hospital: str, subject: str, job: Json, cluster: Cluster, now: datetime) -> Finding:
    meta, status = job["metadata"], job.get("status") or {}
    place = f"-n {meta['namespace']} job/{meta['name']}"
    ended = {entry["type"]: entry for entry in status.get("conditions") or () if entry["status"] == "True"}
    if "Failed" in ended:
        why = ended["Failed"].get("message") or ended["Failed"].get("reason") or "no reason given"
        problem = f"Job {meta['name']} failed {_ago(ended['Failed'].get('lastTransitionTime'), now)}: {why}"
        return Finding(hospital, subject, problem=problem, advice=f"`kubectl logs {place} --all-containers`")
    if "Complete" in ended:
        return Finding(hospital, subject, f"complete {_ago(status.get('completionTime'), now)}")
    waits = _wait(job, cluster, now)
    if waits:
        problem = f"Job {meta['name']} waits: {waits}"
        return Finding(hospital, subject, problem=problem, advice=f"`kubectl describe {place}`")
    return Finding(hospital, subject, f"started {_ago(status.get('startTime'), now)}, still runs")


def _wait(job: Json, cluster: Cluster, now: datetime) -> str:
    """Return what a Job waits for; empty if it is running or has just started."""
    status = job.get("status") or {}
    began = status.get("startTime") or job["metadata"]["creationTimestamp"]
    if status.get("ready") or (now - _moment(began)).total_seconds() < WAIT_SECONDS or job["spec"].get("suspend"):
        return ""
    label = "batch.kubernetes.io/job-name"
    for pod in cluster.pods:
        meta, state = pod["metadata"], pod.get("status") or {}
        if meta["namespace"] != job["metadata"]["namespace"] or meta["labels"].get(label) != job["metadata"]["name"]:
            continue
        for one in (*(state.get("initContainerStatuses") or ()), *(state.get("containerStatuses") or ())):
            waiting = (one.get("state") or {}).get("waiting") or {}
            if waiting and waiting.get("reason") not in _HEALTHY_WAITS:
                return f"{one['name']} {waiting.get('reason')} {waiting.get('message') or ''}".strip()
        unmet = [entry for entry in state.get("conditions") or () if entry["status"] != "True" and entry.get("message")]
        if state.get("phase") == "Pending" and unmet:
            return str(unmet[0]["message"])
        if state.get("phase") in ("Pending", "Running"):
            return ""
    return "no pod was started"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _ago(text: str | None, now: datetime) -> str:
    """Return the age of a timestamp, in its largest unit."""
    if not text:
        return "at an unknown time"
    seconds = max(0, int((now - _moment(text)).total_seconds()))
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
