"""The table of actions: what each action of an AWS service does to data (``actions.yaml``)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from policy_pack import tables
from policy_pack.facts.iam.wildcards import matches, overlap
from policy_pack.facts.verbs import Verb

TABLE = Path(__file__).with_name("actions.yaml")
_METADATA = "metadata"
_WILDCARDS = frozenset("*?")


class Level(StrEnum):
    """Level of an action: the store itself, its contents, or copies of it such as snapshots."""

    STORE = "store"
    CONTENTS = "contents"
    COPIES = "copies"


@dataclass(frozen=True, order=True)
class Action:
    """An action with the service's prefix, such as ``s3:GetObject``; it has no verb where it discloses no data."""

    name: str
    level: Level
    verb: Verb | None


@cache
def actions(service: str) -> Mapping[str, Action]:
    """Return the actions of a service by their names in lower case; empty for a service that is not described."""
    return {action.name.lower(): action for action in _table() if action.name.partition(":")[0] == service}


@cache
def covered(patterns: tuple[str, ...], service: str, *, negated: bool = False) -> frozenset[Action]:
    """Return the actions of a service that a statement's Action covers, or its NotAction where ``negated``.

    An action that a pattern names in full and that is not described counts as administer.
    """
    described = actions(service)
    lower = {pattern.lower() for pattern in patterns}
    named = {pattern for pattern in lower if not _WILDCARDS & set(pattern)}
    wild = [pattern for pattern in lower - named if overlap(pattern, f"{service}:*")]
    found = {name for name in described if name in named or any(matches(pattern, name) for pattern in wild)}
    if negated:
        return frozenset(action for name, action in described.items() if name not in found)
    others = (name for name in named - described.keys() if name.partition(":")[0] == service)
    unheard = {Action(name, Level.STORE, Verb.ADMINISTER) for name in others}
    return frozenset(unheard.union(described[name] for name in found))


def _rows() -> Iterator[Action]:
    shape = TypeAdapter(dict[str, dict[Level, dict[str, tuple[str, ...]]]], config=ConfigDict(extra="forbid"))
    for service, levels in tables.read(shape.validate_python, TABLE).items():
        for level, verbs in levels.items():
            for verb, names in verbs.items():
                for name in names:
                    yield Action(f"{service}:{name}", level, None if verb == _METADATA else Verb(verb))


@cache
def _table() -> tuple[Action, ...]:
    return tuple(_rows())
