"""The tables of described properties: what the properties of a kind of resource may be, by control."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cache, cached_property
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables

FOLDER = Path(__file__).parent
Value = bool | int | str | None


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Properties:
    """Permitted values of the properties of a kind; ``vault.yaml`` documents the fields."""

    all_of: str | None = None
    free: frozenset[str] = frozenset()
    values: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    at_most: Mapping[str, int] = field(default_factory=dict)
    at_least: Mapping[str, int] = field(default_factory=dict)
    some: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, int] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    assumed_by: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def described(self) -> frozenset[str]:
        """The properties that have a row, each with all its parts."""
        by_value = (self.values, self.patterns, self.at_most, self.at_least, self.some, self.items, self.references)
        return frozenset((*self.free, *self.required, *(name for names in by_value for name in names)))

    def is_described(self, path: str) -> bool:
        """Return whether a property, or one that it is a part of, has a row, or need not have one."""
        if self.all_of is None or not f"{path}.".startswith(self.all_of and f"{self.all_of}."):
            return True
        steps = path.split(".")
        return any(".".join(steps[:length]) in self.described for length in range(1, len(steps) + 1))


Tables = Mapping[str, Mapping[str, Properties]]


@cache
def table() -> Tables:
    """Return the properties by control and kind."""
    found: dict[str, dict[str, Properties]] = {}
    for control, kind, properties in _rows():
        if kind in found.setdefault(control, {}):
            raise ValueError(f"{control} has two rows of {kind}; join them.")
        found[control][kind] = properties
    return found


def _rows() -> Iterator[tuple[str, str, Properties]]:
    read = TypeAdapter(dict[str, dict[str, Properties]]).validate_python
    for path in sorted(FOLDER.glob("*.yaml")):
        for control, kinds in tables.read(read, path).items():
            yield from ((control, kind, properties) for kind, properties in kinds.items())
