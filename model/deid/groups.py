"""Subgroup attributes (``groups.yaml``), from US Core extensions and Coverage."""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from model.deid.vocabulary import same_uri
from model.io.json_elements import Resource, element, elements
from model.io.yaml_tables import content_digest

GROUPS_FILE = Path(__file__).parent / "groups.yaml"
CATEGORY = "ombCategory"
_BETWEEN = re.compile(r"[\s_-]+")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Category(_Row):
    """A US Core extension of Patient: its categories, and the group of a patient who has several."""

    extensions: tuple[str, ...]
    systems: tuple[str, ...]
    codes: dict[str, str]
    several: str | None = None


class Declined(_Row):
    """Codings of an unanswered question."""

    systems: tuple[str, ...]
    codes: frozenset[str]


class PayerSystem(_Row):
    """A code system of payers or plans, and the class of each code or beginning of a code."""

    name: str
    uris: tuple[str, ...]
    codes: dict[str, str]
    pattern: str | None = None
    beginnings: bool = False
    not_known: frozenset[str] = frozenset()

    def payer(self, code: str) -> str | None:
        """Return the class of a code."""
        if code in self.not_known or (self.pattern and not re.fullmatch(self.pattern, code, re.ASCII)):
            return None
        if not self.beginnings:
            return self.codes.get(code)
        return next((self.codes[code[:n]] for n in range(len(code), 0, -1) if code[:n] in self.codes), None)


class Payers(_Row):
    """Payer classes and their codes."""

    order: tuple[str, ...]
    systems: tuple[PayerSystem, ...]
    words: dict[str, tuple[str, ...]]


class Deprivation(_Row):
    """Quantiles of the deprivation index."""

    parts: int = Field(ge=2)


class CellRules(_Row):
    """k-anonymity rule: quasi-identifiers, least size of an equivalence class, and order of suppression."""

    least: int = Field(ge=1)
    fixed: tuple[str, ...]
    suppress: tuple[str, ...]
    age_bands: tuple[int, ...]


class GroupTable(_Row):
    """The subgroups table."""

    version: int
    categories: dict[str, Category]
    declined: Declined
    payers: Payers
    deprivation: Deprivation
    cells: CellRules


@dataclass(frozen=True)
class Groups:
    """The subgroups table with its lookups."""

    table: GroupTable
    digest: str
    category_of: Mapping[tuple[str, str], str]
    """The category by attribute's name and code."""
    payer_systems: Mapping[str, PayerSystem]
    payer_words: Mapping[str, str]

    def categories(self, extensions: object) -> dict[str, str]:
        """Return the group of each attribute that a Patient's extensions tell."""
        named = ((name, self._group(name, extensions)) for name in self.table.categories)
        return {name: group for name, group in named if group is not None}

    def unread(self, extensions: object) -> list[str]:
        """Return the attributes whose extension is there and says something that is not understood."""
        stated = {name: self._own(name, extensions) for name in self.table.categories}
        return [
            name for name, own in stated.items() if self._torn(name, own) or any(self._odd(name, one) for one in own)
        ]

    def payer(self, kind: object, payors: object) -> str | None:
        """Return the class of payer that a Coverage's ``type`` and ``payor`` tell; nothing when no part is known."""
        parts = list(self._payers(kind))
        parts += [self._word(one.get("display")) for one in elements(payors)]
        payers = set(parts) - {None}
        return next((payer for payer in self.table.payers.order if payer in payers), None)

    def _group(self, name: str, extensions: object) -> str | None:
        own = self._own(name, extensions)
        categories = {self._category(name, coding) for one in own for coding in _codings(one)} - {None}
        if len(categories) == 1:
            return next(iter(categories))
        return self.table.categories[name].several if categories else None

    def _own(self, name: str, extensions: object) -> list[Resource]:
        wanted = self.table.categories[name].extensions
        return [one for one in elements(extensions) if _same(one.get("url"), wanted)]

    def _category(self, name: str, coding: Mapping[str, object]) -> str | None:
        code = coding.get("code")
        if not isinstance(code, str) or not _same(coding.get("system"), self.table.categories[name].systems):
            return None
        return self.category_of.get((name, code))

    def _odd(self, name: str, extension: Mapping[str, object]) -> bool:
        codings = list(_codings(extension))
        return not codings or not all(self._category(name, one) or self._declined(one) for one in codings)

    def _torn(self, name: str, own: list[Resource]) -> bool:
        """Return whether there are several categories of which a patient has but one."""
        categories = {self._category(name, coding) for one in own for coding in _codings(one)} - {None}
        return len(categories) > 1 and self.table.categories[name].several is None

    def _declined(self, coding: Mapping[str, object]) -> bool:
        declined = self.table.declined
        return coding.get("code") in declined.codes and _same(coding.get("system"), declined.systems)

    def _payers(self, kind: object) -> Iterator[str | None]:
        concept = element(kind)
        yield self._word(concept.get("text"))
        for coding in elements(concept.get("coding")):
            uri, code = coding.get("system"), coding.get("code")
            system = self.payer_systems.get(same_uri(uri)) if isinstance(uri, str) else None
            yield self._word(coding.get("display"))
            if system is not None and isinstance(code, str):
                yield system.payer(code)

    def _word(self, text: object) -> str | None:
        return self.payer_words.get(_plain(text)) if isinstance(text, str) else None


@functools.cache
def groups() -> Groups:
    """Read the table that ships with the package."""
    content = GROUPS_FILE.read_bytes()
    table = GroupTable.model_validate(yaml.safe_load(content))
    return Groups(
        table=table,
        digest=content_digest(content),
        category_of={(name, code): word for name, row in table.categories.items() for code, word in row.codes.items()},
        payer_systems={same_uri(uri): system for system in table.payers.systems for uri in system.uris},
        payer_words={_plain(word): payer for payer, words in table.payers.words.items() for word in words},
    )


def _codings(extension: Mapping[str, object]) -> Iterator[Resource]:
    """Give the codings of ombCategory, or of the CodeableConcept that the extension held before US Core 2."""
    for part in elements(extension.get("extension")):
        if part.get("url") == CATEGORY:
            yield from elements([part.get("valueCoding")])
    yield from elements(element(extension.get("valueCodeableConcept")).get("coding"))


def _same(uri: object, wanted: Iterable[str]) -> bool:
    return isinstance(uri, str) and same_uri(uri) in {same_uri(one) for one in wanted}


def _plain(text: str) -> str:
    return _BETWEEN.sub(" ", text.strip()).lower()
