"""Pods and containers of all resources that declare them."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import INFERENCE_SERVICE, SERVING_RUNTIMES
from policy_pack.stack.values import View

# The path of the pod template in each kind; empty for a Pod itself.
POD_TEMPLATES = {
    "k8s:core/Pod": "",
    "k8s:core/ReplicationController": "spec.template",
    "k8s:apps/Deployment": "spec.template",
    "k8s:apps/StatefulSet": "spec.template",
    "k8s:apps/DaemonSet": "spec.template",
    "k8s:apps/ReplicaSet": "spec.template",
    "k8s:batch/Job": "spec.template",
    "k8s:batch/CronJob": "spec.jobTemplate.spec.template",
}
STORAGE_CONTAINER = "k8s:serving.kserve.io/ClusterStorageContainer"
LONG_RUNNING_SERVERS = ("k8s:apps/Deployment", "k8s:apps/StatefulSet", "k8s:apps/DaemonSet", *SERVING_RUNTIMES)
# Kinds with containers but not always a whole pod: KServe adds runtime and initializer to the service's pod.
CONTAINER_OWNERS = (*POD_TEMPLATES, *SERVING_RUNTIMES, INFERENCE_SERVICE, STORAGE_CONTAINER)
POD_OWNERS = (*POD_TEMPLATES, INFERENCE_SERVICE)
_LISTS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True)
class Pod:
    """A pod specification with the labels and annotations of the pod."""

    spec: View
    labels: View
    annotations: View


def pod(resource: Resource) -> Pod:
    """Return the pod of a resource that declares a whole pod."""
    if resource.kind == INFERENCE_SERVICE:
        spec = resource.at("spec.predictor")
        return Pod(spec, spec.at("labels"), spec.at("annotations"))
    place = POD_TEMPLATES[resource.kind]
    template = resource.at(place) if place else View(resource.props)
    return Pod(template.at("spec"), template.at("metadata.labels"), template.at("metadata.annotations"))


def spec(resource: Resource) -> View:
    """Return the specification with the containers of a resource."""
    if resource.kind in POD_OWNERS:
        return pod(resource).spec
    return resource.at("spec")


def containers(resource: Resource) -> Iterator[View]:
    """Return every container of a resource, init containers included."""
    if resource.kind == STORAGE_CONTAINER:
        yield resource.at("spec.container")
        return
    place = spec(resource)
    for name in _LISTS:
        yield from place.at(name).items()
    if resource.kind == INFERENCE_SERVICE and not place.at("model").absent and not place.at("model.image").absent:
        yield place.at("model")


def namespace(resource: Resource) -> View:
    """Return the namespace of a resource."""
    return resource.at("metadata.namespace")
