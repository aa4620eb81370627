"""Evidence that a hospital is gone: what was destroyed, what the law keeps, and when each key is gone for good."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from policy_pack.errors import PackError
from policy_pack.evidence.state_reader import Source, read
from policy_pack.facts.ownership import Places
from policy_pack.settings import Settings
from policy_pack.stack import state
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BUCKET, KEY
from policy_pack.stack.text import called

DEFAULT_DAYS = 30


class Fate(StrEnum):
    """What became of a resource."""

    DESTROYED = "destroyed"
    WAITING = "key waits for its deletion"
    KEPT = "kept outside of the stack"
    REMAINS = "remains"


@dataclass(frozen=True)
class Ended:
    """One resource of the hospital.

    Parameters
    ----------
    urn, kind, name, data_class
        What it was.
    fate
        What became of it.
    detail
        Of a key, how long it waits, or the day on which it is gone where the account was asked.
    wrong
        What is not as it should be; empty where all is well.
    """

    urn: str
    kind: str
    name: str
    data_class: str
    fate: Fate
    detail: str = ""
    wrong: str = ""


@dataclass(frozen=True)
class Destruction:
    """What became of a hospital's resources between two states of a stack."""

    stack: str
    hospital: str
    asked_account: bool
    ended: tuple[Ended, ...]

    @property
    def faults(self) -> list[Ended]:
        """What is not gone as it should be."""
        return [entry for entry in self.ended if entry.wrong]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


# What the account says of a key or bucket: the fate, a detail, and what is wrong.
Ask = Callable[[Resource, Fate], tuple[str, str]]


def destruction(
    stack: str, hospital: str, before: Path, after: Path, settings: Settings, ask: Ask | None = None
) -> Destruction:
    """Compare a stack before and after a hospital's entry was removed.

    Parameters
    ----------
    stack, hospital
        Which hospital of which stack.
    before, after
        Exported states.
    settings
        The pack's settings.
    ask
        Asks the account itself of keys and buckets; None compares states alone.

    Raises
    ------
    PackError
        When a state cannot be read, or the hospital was not in the first one.
    """
    old, new = read(stack, before), read(stack, after)
    kept = {str(entry["urn"]) for entry in state.entries(before) if entry.get("retainOnDelete")}
    left = {resource.urn for resource in new.graph}
    mine = _of(old, hospital, settings)
    if not mine:
        raise PackError(
            f"{before} holds nothing of hospital {hospital}; name a state from before its entry was removed."
        )
    ended = [_ended(resource, data, left, kept, ask) for resource, data in mine]
    seen = {entry.urn for entry in ended}
    ended += [
        Ended(resource.urn, resource.kind, called(resource), data, Fate.REMAINS, wrong="was made afterwards")
        for resource, data in _of(new, hospital, settings)
        if resource.urn not in seen
    ]
    return Destruction(stack, hospital, ask is not None, tuple(sorted(ended, key=lambda entry: entry.urn)))


def _of(source: Source, hospital: str, settings: Settings) -> list[tuple[Resource, str]]:
    places = Places(source.graph, settings)
    found = [(resource, places.of(resource)) for resource in source.graph]
    return [(resource, whose.data_class) for resource, whose in found if whose.hospital == hospital]


def _ended(resource: Resource, data: str, left: set[str], kept: set[str], ask: Ask | None) -> Ended:
    detail, wrong = "", ""
    if resource.urn in left:
        fate, wrong = Fate.REMAINS, "is still in the stack"
    elif resource.urn in kept:
        fate = Fate.KEPT
    elif resource.kind == KEY:
        days = resource.at("deletionWindowInDays").raw
        fate, detail = Fate.WAITING, f"{days if isinstance(days, int | float) else DEFAULT_DAYS:.0f} days"
    else:
        fate = Fate.DESTROYED
    if ask and not wrong and resource.kind in (KEY, BUCKET):
        told, wrong = ask(resource, fate)
        detail = told or detail
    return Ended(resource.urn, resource.kind, called(resource), data, fate, detail, wrong)
