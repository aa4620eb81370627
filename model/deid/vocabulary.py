"""Codes that may leave: in the shape of their system, said in one canonical way."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from model.deid.check_digits import CHECKS

REMEMBERED = 50_000

Meaning = tuple[str, str]
"""The short name of a system and a code in it."""


class System(BaseModel):
    """A code system whose codes may leave, and the shape that they must have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str
    also: tuple[str, ...] = ()
    pattern: str | None = None
    values: frozenset[str] = frozenset()
    check: Literal["verhoeff", "mod10"] | None = None

    def accepts(self, code: str) -> bool:
        """Return whether a code has the shape of this system."""
        if self.values:
            return code in self.values
        if self.pattern is None or not re.fullmatch(self.pattern, code, re.ASCII):
            return False
        return self.check is None or CHECKS[self.check](code)


class Translation(BaseModel):
    """What the codes of another vocabulary mean in one of the systems."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    means: str
    uris: tuple[str, ...]
    codes: dict[str, str]


class Vocabulary:
    """Says what a coding means, if its system is known and its code has the shape of one.

    Parameters
    ----------
    systems
        The systems by their short names.
    translations
        Other vocabularies in the words of these systems.
    """

    def __init__(self, systems: Mapping[str, System], translations: Iterable[Translation]) -> None:
        self._systems: dict[str, list[str]] = {}
        self._accepts = {name: system.accepts for name, system in systems.items()}
        self._codes: dict[tuple[str, str], dict[str, str]] = {}
        for name, system in systems.items():
            for uri in (system.uri, *system.also):
                self._systems.setdefault(same_uri(uri), []).append(name)
        for translation in translations:
            for uri in translation.uris:
                self._codes.setdefault((same_uri(uri), translation.means), {}).update(translation.codes)
        self._known: dict[tuple[tuple[str, ...], str, str], Meaning | None] = {}

    def meaning(self, wanted: tuple[str, ...], uri: object, code: object) -> Meaning | None:
        """Return a coding in one of the wanted systems; nothing when it is in none or has another shape."""
        if not isinstance(uri, str) or not isinstance(code, str):
            return None
        asked = (wanted, uri, code)
        if asked not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[asked] = self._find(wanted, same_uri(uri), code)
        return self._known[asked]

    def _find(self, wanted: tuple[str, ...], uri: str, code: str) -> Meaning | None:
        for name in wanted:
            if name in self._systems.get(uri, ()) and self._accepts[name](code):
                return name, code
            translated = self._codes.get((uri, name), {}).get(code)
            if translated is not None:
                return name, translated
        return None


def same_uri(uri: str) -> str:
    """Return one spelling for the ways in which a system's uri is written."""
    return re.sub(r"^https:", "http:", uri.strip()).rstrip("/").lower()
