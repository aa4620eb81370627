"""Companion resources that a resource requires (``companions.yaml``), such as a replica's replication."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.controls.rules import join_check
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BUCKET_KEYS
from policy_pack.stack.values import UNKNOWN

TABLE = Path(__file__).with_name("companions.yaml")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Companion:
    """Companion that a resource requires; ``companions.yaml`` documents the fields."""

    of: str
    needs: str
    named: str = ".*"
    by: str = ""
    region: bool = False
    like: Mapping[str, str] = field(default_factory=dict)

    def concerns(self, resource: Resource) -> bool:
        """Return whether the row speaks of a resource of its kind."""
        return re.fullmatch(self.named, resource.name) is not None

    def is_beside(self, other: Resource, resource: Resource, context: StackContext) -> bool:
        """Return whether a resource of the needed kind is what this resource needs; what is not known yet is."""
        if self.region and context.region(other) != context.region(resource):
            return False
        texts = ((other.at(path).raw, pattern) for path, pattern in self.like.items())
        return all(text is UNKNOWN or re.fullmatch(pattern, str(text)) is not None for text, pattern in texts)


@cache
def companions() -> Mapping[str, tuple[Companion, ...]]:
    """Return the table by control."""
    return tables.read(TypeAdapter(dict[str, tuple[Companion, ...]]).validate_python, TABLE)


def _missing(resource: Resource, rows: tuple[Companion, ...], context: StackContext) -> Findings:
    for row in rows:
        if row.of != resource.kind or not row.concerns(resource):
            continue
        if not any(row.is_beside(other, resource, context) for other in _candidates(row, resource, context)):
            what = row.needs.rpartition(":")[2].rpartition("/")[2]
            like = "".join(f" with {path} like {pattern}" for path, pattern in row.like.items())
            yield violation(f"has no {what}{like}")


def _candidates(row: Companion, resource: Resource, context: StackContext) -> Iterator[Resource]:
    graph = context.graph
    if not row.by:
        yield from graph.of(row.needs)
        return
    first, _, rest = row.by.partition(".")
    if not rest:
        yield from context.attached(resource, row.needs, first, BUCKET_KEYS)
        return
    own = {resource.at(key).raw for key in ("arn",) if isinstance(resource.at(key).raw, str)}
    for other in graph.of(row.needs):
        values = [item.at(rest).raw for item in other.at(first).items()]
        of_it = resource.urn in other.depends.get(first, ())
        named = own & {value for value in values if isinstance(value, str)}
        if named or (of_it and not all(isinstance(value, str) for value in values)):
            yield other


def _register(control: str, rows: tuple[Companion, ...]) -> None:
    @join_check(control, *dict.fromkeys(row.of for row in rows))
    def check(resource: Resource, context: StackContext) -> Findings:
        yield from _missing(resource, rows, context)


for _control, _rows in companions().items():
    _register(_control, _rows)
