"""Allowed codes, checked against the shape of their system and normalised."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from model.deid.check_digits import CHECKS

REMEMBERED = 50_000

Meaning = tuple[str, str]
"""The short name of a system and a code in it."""
Reading = Literal["understood", "no-coding", "code-system", "code-shape"]
"""What becomes of the codings of an element."""

_OID = re.compile(r"[0-2](\.[0-9]+)+")
_SNOMED_EDITION = re.compile(r"http://(www\.)?snomed\.info/sct/[0-9]+(/.*)?")


class System(BaseModel):
    """A code system whose codes may leave, and the shape that they must have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str
    also: tuple[str, ...] = ()
    pattern: str | None = None
    values: frozenset[str] = frozenset()
    check: Literal["verhoeff", "mod10"] | None = None
    written: Literal["icd", "upper", "ndc"] | None = None
    """How the codes of the system are brought to one spelling before they are compared with its shape."""
    keyed: bool = False
    """A code leaves only as a pseudonym of the patient's: enough to count distinct ones, nothing to read."""

    @functools.cached_property
    def _spelling(self) -> dict[str, str]:
        return {value.lower(): value for value in self.values}

    def canonical(self, code: str) -> str | None:
        """Return a code in the spelling of this system; nothing when it does not have its shape."""
        code = code.strip()
        if self.values:
            return self._spelling.get(code.lower())
        if self.written is not None:
            code = _WRITTEN[self.written](code)
        return code if self.accepts(code) else None

    def accepts(self, code: str) -> bool:
        """Return whether a code has the shape of this system."""
        if self.values:
            return code in self.values
        if self.pattern is None or not re.fullmatch(self.pattern, code, re.ASCII):
            return False
        return self.check is None or CHECKS[self.check](code)


def _icd(code: str) -> str:
    return "".join(code.split()).upper().removesuffix(".")


def _ndc(code: str) -> str:
    """Return labeler and product of a National Drug Code in nine digits; the package is not another drug."""
    parts = code.split("-")
    if len(parts) == 3 and len(parts[0]) <= 5 and len(parts[1]) <= 4:
        return parts[0].zfill(5) + parts[1].zfill(4)
    return code[:9] if re.fullmatch(r"[0-9]{11}", code, re.ASCII) else code


_WRITTEN: dict[str, Callable[[str], str]] = {"icd": _icd, "upper": str.upper, "ndc": _ndc}


class Translation(BaseModel):
    """Code map from another vocabulary to an allowed system."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    means: str
    uris: tuple[str, ...]
    codes: dict[str, str] = {}
    displays: dict[str, str] = {}
    """Names of codes, for a system whose codes differ by site and whose names do not."""


class Vocabulary:
    """Normaliser of codings with a known system and a valid code.

    Parameters
    ----------
    systems
        The systems by their short names.
    translations
        Other vocabularies in the words of these systems.
    """

    def __init__(self, systems: Mapping[str, System], translations: Iterable[Translation]) -> None:
        self._systems: dict[str, list[str]] = {}
        self._canonical = {name: system.canonical for name, system in systems.items()}
        self._codes: dict[tuple[str, str], dict[str, str]] = {}
        self._displays: dict[tuple[str, str], dict[str, str]] = {}
        for name, system in systems.items():
            for uri in (system.uri, *system.also):
                self._systems.setdefault(same_uri(uri), []).append(name)
        for translation in translations:
            for uri in translation.uris:
                key = (same_uri(uri), translation.means)
                self._codes.setdefault(key, {}).update(_folded(translation.codes))
                self._displays.setdefault(key, {}).update(_folded(translation.displays))
        self._known: dict[tuple[tuple[str, ...], str, str], Meaning | None] = {}

    def meaning(self, wanted: tuple[str, ...], uri: object, code: object) -> Meaning | None:
        """Return a coding in one of the wanted systems; nothing when it is in none or has another shape.

        A coding without a system counts where the wanted system says so (``""`` among its uris).
        """
        uri = "" if uri is None else uri
        if not isinstance(uri, str) or not isinstance(code, str):
            return None
        asked = (wanted, uri, code)
        if asked not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[asked] = self._find(wanted, same_uri(uri), code)
        return self._known[asked]

    def meaning_of(self, wanted: tuple[str, ...], coding: Mapping[str, object]) -> Meaning | None:
        """Return a Coding in one of the wanted systems, by its code or by a name that its system defines."""
        uri, display = coding.get("system"), coding.get("display")
        meaning = self.meaning(wanted, uri, coding.get("code"))
        if meaning is not None or not isinstance(uri, str) or not isinstance(display, str):
            return meaning
        for name in wanted:
            translated = self._displays.get((same_uri(uri), name), {}).get(_fold(display))
            if translated is not None:
                return name, translated
        return None

    def reading(self, wanted: tuple[str, ...], codings: object) -> Reading:
        """Say whether one of the codings of an element is understood, and if not, why.

        Parameters
        ----------
        wanted
            The systems that the element may have.
        codings
            A Coding or a list of them, as it came.

        Returns
        -------
        str
            ``understood``; ``no-coding`` when there is no code at all; ``code-system`` when no code is of a known
            system; ``code-shape`` when one is, but does not have the shape of its codes.
        """
        listed = codings if isinstance(codings, list) else [codings]
        coded = [one for one in listed if isinstance(one, dict) and isinstance(one.get("code"), str)]
        if any(self.meaning_of(wanted, one) is not None for one in coded):
            return "understood"
        if not any(one["code"].strip() for one in coded):
            return "no-coding"
        return "code-shape" if any(self._knows(wanted, one.get("system")) for one in coded) else "code-system"

    def _knows(self, wanted: tuple[str, ...], uri: object) -> bool:
        if not isinstance(uri, str) or not uri.strip():
            return False
        same = same_uri(uri)
        return any(name in self._systems.get(same, ()) or (same, name) in self._codes for name in wanted)

    def _find(self, wanted: tuple[str, ...], uri: str, code: str) -> Meaning | None:
        for name in wanted:
            if name in self._systems.get(uri, ()):
                canonical = self._canonical[name](code)
                if canonical is not None:
                    return name, canonical
            translated = self._codes.get((uri, name), {}).get(_fold(code))
            if translated is not None:
                return name, translated
        return None


def _fold(text: str) -> str:
    return " ".join(text.split()).lower()


def _folded(codes: Mapping[str, str]) -> dict[str, str]:
    return {_fold(code): meant for code, meant in codes.items()}


def same_uri(uri: str) -> str:
    """Return one spelling for the ways in which a system is named: its uri, its OID or its plain name.

    ``https``, a slash at the end, a ``|version`` and the edition of SNOMED CT do not make another system.
    """
    named = re.sub(r"^https:", "http:", uri.partition("|")[0].strip().lower()).rstrip("/").removeprefix("urn:oid:")
    if _SNOMED_EDITION.fullmatch(named):
        return "http://snomed.info/sct"
    return named if _OID.fullmatch(named) or ":" in named else re.sub(r"[^a-z0-9]", "", named)
