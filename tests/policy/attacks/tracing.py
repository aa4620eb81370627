"""What a computation reads of a stack: one that reads nothing of a change has the result of the unchanged stack.

Checks and facts depend on nothing but the stack, the settings and the addresses. One that asked the unchanged stack for
kinds, URNs and packages gets the same answers from a changed stack in which these are the same, and so does the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from policy_pack.stack.graph import STACK, Graph, Resource


@dataclass
class Reads:
    """What was read of a stack.

    Parameters
    ----------
    kinds, urns, packages
        The kinds, URNs and provider packages that were asked for.
    contents
        The provider packages whose resources were read.
    everything
        Whether all resources were read.
    """

    kinds: set[str] = field(default_factory=set)
    urns: set[str] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)
    everything: bool = False


@dataclass(frozen=True)
class Difference:
    """What a change of a stack changes in what can be asked of it.

    Parameters
    ----------
    added
        The resources that come; a changed resource goes and comes.
    kinds, urns
        Of the resources that come and go.
    packages
        Provider packages that only one of the two stacks uses.
    contents
        Provider packages of these resources.
    """

    added: tuple[Resource, ...]
    kinds: frozenset[str]
    urns: frozenset[str]
    packages: frozenset[str]
    contents: frozenset[str]

    @classmethod
    def between(cls, base: Graph, changed: Graph) -> "Difference":
        """Return what differs between two stacks, which share the resources that are the same."""
        added = tuple(one for one in changed.resources if base.get(one.urn) is not one)
        removed = [one for one in base.resources if changed.get(one.urn) is not one]
        resources = [*added, *removed]
        packages = frozenset(one.package for one in resources)
        return cls(
            added,
            frozenset(one.kind for one in resources),
            frozenset(one.urn for one in resources),
            frozenset(one for one in packages if base.uses(one) is not changed.uses(one)),
            packages,
        )

    def concerns(self, reads: Reads) -> bool:
        """Return whether something that was read may be another."""
        return (
            reads.everything
            or not self.kinds.isdisjoint(reads.kinds)
            or not self.urns.isdisjoint(reads.urns)
            or not self.packages.isdisjoint(reads.packages)
            or not self.contents.isdisjoint(reads.contents)
        )


class _Recorded(dict[str, Any]):
    """A map that records the keys that it is asked for."""

    def __init__(self, values: dict[str, Any], asked: set[str]) -> None:
        super().__init__(values)
        self._asked = asked

    def get(self, key: str, default: Any = None) -> Any:
        self._asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self._asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._asked.add(str(key))
        return super().__contains__(key)


class TracedGraph(Graph):
    """A stack that records what is read of it.

    Parameters
    ----------
    graph
        The stack.
    """

    def __init__(self, graph: Graph) -> None:
        self._inside = list(graph.resources)
        self.reads = Reads()
        super().__init__(self._inside, graph.stack, graph.changed)
        self._by_urn = _Recorded(self._by_urn, self.reads.urns)
        self._by_kind = _Recorded(self._by_kind, self.reads.kinds)
        self.reads.everything = False

    @property
    def resources(self) -> list[Resource]:
        """The resources of the stack."""
        self.reads.everything = True
        return self._inside

    @resources.setter
    def resources(self, _: list[Resource]) -> None:
        pass

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)

    def __len__(self) -> int:
        return len(self.resources)

    def uses(self, package: str) -> bool:
        """Return whether the stack has a resource of a provider package."""
        self.reads.packages.add(package)
        return any(one.package == package for one in self._inside)

    def of_package(self, package: str) -> list[Resource]:
        """Return all resources of a provider package."""
        self.reads.contents.add(package)
        return [one for one in self._inside if one.package == package]

    @property
    def root(self) -> Resource:
        """The root resource of the stack."""
        roots = self.of(STACK)
        return roots[0] if roots else Resource(f"urn:pulumi:{self.stack}::stack", STACK, self.stack, {})
