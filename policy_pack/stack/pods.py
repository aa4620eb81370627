"""Every pod that a stack declares, whichever resource it is in."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import INFERENCE, RUNTIMES
from policy_pack.stack.values import View

# Where each kind keeps its pod: the pod's own template, or the resource itself.
TEMPLATES = {
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
SERVERS = ("k8s:apps/Deployment", "k8s:apps/StatefulSet", "k8s:apps/DaemonSet", *RUNTIMES)
# What holds containers, but not always a whole pod: KServe puts runtime and initializer into the service's pod.
CONTAINERS = (*TEMPLATES, *RUNTIMES, INFERENCE, STORAGE_CONTAINER)
WHOLE = (*TEMPLATES, INFERENCE)
_LISTS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True)
class Pod:
    """A pod's specification and the labels that it will have."""

    spec: View
    labels: View
    annotations: View


def pod(resource: Resource) -> Pod:
    """Return the pod of a resource that declares one whole."""
    if resource.kind == INFERENCE:
        spec = resource.at("spec.predictor")
        return Pod(spec, spec.at("labels"), spec.at("annotations"))
    place = TEMPLATES[resource.kind]
    template = resource.at(place) if place else View(resource.props)
    return Pod(template.at("spec"), template.at("metadata.labels"), template.at("metadata.annotations"))


def spec(resource: Resource) -> View:
    """Return where containers and what holds for all of them are declared."""
    if resource.kind in WHOLE:
        return pod(resource).spec
    return resource.at("spec")


def containers(resource: Resource) -> Iterator[View]:
    """Return every container that a resource declares, those that run first included."""
    if resource.kind == STORAGE_CONTAINER:
        yield resource.at("spec.container")
        return
    place = spec(resource)
    for name in _LISTS:
        yield from place.at(name).items()
    if resource.kind == INFERENCE and not place.at("model").absent and not place.at("model.image").absent:
        yield place.at("model")


def namespace(resource: Resource) -> View:
    """Return the namespace that a resource is in."""
    return resource.at("metadata.namespace")
