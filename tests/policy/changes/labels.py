"""Changes of the labels and tags of a stack's resources, and whether one takes a resource out of a control."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from policy_pack.stack.graph import Graph, Resource
from tests.policy.builders import put
from tests.policy.changes.planting import Stack
from tests.policy.seeds import SEEDS

_PLACES = ("tags", "metadata.labels", "spec.jobTemplate.spec.template.metadata.labels", "spec.predictor.labels")
# Values that an author would choose to have fewer checks.
_TEMPTING = {
    "data-class": ("models", "access-logs"),
    "zone": ("data", "platform"),
    "hospital": ("shared",),
    "phi": ("false",),
    "tier": ("public",),
}
_REMOVED = None


@dataclass(frozen=True)
class LabelChange:
    """Another value of one label of one resource; None removes it."""

    target: Resource
    path: str
    label: str
    value: str | None

    @property
    def title(self) -> str:
        """The change as text."""
        return f"{self.target.kind} {self.target.name}: {self.path} {self.label} -> {self.value or 'removed'}"

    def applied(self, resource: Resource) -> Resource:
        """Return a resource with the change."""

        def change(labels: dict[str, Any]) -> dict[str, Any]:
            others = {name: value for name, value in labels.items() if name != self.label}
            return others if self.value is _REMOVED else {**others, self.label: self.value}

        return replace(resource, props=put(resource.props, self.path, change))


def sample(graph: Graph) -> list[Resource]:
    """Return one labelled resource of each kind and data class or zone, so that each has its own controls."""
    chosen: dict[tuple[str, str], Resource] = {}
    for resource in sorted(graph, key=lambda one: one.urn):
        if any(labels for _, labels in _labels(resource)):
            chosen.setdefault((resource.kind, _class_of(resource)), resource)
    return list(chosen.values())


def _class_of(resource: Resource) -> str:
    values = {name.rpartition("/")[2]: value for _, labels in _labels(resource) for name, value in labels.items()}
    return str(values.get("data-class") or values.get("zone") or values.get("tier") or "")


def _labels(resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in _PLACES:
        view = resource.at(path)
        if isinstance(view.raw, dict):
            yield path, view.raw


def changes(resource: Resource) -> Iterator[LabelChange]:
    """Return the changes of every label of a resource: removed, and each value that an author would choose."""
    for path, labels in _labels(resource):
        for label, old in labels.items():
            yield LabelChange(resource, path, label, _REMOVED)
            for value in _TEMPTING.get(label.rpartition("/")[2], ("other",)):
                if value != old:
                    yield LabelChange(resource, path, label, value)


def lost(stack: Stack, change: LabelChange) -> list[str]:
    """Return the seeded violations of a resource that a change of its label hides, unless the change is a finding."""
    resources = list(stack.graph.resources)
    relabelled = change.applied(change.target)
    graph = Graph([relabelled if one is change.target else one for one in resources], stack.graph.stack)
    if stack.adds(graph):
        return []
    hidden = []
    for seed in SEEDS:
        if seed.add or seed.drop or not seed.anywhere or change.target not in seed.targets([change.target]):
            continue
        try:
            plain = seed.at(resources, change.target, seed.value, stack.graph.stack)
            both = seed.at([*graph.resources], relabelled, seed.value, stack.graph.stack)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            continue
        if stack.adds(plain, seed.control) and not stack.adds(both, seed.control):
            hidden.append(seed.title)
    return hidden
