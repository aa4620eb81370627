"""When the Kubernetes plugin takes an object for ready, and what it says when it is not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from local.plugins.common import PluginError, Props
from local.plugins.kubernetes_ready import Check, check_of
from local.plugins.kubernetes_reasons import event_reasons, pod_reasons, stuck_deletion

WAIT_FOR = "pulumi.com/waitFor"


def thing(api_version: str, kind: str, /, **fields: Any) -> Props:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "generation": 2}, **fields}


def checked(live: Props) -> Check:
    check = check_of(live)
    assert check is not None
    return check


def conditions(*entries: tuple[str, str], **more: str) -> list[Props]:
    return [{"type": name, "status": status, **more} for name, status in entries]


DEPLOYED = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


@pytest.mark.parametrize(
    ("status", "done"),
    [
        (DEPLOYED, True),
        ({}, False),
        ({**DEPLOYED, "observedGeneration": 1}, False),
        ({**DEPLOYED, "availableReplicas": 1}, False),
        ({**DEPLOYED, "replicas": 3}, False),
        ({**DEPLOYED, "updatedReplicas": 1}, False),
    ],
)
def test_a_deployment_is_ready_when_its_new_pods_are(status: Props, done: bool) -> None:
    live = thing("apps/v1", "Deployment", spec={"replicas": 2}, status=status)
    assert checked(live)(live, []).done is done


def test_a_deployment_shows_how_far_it_is_and_when_it_gave_up() -> None:
    live = thing("apps/v1", "Deployment", spec={"replicas": 1}, status={"observedGeneration": 2})
    assert checked(live)(live, []).text == "Waiting for app ReplicaSet to be available (0/1 Pods available)"
    live["status"]["conditions"] = conditions(
        ("Progressing", "False"), reason="ProgressDeadlineExceeded", message="too\nlate"
    )
    assert checked(live)(live, []).failed == "ProgressDeadlineExceeded: too late"


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({"observedGeneration": 2, "readyReplicas": 1, "updateRevision": "b", "currentRevision": "b"}, True),
        ({"observedGeneration": 2, "readyReplicas": 1, "updateRevision": "b", "currentRevision": "a"}, False),
        ({"observedGeneration": 2, "readyReplicas": 0, "updateRevision": "b", "currentRevision": "b"}, False),
    ],
)
def test_a_stateful_set_is_ready_at_its_newest_revision(status: Props, done: bool) -> None:
    live = thing("apps/v1", "StatefulSet", spec={"replicas": 1}, status=status)
    assert checked(live)(live, []).done is done


def test_a_daemon_set_runs_on_every_node() -> None:
    status = {"observedGeneration": 2, "desiredNumberScheduled": 1, "numberReady": 1, "updatedNumberScheduled": 1}
    live = thing("apps/v1", "DaemonSet", spec={}, status=status)
    assert checked(live)(live, []).done
    live["status"]["numberReady"] = 0
    assert not checked(live)(live, []).done


def test_a_job_completes_fails_or_is_suspended() -> None:
    live = thing("batch/v1", "Job", spec={}, status={"active": 1})
    assert not checked(live)(live, []).done
    assert not checked(live)(live, []).failed
    live["status"] = {"conditions": conditions(("Complete", "True"))}
    assert checked(live)(live, []).done
    live["status"] = {"conditions": conditions(("Failed", "True"), reason="BackoffLimitExceeded", message="no more")}
    assert checked(live)(live, []).failed == "BackoffLimitExceeded: no more"
    assert checked(live)({**live, "spec": {"suspend": True}, "status": {}}, []).done


@pytest.mark.parametrize(
    ("spec", "slices", "done"),
    [
        ({"selector": {"app": "a"}}, [], False),
        ({"selector": {"app": "a"}}, [{"endpoints": [{"conditions": {"ready": False}}]}], False),
        ({"selector": {"app": "a"}}, [{"endpoints": [{"conditions": {"ready": True}}]}], True),
        ({}, [], True),
        ({"type": "ExternalName"}, [], True),
        ({"type": "LoadBalancer"}, [], False),
    ],
)
def test_a_service_is_ready_with_an_endpoint(spec: Props, slices: list[Props], done: bool) -> None:
    live = thing("v1", "Service", spec=spec)
    assert checked(live)(live, slices).done is done


def test_a_claim_may_wait_for_its_first_pod() -> None:
    live = thing("v1", "PersistentVolumeClaim", spec={"storageClassName": "late"}, status={"phase": "Pending"})
    late = {"metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"}
    assert not checked(live)(live, []).done
    assert checked(live)(live, [late]).done
    assert checked(live)({**live, "status": {"phase": "Lost"}}, []).failed


@pytest.mark.parametrize(
    ("live", "done"),
    [
        (thing("v1", "Pod", status={"phase": "Running", "conditions": conditions(("Ready", "True"))}), True),
        (thing("v1", "Pod", status={"phase": "Pending"}), False),
        (thing("v1", "PersistentVolume", status={"phase": "Available"}), True),
        (thing("v1", "ResourceQuota", spec={"hard": {"cpu": "1"}}, status={}), False),
        (thing("v1", "Secret", type="kubernetes.io/service-account-token"), False),
        (thing("v1", "Secret", type="Opaque"), True),
        (thing("networking.k8s.io/v1", "Ingress", status={"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}), True),
        (thing("networking.k8s.io/v1", "Ingress", status={"loadBalancer": {}}), False),
        (
            thing(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                status={"conditions": conditions(("Established", "True"))},
            ),
            True,
        ),
        (thing("serving.kserve.io/v1beta1", "InferenceService"), False),
        (
            thing(
                "serving.kserve.io/v1beta1",
                "InferenceService",
                status={"observedGeneration": 2, "conditions": conditions(("Ready", "True"))},
            ),
            True,
        ),
    ],
)
def test_other_kinds(live: Props, done: bool) -> None:
    assert checked(live)(live, []).done is done


def test_a_condition_says_what_is_missing() -> None:
    live = thing("serving.kserve.io/v1beta1", "InferenceService", status={"observedGeneration": 2})
    live["status"]["conditions"] = conditions(("PredictorReady", "False"), reason="Deploying", message="0 of 1") + (
        conditions(("Ready", "False"))
    )
    assert checked(live)(live, []).text == "Waiting for PredictorReady (Deploying: 0 of 1), Ready"


def test_unknown_kinds_are_waited_for_only_when_asked() -> None:
    live = thing("example.com/v1", "Widget", status={"conditions": conditions(("Ready", "False"))})
    assert check_of(live) is None
    everything = check_of(live, everything=True)
    assert everything is not None
    assert not everything(live, []).done
    assert everything(thing("example.com/v1", "Widget"), []).done


@pytest.mark.parametrize(
    ("declared", "status", "done"),
    [
        ("condition=Synced", {"conditions": conditions(("Synced", "True"))}, True),
        ("condition=Synced", {"conditions": conditions(("Synced", "False"))}, False),
        ("condition=Synced", {"observedGeneration": 1, "conditions": conditions(("Synced", "True"))}, False),
        ("condition=Synced=false", {"conditions": conditions(("Synced", "False"))}, True),
        ("jsonpath={.status.phase}=Running", {"phase": "Running"}, True),
        ("jsonpath={.status.phase}=Running", {"phase": "Pending"}, False),
        ("jsonpath={.status.list[0].ok}=true", {"list": [{"ok": True}]}, True),
        ("jsonpath={.status.phase}", {"phase": "any"}, True),
        ("jsonpath={.status.phase}", {}, False),
        ('["condition=A", "jsonpath={.status.n}=1"]', {"n": 1, "conditions": conditions(("A", "True"))}, True),
        ('["condition=A", "jsonpath={.status.n}=1"]', {"n": 2, "conditions": conditions(("A", "True"))}, False),
    ],
)
def test_a_program_declares_what_to_wait_for(declared: str, status: Props, done: bool) -> None:
    live = thing("example.com/v1", "Widget", status=status)
    live["metadata"]["annotations"] = {WAIT_FOR: declared}
    assert checked(live)(live, []).done is done


def test_a_declaration_that_is_not_understood_is_refused() -> None:
    live = thing("example.com/v1", "Widget")
    live["metadata"]["annotations"] = {WAIT_FOR: "jsonpath={.status.list[?(@.x)]}"}
    with pytest.raises(PluginError, match="is not understood"):
        check_of(live)


def pod(**status: Any) -> Props:
    return {"metadata": {"name": "web-1"}, "status": status}


def test_pods_say_why_they_do_not_run() -> None:
    pulling = {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no\n such image"}}}
    crashed = {
        "name": "c",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
    }
    ended = {"name": "init", "state": {"terminated": {"exitCode": 3, "reason": "Error", "message": "patient 42"}}}
    creating = {"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    assert pod_reasons(
        [
            pod(containerStatuses=[pulling]),
            pod(containerStatuses=[crashed], initContainerStatuses=[ended]),
            pod(containerStatuses=[creating]),
            pod(conditions=[unscheduled]),
        ]
    ) == [
        "pod web-1, container c: ImagePullBackOff: no such image",
        "pod web-1, container init: exited with code 3 (Error)",
        "pod web-1, container c: CrashLoopBackOff; last exited with code 137 (OOMKilled)",
        "pod web-1 cannot be scheduled: 0/1 nodes are available",
    ]


def event(name: str, reason: str, when: str, kind: str = "Warning") -> Props:
    subject = {"kind": "ReplicaSet", "name": name}
    return {"type": kind, "reason": reason, "message": "m", "lastTimestamp": when, "involvedObject": subject}


def test_events_tell_what_happened_since() -> None:
    since = datetime(2026, 1, 1, 12, tzinfo=UTC)
    events = [
        event("web-1", "FailedCreate", "2026-01-01T12:00:05Z"),
        event("web-1", "FailedCreate", "2026-01-01T12:00:07Z"),
        event("web", "Earlier", "2026-01-01T11:00:00Z"),
        event("web", "Ordinary", "2026-01-01T12:00:05Z", "Normal"),
        event("webshop", "Other", "2026-01-01T12:00:05Z"),
    ]
    assert event_reasons(events, ["web"], since) == ["ReplicaSet web-1: FailedCreate: m"]


def test_a_stuck_deletion_names_what_holds_it() -> None:
    held = thing("v1", "ConfigMap") | {"metadata": {"name": "a", "finalizers": ["x.y/z"]}}
    assert stuck_deletion(held).startswith("held by the finalizer x.y/z")
    namespace = thing(
        "v1",
        "Namespace",
        spec={"finalizers": ["kubernetes"]},
        status={"conditions": conditions(("NamespaceContentRemaining", "True"), message="pods. has 1 instance")},
    )
    assert stuck_deletion(namespace) == "pods. has 1 instance"
