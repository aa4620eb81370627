"""Pods, made dangerous wherever a template stands: every field of the API's types, in every kind that holds a pod."""

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

from policy_pack.stack.graph import Resource
from tests.policy.attacks.mutation import Family, Mutation, Step, Target, get, put
from tests.policy.attacks.sdk import Property, resource_fields
from tests.policy.attacks.stacks import FIRST, crossed
from tests.policy.attacks.tables import edits, values
from tests.policy.attacks.widening import Widening, widenings

FAMILY = "pods"
_TEMPLATE = ("spec", "jobTemplate", "spec", "template")
# Where a pod stands in the kinds that the stacks have; the last are containers alone.
_PODS: dict[str, tuple[Step, ...]] = {
    "k8s:batch/CronJob": (*_TEMPLATE, "spec"),
    "k8s:serving.kserve.io/InferenceService": ("spec", "predictor"),
    "k8s:serving.kserve.io/ServingRuntime": ("spec",),
}
_CONTAINERS: dict[str, tuple[Step, ...]] = {
    "k8s:serving.kserve.io/ClusterStorageContainer": ("spec", "container"),
    "k8s:serving.kserve.io/InferenceService": ("spec", "predictor", "model"),
    "k8s:gateway.envoyproxy.io/EnvoyProxy": ("spec", "provider", "kubernetes", "envoyDeployment", "container"),
}
_SECURITY: dict[str, tuple[Step, ...]] = {
    "k8s:gateway.envoyproxy.io/EnvoyProxy": ("spec", "provider", "kubernetes", "envoyDeployment", "pod"),
}
_PARTS = ("transformer", "explainer", "predictor.workerSpec")


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    pod, container = _pod_fields(), _pod_fields()["containers"].fields
    for places, fields in ((_PODS, pod), (_CONTAINERS, container), (_SECURITY, pod)):
        for kind, place in places.items():
            for resource in _representatives(target.of(kind)):
                yield from _fields(family, resource, place, fields)
    yield from _owners(family)
    yield from _serving_parts(family)
    yield from edits(family)


@cache
def _pod_fields() -> dict[str, Property]:
    return resource_fields("kubernetes:core/v1:Pod")["spec"].fields


def _representatives(found: list[Resource]) -> list[Resource]:
    own = [one for one in found if one.name.startswith(FIRST)] or found
    return own[-1:]


def _fields(
    family: Family, resource: Resource, place: tuple[Step, ...], fields: dict[str, Property]
) -> Iterator[Mutation]:
    held = get(resource.props, place)
    if not isinstance(held, dict):
        return
    for change in _changes(fields, held):
        props = put(resource.props, (*place, *change.steps), change.value)
        if props != resource.props:
            yield family.change(resource, change.operation, props)


def _changes(fields: dict[str, Property], held: dict[str, Any]) -> list[Widening]:
    found: dict[str, Widening] = {}
    for change in widenings(fields, held):
        # Containers, volumes and mounts of one pod are alike: one of each change is enough.
        found.setdefault(change.operation, change)
    return list(found.values())


def _faulty(pod: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return a pod with one fault of each sort."""
    for told, fault in values("pod_faults").items():
        yield told, put(pod, fault["path"], fault["value"])


def _owners(family: Family) -> Iterator[Mutation]:
    """Return every kind of owner with a pod like that of a workload, and with one fault each."""
    [source] = _representatives(family.target.of("k8s:batch/CronJob"))
    template = copy.deepcopy(get(source.props, _TEMPLATE))
    for type_, place in values("pod_owners").items():
        version, kind = type_.split(":")[1].removeprefix("core/"), type_.rpartition(":")[2].removesuffix("Patch")
        plain = {"apiVersion": version, "kind": kind, "metadata": {**source.props["metadata"], "name": "more"}}
        for told, spec in _faulty(template["spec"]):
            props = put(plain, place, {**template, "spec": spec}) if place else {**plain, "spec": spec}
            yield family.add(f"a pod with {told}", family.build(type_, "more", props, source))


def _serving_parts(family: Family) -> Iterator[Mutation]:
    """Return the model's service with further pods, and with another model."""
    [source] = _representatives(family.target.of("k8s:batch/CronJob"))
    pod = get(source.props, (*_TEMPLATE, "spec"))
    uri = ("spec", "predictor", "model", "storageUri")
    for resource in _representatives(family.target.of("k8s:serving.kserve.io/InferenceService")):
        for part in _PARTS:
            for told, spec in _faulty(pod):
                yield from family.put(resource, f"a {part} with {told}", (("spec", *part.split(".")), spec))
        yield from family.put(resource, "the other hospital's storageUri", (uri, crossed(get(resource.props, uri))))
