"""The allow list (``model/deid_rules.yaml``), read once and made ready for walking a resource."""

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from model.deid.check_digits import CHECKS

RULES_FILE = Path(__file__).parent.parent / "deid_rules.yaml"

Transform = Literal["id", "reference", "date", "birth", "flag", "code", "coding", "quantity", "state", "zip3"]


class System(BaseModel):
    """A code system whose codes may leave, and the shape that they must have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str
    pattern: str | None = None
    values: tuple[str, ...] = ()
    check: Literal["verhoeff", "mod10"] | None = None

    def accepts(self, code: str) -> bool:
        """Return whether a code has the shape of this system."""
        if self.values:
            return code in self.values
        if self.pattern is None or not re.fullmatch(self.pattern, code, re.ASCII):
            return False
        return self.check is None or CHECKS[self.check](code)


class Rule(BaseModel):
    """One row of the allow list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resource: str
    path: str
    transform: Transform
    why: str
    values: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    kind: str | None = None


class RuleTable(BaseModel):
    """The whole table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    systems: dict[str, System]
    units: frozenset[str]
    largest_number: float
    rules: tuple[Rule, ...]
    restricted_zip3: frozenset[str]
    states: dict[str, str]


@dataclass(frozen=True)
class Branch:
    """A step of an allowed path: what to do here, and where the path may go on."""

    rule: Rule | None = None
    children: Mapping[str, "Branch"] = field(default_factory=dict)


@dataclass(frozen=True)
class AllowList:
    """The table with one tree of allowed paths for each resource type."""

    table: RuleTable
    trees: Mapping[str, Branch]
    digest: str

    @property
    def state_codes(self) -> frozenset[str]:
        """Two-letter codes of the states."""
        return frozenset(self.table.states.values())


@functools.cache
def allow_list() -> AllowList:
    """Read the allow list that ships with the package."""
    content = RULES_FILE.read_bytes()
    table = RuleTable.model_validate(yaml.safe_load(content))
    by_type: dict[str, list[tuple[tuple[str, ...], Rule]]] = {}
    for rule in table.rules:
        by_type.setdefault(rule.resource, []).append((tuple(rule.path.split(".")), rule))
    trees = {kind: _tree(paths) for kind, paths in by_type.items()}
    return AllowList(table=table, trees=trees, digest=hashlib.sha256(content).hexdigest())


def _tree(paths: list[tuple[tuple[str, ...], Rule]]) -> Branch:
    ends = [rule for steps, rule in paths if not steps]
    if ends:
        return Branch(rule=ends[0])
    onward: dict[str, list[tuple[tuple[str, ...], Rule]]] = {}
    for steps, rule in paths:
        onward.setdefault(steps[0], []).append((steps[1:], rule))
    return Branch(children={step: _tree(rest) for step, rest in onward.items()})
