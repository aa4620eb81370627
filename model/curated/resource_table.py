"""Curated table of a FHIR resource type: its columns and the mapping from resource to rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from model.io.json_elements import Resource

MOMENT = pa.timestamp("us", tz="UTC")
TEXT = pa.string()
REAL = pa.float64()

Left = Resource
"""What the allow list let through of a resource."""
Row = tuple[object, ...]
"""The values of one row, in the order of ``ResourceTable.staged``; moments are still text."""


def _unchanged(_resource: Resource, left: Left) -> Left:
    return left


def _no_warnings(_resource: Resource, _left: Left) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class ResourceTable:
    """The curated table of one resource type.

    Parameters
    ----------
    resource_type, name
        The FHIR type, and the table's name.
    columns
        The published columns by name; none where the table is used by the others alone.
    rows
        Gives the rows of a de-identified resource.
    why_empty
        Names the reason for which a valid resource gave no row.
    computed
        Published columns that no single resource tells: they are computed when all of them are known.
    unpublished
        Columns that others are computed from.
    preprocess
        Completes what the allow list let through by what the resource itself tells.
    warnings
        Names what is to be counted of a resource that is used.
    """

    resource_type: str
    name: str
    columns: Mapping[str, pa.DataType]
    rows: Callable[[Left], Iterator[Row]]
    why_empty: Callable[[Resource, Left], str]
    computed: frozenset[str] = frozenset()
    unpublished: Mapping[str, pa.DataType] = field(default_factory=dict)
    preprocess: Callable[[Resource, Left], Left] = _unchanged
    warnings: Callable[[Resource, Left], Iterable[str]] = _no_warnings

    @property
    def staged(self) -> Mapping[str, pa.DataType]:
        """The columns of a row while it is staged, in order."""
        own = {name: kind for name, kind in self.columns.items() if name not in self.computed}
        return {**own, **self.unpublished}


def first(values: Any) -> Any:
    """Return the first of several values, or the one value."""
    return values[0] if isinstance(values, list) and values else values


def first_code(concept: object) -> str | None:
    """Return the first code of a CodeableConcept whose codings were let through."""
    coding = first((first(concept) or {}).get("coding"))
    return coding["code"] if coding else None


def why_no_code(concept: object) -> str:
    """Return why a CodeableConcept gave no code: it has none, or none of an accepted system."""
    return "code-system" if isinstance(concept, dict) and concept.get("coding") else "no-code"
