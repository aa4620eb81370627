"""Pods and containers of all resources that declare them, by the table of resource types."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from policy_pack.stack.graph import Resource
from policy_pack.stack.resource_types import PodPlace, resource_types
from policy_pack.stack.values import View

_ROWS = {f"k8s:{name}": row for name, row in resource_types().kubernetes.items()}
# Kinds with containers but not always a whole pod: a controller adds what is missing.
CONTAINER_OWNERS = tuple(kind for kind, row in _ROWS.items() if row.pods or row.text)
# Kinds whose pods are declared as a whole.
POD_OWNERS = tuple(kind for kind, row in _ROWS.items() if any(not place.completed for place in row.pods))
LONG_RUNNING_SERVERS = resource_types().kinds(server=True)
_LISTS = ("containers", "initContainers", "ephemeralContainers")
_PATCH = "podSpecPatch"
_BESIDE = "../"
_TEXT_PLACE = PodPlace(at="", spec="spec", completed=True)


@dataclass(frozen=True)
class Container:
    """A container of a pod.

    Parameters
    ----------
    view
        Its properties.
    main
        Whether it runs with the pod; init and ephemeral containers do not.
    merged
        Whether a controller merges it over another container, so that a property that is not set is not checked.
    """

    view: View
    main: bool = True
    merged: bool = False


@dataclass(frozen=True)
class Pod:
    """The pods of one place of a resource.

    Parameters
    ----------
    spec
        The fields of the PodSpec.
    labels, annotations
        The labels and annotations of the pods.
    containers
        All containers.
    place
        The row of the table.
    """

    spec: View
    labels: View
    annotations: View
    containers: tuple[Container, ...]
    place: PodPlace

    @property
    def whole(self) -> bool:
        """Whether the resource declares the whole pod."""
        return not self.place.completed

    @property
    def own_containers(self) -> list[Container]:
        """The containers that no controller merges over another one."""
        return [container for container in self.containers if not container.merged]


@lru_cache(maxsize=4096)
def pods(resource: Resource) -> tuple[Pod, ...]:
    """Return the pods of every place of a resource: those of a transformer as well as those of a predictor."""
    row = _ROWS.get(resource.kind)
    if row is None:
        return ()
    views = [(place, view) for place in row.pods for view in View(resource.props).each(place.at)]
    declared = [_pod(view, place) for place, view in views if not (place.optional and view.known and view.raw is None)]
    return (*declared, *(pod for path in row.text for pod in _pods_of_text(resource.at(path))))


def pod(resource: Resource) -> Pod:
    """Return the first pod of a resource that declares a whole pod."""
    return pods(resource)[0]


def containers(resource: Resource) -> Iterator[Container]:
    """Return every container of a resource, init containers and those of all its pods included."""
    for declared in pods(resource):
        yield from declared.containers


def namespace(resource: Resource) -> View:
    """Return the namespace of a resource."""
    return resource.at("metadata.namespace")


def undescribed_pods(resource: Resource) -> Iterator[View]:
    """Return lists of containers at paths that the table does not have."""
    described = {container.view.path.rpartition("[")[0] for pod in pods(resource) for container in pod.containers}
    # The Kubernetes provider keeps copies of the inputs in the state (`__inputs`).
    props = {key: value for key, value in resource.props.items() if not key.startswith("__")}
    yield from _undescribed(View(props), described)


def _undescribed(view: View, described: set[str]) -> Iterator[View]:
    if isinstance(view.raw, Mapping):
        for key in view.raw:
            child = view.key(key)
            patch = str(key) == _PATCH and child.raw is not None
            named = str(key) in _LISTS or str(key).endswith("Containers")
            if patch or (named and isinstance(child.raw, list) and child.raw and child.path not in described):
                yield child
            else:
                yield from _undescribed(child, described)
    elif isinstance(view.raw, list):
        for item in view.items():
            yield from _undescribed(item, described)


def _pod(view: View, place: PodPlace) -> Pod:
    spec = view.at(place.spec) if place.spec else view
    listed = tuple(
        # A list beside the PodSpec, as Envoy Gateway has it, changes containers of the controller.
        Container(item, main=number == 0, merged=path.startswith(_BESIDE) and _has_no_image(item))
        for number, path in enumerate(place.containers)
        for item in _containers(view, spec, path)
    )
    models = (spec.key(name) for name in place.merged)
    merged = tuple(Container(model, merged=_has_no_image(model)) for model in models if not model.known or model.raw)
    labels = view.at(place.labels) if place.labels else View(None, view.path)
    annotations = view.at(place.annotations) if place.annotations else View(None, view.path)
    return Pod(spec, labels, annotations, (*listed, *merged), place)


def _has_no_image(view: View) -> bool:
    """Return whether a container has the image of another one, as far as it is known."""
    return not view.known or view.at("image").raw is None


def _containers(view: View, spec: View, path: str) -> list[View]:
    start = view if path.startswith(_BESIDE) else spec
    return [item for item in start.each(path.removeprefix(_BESIDE)) if not item.known or item.raw is not None]


# --- pods in text -----------------------------------------------------------------------------------
def _pods_of_text(view: View) -> Iterator[Pod]:
    """Return the pods of templates in the text values of a map, such as the configuration of an injector."""
    if not view.known or not isinstance(view.raw, Mapping):
        return
    for _, item in view.fields():
        if isinstance(item.raw, str) and "ontainers" in item.raw:
            for spec in _specs(_parsed(item.raw), item.path):
                yield _pod(spec, _TEXT_PLACE)


def _parsed(text: str) -> list[Any]:
    try:
        return list(yaml.safe_load_all(text))
    except yaml.YAMLError:
        # A template with placeholders is no YAML: its containers cannot be evaluated.
        return [{"containers": [{"name": "template"}]}] if "ontainers:" in text else []


def _specs(value: Any, path: str) -> Iterator[View]:
    """Return each mapping with containers as a pod template."""
    if isinstance(value, str) and "ontainers" in value:
        yield from _specs([part for part in _parsed(value) if not isinstance(part, str)], path)
    elif isinstance(value, list):
        for item in value:
            yield from _specs(item, path)
    elif isinstance(value, Mapping):
        if any(isinstance(value.get(name), list) and value.get(name) for name in _LISTS):
            yield View({"spec": dict(value)}, path)
        else:
            for key, item in value.items():
                yield from _specs(item, f"{path}#{key}")
