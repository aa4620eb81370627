"""A stack as plain data: what every control is judged on, whether it came from the engine or from a state file."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from policy_pack.stack.values import UNKNOWN, NotKnownError, View

STACK = "pulumi:pulumi:Stack"
_UNCLEAR = "\0not known"
_KUBERNETES = re.compile(r"kubernetes:([^/]+)/([^:]+):(\w+)")


def canonical(type_: str) -> str:
    """Return a type without versions: ``kubernetes:apps/v1:Deployment`` is ``k8s:apps/Deployment``.

    Core objects have the group ``core``; ``…V2`` of the S3 module is the same resource by its older name.
    """
    found = _KUBERNETES.fullmatch(type_)
    if found:
        return f"k8s:{found[1]}/{found[3]}"
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
        As the engine has them.
    props
        Plain properties; what is not known yet is `UNKNOWN`.
    secrets
        Paths of the values that the engine keeps as secrets.
    depends
        For each property the resources that its value comes from.
    parent, provider
        The resource that it belongs to, and its provider's properties.
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

    def at(self, path: str) -> View:
        """Return the property at a dotted path."""
        return View(self.props).at(path)

    @property
    def package(self) -> str:
        """The provider package, such as ``aws``."""
        return self.type.partition(":")[0]


class Graph:
    """The resources of one stack, with the joins that controls need; built once, never changed."""

    def __init__(self, resources: Iterable[Resource], stack: str = "") -> None:
        self.resources = list(resources)
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
        """Return whether the stack declares anything of a provider package, its providers aside."""
        return package in self._packages

    def at(self, urn: str) -> Resource:
        """Return the resource with a URN that is there."""
        return self._by_urn[urn]

    @cached_property
    def _packages(self) -> set[str]:
        return {resource.package for resource in self.resources}

    @cached_property
    def root(self) -> Resource:
        """The stack itself, which carries what concerns no resource alone."""
        found = self.of(STACK)
        return found[0] if found else Resource(f"urn:pulumi:{self.stack}::stack", STACK, self.stack, {})

    def memo(self, name: str, make: "Any") -> Any:
        """Return what a function makes of this graph, made once."""
        if name not in self._cache:
            self._cache[name] = make(self)
        return self._cache[name]

    # --- joins -----------------------------------------------------------------------------
    def target(self, resource: Resource, path: str, kinds: tuple[str, ...], keys: tuple[str, ...]) -> Resource | None:
        """Return the resource that a property names.

        By value first (equal to one of the target's ``keys``), as a value is exact; where it is not known yet, by the
        property's dependencies, when these hold one resource of the kinds.
        """
        value = resource.at(path).raw
        if isinstance(value, str) and value:
            for key in keys:
                found = self._index(kinds, key).get(value)
                if found:
                    return found
        urns = resource.depends.get(path.partition(".")[0], ())
        among = {urn: self._by_urn[urn] for urn in urns if urn in self._by_urn and self._by_urn[urn].kind in kinds}
        return next(iter(among.values())) if len(among) == 1 else None

    def _index(self, kinds: tuple[str, ...], key: str) -> dict[str, Resource]:
        def make(graph: Graph) -> dict[str, Resource]:
            pairs = ((resource.at(key).raw, resource) for resource in graph.of(*kinds))
            return {value: resource for value, resource in pairs if isinstance(value, str)}

        found: dict[str, Resource] = self.memo(f"index {kinds} {key}", make)
        return found

    def where(self, path: str, value: str, *kinds: str) -> list[Resource]:
        """Return the resources of some kinds with a value at a path.

        Raises
        ------
        NotKnownError
            When there is none, but one whose value is not known yet may be it.
        """

        def make(graph: Graph) -> dict[str, list[Resource]]:
            found: dict[str, list[Resource]] = defaultdict(list)
            for resource in graph.of(*kinds):
                raw = resource.at(path).raw
                found[raw if isinstance(raw, str) else "" if raw is None else _UNCLEAR].append(resource)
            return found

        by_value: dict[str, list[Resource]] = self.memo(f"where {path} {kinds}", make)
        if value not in by_value and _UNCLEAR in by_value:
            raise NotKnownError(path)
        return by_value.get(value, [])

    def pointing(self, resource: Resource, kind: str, path: str, keys: tuple[str, ...], *others: str) -> list[Resource]:
        """Return the resources of a kind whose property names this resource; ``others`` are kinds it may be besides."""
        kinds = (resource.kind, *others)

        def make(graph: Graph) -> dict[str, list[Resource]]:
            found: dict[str, list[Resource]] = defaultdict(list)
            for candidate in graph.of(kind):
                target = graph.target(candidate, path, kinds, keys)
                if target:
                    found[target.urn].append(candidate)
            return found

        by_target: dict[str, list[Resource]] = self.memo(f"pointing {kind} {path} {kinds} {keys}", make)
        return by_target.get(resource.urn, [])

    def unresolved(self, kind: str, path: str) -> bool:
        """Return whether some resource of a kind points at what is not known and not traceable either."""
        return any(
            resource.at(path).raw is UNKNOWN and not resource.depends.get(path.partition(".")[0])
            for resource in self.of(kind)
        )


def _stack_of(resources: list[Resource]) -> str:
    parts = resources[0].urn.split("::") if resources else []
    return parts[0].rpartition(":")[2] if len(parts) > 1 else ""
