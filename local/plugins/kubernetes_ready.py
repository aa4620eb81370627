"""When an object is ready: pure functions over the live object and what belongs to it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local.plugins.common import PluginError, Props
from local.plugins.kubernetes_objects import WAIT_FOR, Kind, annotation, kind_of, metadata


@dataclass(frozen=True)
class Readiness:
    """How far an object has come.

    Parameters
    ----------
    done
        Nothing is left to wait for.
    text
        What is being waited for.
    failed
        Why it will never be ready; empty where it still may.
    """

    done: bool
    text: str = ""
    failed: str = ""


READY: Final = Readiness(True)
Check = Callable[[Props, Sequence[Props]], Readiness]


def _status(thing: Props) -> Props:
    found = thing.get("status")
    return found if isinstance(found, dict) else {}


def _spec(thing: Props) -> Props:
    found = thing.get("spec")
    return found if isinstance(found, dict) else {}


def condition(thing: Props, name: str) -> Props:
    """Return one condition of an object's status; empty where it has none of that type."""
    found: list[Props] = _status(thing).get("conditions") or []
    return next((entry for entry in found if entry.get("type") == name), {})


def _observed(thing: Props) -> bool:
    seen = _status(thing).get("observedGeneration")
    return seen is None or seen >= metadata(thing).get("generation", 0)


def _sentence(entry: Mapping[str, Any]) -> str:
    reason, text = entry.get("reason", ""), " ".join(str(entry.get("message", "")).split())
    return f"{reason}: {text}" if reason and text else text or str(reason)


def deployment(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when the new pods are available and the old ones are gone."""
    wanted = _spec(thing).get("replicas", 1)
    status = _status(thing)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    text = f"Waiting for app ReplicaSet to be available ({min(available, updated)}/{wanted} Pods available)"
    if status.get("observedGeneration") is None or not _observed(thing):
        return Readiness(False, text)
    progress = condition(thing, "Progressing")
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return Readiness(False, text, _sentence(progress))
    old_gone = status.get("replicas", 0) <= updated
    return Readiness(updated >= wanted and available >= updated and old_gone, text)


def stateful_set(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when every replica runs the newest revision and is ready."""
    wanted = _spec(thing).get("replicas", 1)
    status = _status(thing)
    ready = status.get("readyReplicas", 0)
    text = f"Waiting for StatefulSet to be ready ({ready}/{wanted} Pods ready)"
    if status.get("observedGeneration") is None or not _observed(thing):
        return Readiness(False, text)
    on_delete = (_spec(thing).get("updateStrategy") or {}).get("type") == "OnDelete"
    newest = on_delete or not wanted or status.get("updateRevision") == status.get("currentRevision")
    return Readiness(ready >= wanted and newest, text)


def daemon_set(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when every node that should run it does."""
    status = _status(thing)
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    updated = status.get("updatedNumberScheduled", 0)
    text = f"Waiting for DaemonSet to be ready ({ready}/{wanted} Pods ready)"
    if status.get("observedGeneration") is None or not _observed(thing):
        return Readiness(False, text)
    on_delete = (_spec(thing).get("updateStrategy") or {}).get("type") == "OnDelete"
    return Readiness(ready >= wanted and (on_delete or updated >= wanted), text)


def job(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when complete; a suspended Job waits for somebody else."""
    status = _status(thing)
    done, wanted = status.get("succeeded", 0), _spec(thing).get("completions", 1)
    text = f"Waiting for Job to complete ({done}/{wanted} succeeded, {status.get('active', 0)} active)"
    failed = condition(thing, "Failed")
    if failed.get("status") == "True":
        return Readiness(False, text, _sentence(failed) or "the Job failed")
    return Readiness(condition(thing, "Complete").get("status") == "True" or _spec(thing).get("suspend") is True, text)


def pod(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when its containers are, or when it has succeeded."""
    phase = _status(thing).get("phase", "Pending")
    text = f"Waiting for Pod to be ready ({phase})"
    if phase == "Failed":
        return Readiness(False, text, _sentence(_status(thing)) or "the Pod failed")
    return Readiness(phase == "Succeeded" or condition(thing, "Ready").get("status") == "True", text)


def service(thing: Props, slices: Sequence[Props]) -> Readiness:
    """Ready when it has an endpoint, and an address where it asks for a load balancer."""
    spec = _spec(thing)
    if spec.get("type") == "ExternalName":
        return READY
    balanced = spec.get("type") == "LoadBalancer"
    if balanced and not (_status(thing).get("loadBalancer") or {}).get("ingress"):
        return Readiness(False, "Waiting for the load balancer to have an address")
    if not spec.get("selector"):
        return READY
    endpoints = [e for entry in slices for e in entry.get("endpoints") or []]
    ready = [e for e in endpoints if (e.get("conditions") or {}).get("ready") is not False]
    return Readiness(bool(ready), f"Waiting for Pods that the Service targets (0/{len(endpoints)} endpoints ready)")


def ingress(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when its controller gave it an address."""
    addresses = (_status(thing).get("loadBalancer") or {}).get("ingress")
    return Readiness(bool(addresses), "Waiting for the Ingress controller to give an address")


def volume_claim(thing: Props, related: Sequence[Props]) -> Readiness:
    """Ready when bound, or when its class binds only at first use."""
    phase = _status(thing).get("phase", "Pending")
    wanted = _spec(thing).get("storageClassName")
    late = any(
        metadata(entry).get("name") == wanted and entry.get("volumeBindingMode") == "WaitForFirstConsumer"
        for entry in related
    )
    if phase == "Lost":
        return Readiness(False, "", "the claim lost its volume")
    return Readiness(phase == "Bound" or late, f"Waiting for the claim to be bound ({phase})")


def volume(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when a claim can use it."""
    phase = _status(thing).get("phase", "Pending")
    return Readiness(phase in ("Available", "Bound"), f"Waiting for the volume to be available ({phase})")


def quota(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when the quota is in force."""
    return Readiness(_status(thing).get("hard") == _spec(thing).get("hard"), "Waiting for the quota to be in force")


def secret(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready at once, but for a token, which a controller writes."""
    token = thing.get("type") == "kubernetes.io/service-account-token"
    return Readiness(not token or bool(thing.get("data")), "Waiting for the token")


def definition(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when its kind is served."""
    names = condition(thing, "NamesAccepted")
    if names.get("status") == "False" and names.get("reason") != "Accepted":
        return Readiness(False, "", _sentence(names))
    established = condition(thing, "Established").get("status") == "True"
    return Readiness(established, "Waiting for the CustomResourceDefinition to be established")


def conditions(thing: Props, _related: Sequence[Props]) -> Readiness:
    """Ready when its own Ready condition says so; an object without one is ready once observed."""
    ready = condition(thing, "Ready")
    if not ready:
        return Readiness(_observed(thing), "Waiting for readiness")
    open_ones = [
        f"{entry.get('type')} ({_sentence(entry)})" if _sentence(entry) else str(entry.get("type"))
        for entry in _status(thing).get("conditions") or []
        if entry.get("status") != "True" and entry.get("severity", "") == "" and entry.get("type") != "Stopped"
    ]
    text = f"Waiting for {', '.join(open_ones) or 'readiness'}"
    return Readiness(_observed(thing) and ready.get("status") == "True", text)


def inference_service(thing: Props, related: Sequence[Props]) -> Readiness:
    """Ready when KServe says so; without a status its controller has not looked yet."""
    if not condition(thing, "Ready"):
        return Readiness(False, "Waiting for the InferenceService to be ready")
    return conditions(thing, related)


CHECKS: Final[Mapping[tuple[str, str], Check]] = {
    ("apps", "Deployment"): deployment,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "DaemonSet"): daemon_set,
    ("batch", "Job"): job,
    ("", "Pod"): pod,
    ("", "Service"): service,
    ("", "PersistentVolumeClaim"): volume_claim,
    ("", "PersistentVolume"): volume,
    ("", "ResourceQuota"): quota,
    ("", "Secret"): secret,
    ("networking.k8s.io", "Ingress"): ingress,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definition,
    ("serving.kserve.io", "InferenceService"): inference_service,
}


def check_of(thing: Props, *, everything: bool = False) -> Check | None:
    """Return how to tell that an object is ready; nothing where it is so at once.

    Parameters
    ----------
    everything
        Also wait for kinds that are not known here, by their conditions.
    """
    declared = annotation(thing, WAIT_FOR)
    if declared:
        return _declared(declared)
    kind: Kind = kind_of(thing)
    return CHECKS.get((kind.group, kind.kind), conditions if everything else None)


_CLAUSE: Final = re.compile(r"(condition|jsonpath)=(?:\{(?P<path>[^}]*)\}|(?P<type>[^={}]+))(?:=(?P<value>.*))?")
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def _declared(text: str) -> Check:
    """Return the check that ``pulumi.com/waitFor`` declares: one clause, or a JSON list of them."""
    clauses = json.loads(text) if text.lstrip().startswith("[") else [text]
    parsed = [_clause(str(clause)) for clause in clauses]

    def check(thing: Props, related: Sequence[Props]) -> Readiness:
        open_ones = [name for name, holds in parsed if not holds(thing)]
        detail = conditions(thing, related).text.removeprefix("Waiting for ")
        said = "" if detail == "readiness" else f": {detail}"
        return Readiness(not open_ones, f"Waiting for {', '.join(open_ones)}{said}")

    return check


def _clause(text: str) -> tuple[str, Callable[[Props], bool]]:
    match = _CLAUSE.fullmatch(text.strip())
    if match is None or "?" in text or "*" in text:
        raise PluginError(f"{WAIT_FOR}: {text} is not understood; write condition=<type> or jsonpath={{.path}}=<value>")
    value = match["value"]
    if match["type"]:
        wanted = (value or "True").lower()
        name = str(match["type"])
        # A condition of an older generation says nothing about this one.
        return text, lambda thing: _observed(thing) and str(condition(thing, name).get("status", "")).lower() == wanted
    path = [int(index) if index else key for key, index in _STEP.findall(match["path"])]

    def holds(thing: Props) -> bool:
        found: Any = thing
        for step in path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return False
        spelled = json.dumps(found) if isinstance(found, bool) else str(found)
        return value is None or spelled == value

    return text, holds
