"""Attempts: Kubernetes requests that violate a control, from the seeded violations and from an attacker's own list."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import HELM_CHARTS
from policy_pack.stack.values import UNKNOWN, leaves
from tests.admission.attacks import POD_ATTACKS, POD_SHAPES, attacked_objects
from tests.policy import world
from tests.policy.seeds import SEEDS
from tests.policy.seeds.seed import Seed

Manifest = dict[str, Any]
# Errors of a change to a stack whose properties have another form than those of the compliant stack.
_ELSEWHERE = (KeyError, IndexError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Attempt:
    """A request that an ordinary user sends.

    Parameters
    ----------
    title
        The violation.
    manifest
        The object.
    deletes
        Whether the object is deleted instead of created.
    changed
        The stack with the violation, for the pack.
    control
        The control that a seeded violation is for; empty for the attacker's own list.
    """

    title: str
    manifest: Manifest
    deletes: bool
    changed: Graph
    control: str = ""

    @property
    def outside(self) -> bool:
        """Whether the object is in no zone of a hospital of the embedded environment."""
        namespace = self.manifest.get("metadata", {}).get("namespace", "")
        return self.manifest["kind"] != "Namespace" and namespace.partition("-")[0] not in ("north", "south")


def attempts(graph: Graph) -> Iterator[Attempt]:
    """Return every violation that can be written as a Kubernetes object, once."""
    yield from attacks(graph)
    seen: dict[str, int] = {}
    for seed in SEEDS:
        for attempt in _seeded(seed, graph):
            number = seen[attempt.title] = seen.get(attempt.title, 0) + 1
            title = f"{attempt.title} ({number})" if number > 1 else attempt.title
            yield replace(attempt, title=title, control=seed.control)


def attacks(graph: Graph) -> Iterator[Attempt]:
    """Return the attacker's own list: pods in each shape, and other objects."""
    for shape in POD_SHAPES:
        for title, change in POD_ATTACKS.items():
            manifest = shape.manifest(graph)
            change(shape.template(manifest))
            yield _added(f"{shape.kind}: {title}", manifest, graph)
    for title, manifest in attacked_objects(graph).items():
        yield _added(title, manifest, graph)


def _added(title: str, manifest: Manifest, graph: Graph) -> Attempt:
    api, name = manifest["apiVersion"], manifest["metadata"]["name"]
    type_ = f"kubernetes:{api if '/' in api else f'core/{api}'}:{manifest['kind']}"
    props = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
    added = Resource(f"urn:pulumi:{graph.stack}::healthcare-mlops::{type_}::{name}-tried", type_, name, props)
    return Attempt(title, manifest, False, Graph([*graph, added], graph.stack))


def _seeded(seed: Seed, graph: Graph) -> Iterator[Attempt]:
    """Return the first resource of the stack, or else of the compliant stack, that a change fits."""
    for resources in (list(graph), [r for r in world.resources() if r.package == "kubernetes"]):
        if seed.add:
            if seed.add.package == "kubernetes":
                yield Attempt(seed.title, _manifest(seed.add), False, Graph([*graph, seed.add], graph.stack))
            return
        for target in sorted(seed.targets(resources), key=lambda resource: resource.urn):
            if target.package != "kubernetes" or target.kind in HELM_CHARTS or _hidden(target):
                return
            attempt = _at(seed, resources, target, graph.stack)
            if attempt:
                yield attempt
                return


def _at(seed: Seed, resources: list[Resource], target: Resource, stack: str) -> Attempt | None:
    try:
        changed = seed.at(resources, target, seed.value, stack)
    except _ELSEWHERE:
        return None
    now = changed.get(target.urn)
    if now is None:
        return Attempt(seed.title, _manifest(target), True, changed)
    return None if now.props == target.props else Attempt(seed.title, _manifest(now), False, changed)


def _manifest(resource: Resource) -> Manifest:
    api, _, kind = resource.type.removeprefix("kubernetes:").rpartition(":")
    body = {key: value for key, value in resource.props.items() if key not in ("apiVersion", "kind", "status", "id")}
    return {"apiVersion": api.removeprefix("core/"), "kind": kind, **copy.deepcopy(body)}


def _hidden(resource: Resource) -> bool:
    return any(leaf is UNKNOWN for _, leaf in leaves(resource.props))
