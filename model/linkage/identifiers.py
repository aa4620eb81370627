"""Resolution of identifiers to resources, where resources are named by identifiers instead of ids."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from model.fhir.conditional import UNCLEAR

Key = tuple[str, str]
"""Type and id; the id may be one derived from an identifier."""


@dataclass
class Identifiers:
    """The identifiers by which resources are asked for, and the resources that have them."""

    asked: set[Key] = field(default_factory=set)
    _carriers: dict[Key, set[str]] = field(default_factory=dict)
    """The ids of the resources that have an identifier, other than the one that is derived from it."""

    def ask(self, kind: str, identity: str) -> None:
        """Note that a resource is named by an identifier."""
        if identity != UNCLEAR:
            self.asked.add((kind, identity))

    def carry(self, kind: str, identity: str, derived: set[str]) -> None:
        """Note the identifiers of a resource."""
        for one in derived:
            if (kind, one) in self.asked and one != identity:
                self._carriers.setdefault((kind, one), set()).add(identity)

    def carried(self, key: Key) -> bool:
        """Return whether a resource with another id has an identifier."""
        return key in self._carriers

    def meanings(self, survivors: Mapping[str, str]) -> dict[Key, str]:
        """Return the id of the resource that each identifier means, ``UNCLEAR`` where that could be several.

        Parameters
        ----------
        survivors
            The surviving patient of each replaced one.
        """
        for (kind, _), carriers in self._carriers.items():
            if kind == "Patient":
                replaced = {one: survivors.get(one, one) for one in carriers}
                carriers.clear()
                carriers.update(replaced.values())
        return {key: meant for group in self._groups() for key, meant in self._meaning(group) if meant != key[1]}

    def _groups(self) -> Iterator[set[Key]]:
        """Give the identifiers that share resources with each other, directly or by way of others."""
        neighbours: dict[Key, set[Key]] = {}
        for (kind, derived), carriers in self._carriers.items():
            for carrier in carriers:
                neighbours.setdefault((kind, derived), set()).add((kind, carrier))
                neighbours.setdefault((kind, carrier), set()).add((kind, derived))
        seen: set[Key] = set()
        for start in self._carriers:
            group: set[Key] = set()
            waiting = [] if start in seen else [start]
            while waiting:
                one = waiting.pop()
                if one not in group:
                    group.add(one)
                    waiting.extend(neighbours[one] - group)
            seen |= group
            if group:
                yield group

    def _meaning(self, group: set[Key]) -> Iterator[tuple[Key, str]]:
        named = {key for key in group if key in self.asked}
        real = {identity for _, identity in group - named}
        if UNCLEAR not in real and len(real) <= 1 and any(self._has_all(one, named) for one in group):
            meant = next(iter(real), None) or min(identity for _, identity in named)
            yield from ((key, meant) for key in named)
            return
        # Different resources share an identifier, as a family shares the number of its insurance.
        for key in named:
            carriers = self._carriers.get(key, set())
            only = next(iter(carriers)) if len(carriers) == 1 else UNCLEAR
            yield key, (only if (key[0], only) not in named else UNCLEAR) if carriers else key[1]

    def _has_all(self, one: Key, named: set[Key]) -> bool:
        return all(key == one or one[1] in self._carriers.get(key, ()) for key in named)
