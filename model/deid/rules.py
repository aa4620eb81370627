"""De-identification rules (``model/deid/rules.yaml``): the allow list, compiled for walking a resource."""

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from model.definitions.features import conversions, measurements_digest
from model.definitions.units import units
from model.deid.measures import Measures, Reason
from model.deid.vocabulary import Meaning, System, Translation, Vocabulary
from model.io.json_elements import Resource
from model.io.yaml_tables import content_digest

RULES_FILE = Path(__file__).parent / "rules.yaml"
NOWHERE = "000"
_ZIP = re.compile(r"\d{5}(-?\d{4})?", re.ASCII)

Transform = Literal[
    "id",
    "reference",
    "date",
    "date-end",
    "death",
    "flag",
    "code",
    "coding",
    "quantity",
    "integer",
    "address",
    "categories",
    "payer",
]


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
    """The de-identification rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    systems: dict[str, System]
    translations: tuple[Translation, ...]
    largest_number: float
    significant_digits: int
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
    vocabulary: Vocabulary
    measures: Measures
    state_of: Mapping[str, str]
    """The two-letter code of a state by its code and by its name."""
    keyed: frozenset[str] = frozenset()
    """The systems whose codes leave as pseudonyms only."""

    def meaning(self, wanted: tuple[str, ...], uri: object, code: object) -> Meaning | None:
        """Return a coding in one of the wanted systems, in canonical words; nothing when it may not leave."""
        return self.vocabulary.meaning(wanted, uri, code)

    def measured(self, quantity: Mapping[str, object], codes: Iterable[str]) -> Resource | Reason:
        """Return value, unit and comparator of a FHIR Quantity, or why its number may not leave."""
        return self.measures.decide(quantity, codes)

    def area(self, address: object) -> dict[str, str] | None:
        """Return the state of an address and, in a state, the ZIP code's first three digits where they may stay."""
        if not isinstance(address, dict):
            return None
        state, code = address.get("state"), address.get("postalCode")
        area = self.state_of.get(state) if isinstance(state, str) else None
        if area is None:
            return None
        if not isinstance(code, str) or not _ZIP.fullmatch(code):
            return {"state": area}
        return {"state": area, "postalCode": NOWHERE if code[:3] in self.table.restricted_zip3 else code[:3]}


@functools.cache
def allow_list() -> AllowList:
    """Read the allow list that ships with the package."""
    content = RULES_FILE.read_bytes()
    digests = (content_digest(content), units().digest, measurements_digest())
    table = RuleTable.model_validate(yaml.safe_load(content))
    by_type: dict[str, list[tuple[tuple[str, ...], Rule]]] = {}
    for rule in table.rules:
        by_type.setdefault(rule.resource, []).append((tuple(rule.path.split(".")), rule))
    trees = {kind: _tree(paths) for kind, paths in by_type.items()}
    return AllowList(
        table=table,
        trees=trees,
        digest=hashlib.sha256("\n".join(digests).encode()).hexdigest(),
        vocabulary=Vocabulary(table.systems, table.translations),
        measures=Measures(
            units(), largest=table.largest_number, digits=table.significant_digits, conversions=conversions()
        ),
        state_of=table.states | {code: code for code in table.states.values()},
        keyed=frozenset(name for name, system in table.systems.items() if system.keyed),
    )


def _tree(paths: list[tuple[tuple[str, ...], Rule]]) -> Branch:
    ends = [rule for steps, rule in paths if not steps]
    if ends:
        return Branch(rule=ends[0])
    onward: dict[str, list[tuple[tuple[str, ...], Rule]]] = {}
    for steps, rule in paths:
        onward.setdefault(steps[0], []).append((steps[1:], rule))
    return Branch(children={step: _tree(rest) for step, rest in onward.items()})
