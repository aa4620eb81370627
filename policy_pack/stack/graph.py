"""A stack as a graph of resources, whether it comes from the engine or from a state file."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from policy_pack.clock import Earliest
from policy_pack.stack.values import UNKNOWN, NotKnownError, View, leaves

STACK = "pulumi:pulumi:Stack"
_NOT_KNOWN = "\0not known"
_KUBERNETES = re.compile(r"kubernetes:([^/]+)/([^:]+):(\w+)")


def canonical(type_: str) -> str:
    """Return a type without versions: ``kubernetes:apps/v1:Deployment`` is ``k8s:apps/Deployment``.

    Core objects have the group ``core``; ``…V2`` of the S3 module is the same resource by its older name.
    """
    match = _KUBERNETES.fullmatch(type_)
    if match:
        return f"k8s:{match[1]}/{match[3]}"
    if type_.startswith("aws:s3/") and type_.endswith("V2"):
        module, _, name = type_.rpartition(":")
        return f"{module.removesuffix('V2')}:{name.removesuffix('V2')}"
    return type_


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource.

    Parameters
    ----------
    urn, type, name
        As in the engine.
    props
        Properties as plain values; an unknown value is `UNKNOWN`.
    secrets
        Paths of Pulumi secrets.
    depends
        The URNs that each property depends on.
    parent, provider
        The URN of the parent, and the properties of the provider.
    protect
        Whether the engine refuses to delete it.
    """

    urn: str
    type: str
    name: str
    props: Mapping[str, Any]
    secrets: frozenset[str] = frozenset()
    depends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parent: str = ""
    provider: Mapping[str, Any] = field(default_factory=dict)
    protect: bool = False

    @cached_property
    def kind(self) -> str:
        """The type without versions."""
        return canonical(self.type)

    @cached_property
    def leaves(self) -> tuple[tuple[str, Any], ...]:
        """The scalar properties with their paths, `UNKNOWN` ones included."""
        return tuple(leaves(self.props))

    def at(self, path: str) -> View:
        """Return the property at a dotted path."""
        return View(self.props).at(path)

    @property
    def package(self) -> str:
        """The provider package, such as ``aws``."""
        return self.type.partition(":")[0]


class Graph:
    """The resources of one stack, with the joins that checks need; immutable.

    Parameters
    ----------
    resources, stack
        The resources, and the name of the stack; by default that of the first URN.
    changed
        When the stack was last changed, where that is known.
    """

    def __init__(self, resources: Iterable[Resource], stack: str = "", changed: Earliest | None = None) -> None:
        self.resources = list(resources)
        self.changed = changed
        self.stack = stack or _stack_of(self.resources)
        self._by_urn = {resource.urn: resource for resource in self.resources}
        self._by_kind: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.resources:
            self._by_kind[resource.kind].append(resource)
        self._cache: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)

    def __len__(self) -> int:
        return len(self.resources)

    def of(self, *kinds: str) -> list[Resource]:
        """Return all resources of some kinds."""
        return [resource for kind in kinds for resource in self._by_kind.get(kind, ())]

    def get(self, urn: str) -> Resource | None:
        """Return the resource with a URN."""
        return self._by_urn.get(urn)

    def uses(self, package: str) -> bool:
        """Return whether the stack has a resource of a provider package, other than the provider itself."""
        return package in self._by_package

    def of_package(self, package: str) -> list[Resource]:
        """Return all resources of a provider package."""
        return self._by_package.get(package, [])

    def at(self, urn: str) -> Resource:
        """Return the resource with a URN, which must exist."""
        return self._by_urn[urn]

    @cached_property
    def _by_package(self) -> dict[str, list[Resource]]:
        grouped: dict[str, list[Resource]] = {}
        for resource in self.resources:
            grouped.setdefault(resource.package, []).append(resource)
        return grouped

    @cached_property
    def root(self) -> Resource:
        """The root resource of the stack, for findings that concern no single resource."""
        roots = self.of(STACK)
        return roots[0] if roots else Resource(f"urn:pulumi:{self.stack}::stack", STACK, self.stack, {})

    def memo(self, name: str, compute: "Any") -> Any:
        """Return the result of a function of this graph, computed once."""
        if name not in self._cache:
            self._cache[name] = compute(self)
        return self._cache[name]

    # --- joins -----------------------------------------------------------------------------
    def target(self, resource: Resource, path: str, kinds: tuple[str, ...], keys: tuple[str, ...]) -> Resource | None:
        """Return the resource that a property refers to.

        By value first (equal to one of the target's ``keys``), which is exact; while the value is not known yet, by the
        property's dependencies, if exactly one of them has one of the kinds.
        """
        value = resource.at(path).raw
        if isinstance(value, str) and value:
            for key in keys:
                match = self._index(kinds, key).get(value)
                if match:
                    return match
        urns = resource.depends.get(path.partition(".")[0], ())
        among = {urn: self._by_urn[urn] for urn in urns if urn in self._by_urn and self._by_urn[urn].kind in kinds}
        return next(iter(among.values())) if len(among) == 1 else None

    def _index(self, kinds: tuple[str, ...], key: str) -> dict[str, Resource]:
        def compute(graph: Graph) -> dict[str, Resource]:
            pairs = ((resource.at(key).raw, resource) for resource in graph.of(*kinds))
            return {value: resource for value, resource in pairs if isinstance(value, str)}

        index: dict[str, Resource] = self.memo(f"index {kinds} {key}", compute)
        return index

    def where(self, path: str, value: str, *kinds: str) -> list[Resource]:
        """Return the resources of some kinds with a value at a path.

        Raises
        ------
        NotKnownError
            When there is none, but the value of a resource of these kinds is not known yet.
        """

        def compute(graph: Graph) -> dict[str, list[Resource]]:
            grouped: dict[str, list[Resource]] = defaultdict(list)
            for resource in graph.of(*kinds):
                raw = resource.at(path).raw
                grouped[raw if isinstance(raw, str) else "" if raw is None else _NOT_KNOWN].append(resource)
            return grouped

        by_value: dict[str, list[Resource]] = self.memo(f"where {path} {kinds}", compute)
        if value not in by_value and _NOT_KNOWN in by_value:
            raise NotKnownError(path)
        return by_value.get(value, [])

    def referrers(
        self, resource: Resource, kind: str, path: str, keys: tuple[str, ...], *others: str
    ) -> list[Resource]:
        """Return the resources of a kind that refer to this one; a reference may also be to a kind of ``others``."""
        kinds = (resource.kind, *others)

        def compute(graph: Graph) -> dict[str, list[Resource]]:
            grouped: dict[str, list[Resource]] = defaultdict(list)
            for candidate in graph.of(kind):
                target = graph.target(candidate, path, kinds, keys)
                if target:
                    grouped[target.urn].append(candidate)
            return grouped

        by_target: dict[str, list[Resource]] = self.memo(f"referrers {kind} {path} {kinds} {keys}", compute)
        return by_target.get(resource.urn, [])

    def unresolved(self, kind: str, path: str) -> bool:
        """Return whether a resource of a kind has a reference that is neither known nor traceable by dependencies."""
        return any(
            resource.at(path).raw is UNKNOWN and not resource.depends.get(path.partition(".")[0])
            for resource in self.of(kind)
        )


def _stack_of(resources: list[Resource]) -> str:
    parts = resources[0].urn.split("::") if resources else []
    return parts[0].rpartition(":")[2] if len(parts) > 1 else ""
